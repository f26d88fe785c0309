"""Kinds of personal data that are known by their form, and how a request names them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BeforeValidator

Patterned = Literal[
    "email",
    "resident_id",
    "credit_code",
    "iban",
    "card",
    "bank_card",
    "ip",
    "mobile",
    "phone",
]
"""Ordered: where two stretches are equally long, the kind that stands first here is meant."""

PATTERNED: tuple[Patterned, ...] = get_args(Patterned)
NAME = "name"
"""What a person is called: found by a model that tags entities, not by a form."""

ALL = "all"
PERSON_LABELS = frozenset({"per", "pers", "person", "name", "nr", "人名", "姓名"})
"""Labels, in lower case, that tagging models give to people."""


def _read_kinds(value: Any) -> Any:
    """Take one kind as a list of one, kinds with commas between them, and `all` as every kind."""
    items = (value,) if isinstance(value, str) else value
    if not isinstance(items, list | tuple):
        return value
    words = [
        word.strip()
        for item in items
        for word in (item.split(",") if isinstance(item, str) else [item])
    ]
    return PATTERNED if ALL in words else tuple(words)


def _once(kinds: tuple[Patterned, ...]) -> tuple[Patterned, ...]:
    """Name each kind once, in the order of all."""
    return tuple(kind for kind in PATTERNED if kind in kinds)


MaskedKinds = Annotated[tuple[Patterned, ...], BeforeValidator(_read_kinds), AfterValidator(_once)]
