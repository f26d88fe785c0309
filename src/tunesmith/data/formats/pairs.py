"""Rows that are lists of a text and its label rather than objects, as CLINC150's file has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

PAIR_MUST = 'a row must be one JSON object, or a list of two texts: ["TEXT", "LABEL"]'


def pair_row(values: Sequence[Any]) -> dict[str, Any]:
    """Return a list of two texts as a row; raise `ValueError`, which says what else it holds.

    >>> pair_row(["play some jazz", "play_music"])
    {'text': 'play some jazz', 'label': 'play_music'}
    """
    if len(values) != 2:
        raise ValueError(f"a list of {len(values):,}")
    if not all(isinstance(value, str) for value in values):
        raise ValueError("a list of two that are not both texts")
    return dict(zip(("text", "label"), values, strict=True))


def row_line(text: str, line: int) -> int:
    r"""Return the line of the first text in a list that begins on `line`.

    >>> row_line('[\n  "play some jazz",\n  "play_music"\n]', 7)
    8
    """
    return line + text.count("\n", 0, max(0, text.find('"')))
