"""Whether what is answered now is what the bundle has on record: the gate before any request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

LARGEST_DIFFERENCE = 1e-3
"""Of a number of an answer. The record has logits to five decimals, and another processor adds up
in another order; a wrong model, tokenizer or label order is further off by far."""

SMALLEST_AGREEMENT = 0.99
"""Share of decisions that an export in int8, or a model in bf16, must share with the record: that
by which `export` judged it."""

NOT_ON_RECORD = ("outside", "outside_score", "abstained", "masked")

_ALL_SCORES: dict[str, Any] = {"all_scores": True}


def canary_order(canary: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the order that asks a worker for the answers to canary rows."""
    return {"id": 0, "rows": [row["row"] for row in canary], "demands": _ALL_SCORES}


def compare_canary(
    canary: Sequence[Mapping[str, Any]], answers: Sequence[Mapping[str, Any]], *, is_exact: bool
) -> str:
    """Return what differs between the answers on record and those given now, or nothing.

    `canary` holds answers that are right under `expected`, that on record first, and under
    `tolerance` how far a number may be from it; `is_exact` tells that numbers must agree at all.
    """
    if len(canary) != len(answers):
        return f"the {len(canary):,} canary rows must be answered; {len(answers):,} were"
    if is_exact:
        return _exactly(canary, answers)
    equal = decisions = 0
    for row, given in zip(canary, answers, strict=True):
        ours, theirs = decisions_of(row["expected"][0]), decisions_of(given)
        decisions += len(ours)
        equal += sum(a == b for a, b in zip(ours, theirs, strict=False))
    share = equal / decisions if decisions else 1.0
    if share < SMALLEST_AGREEMENT:
        return (
            f"{SMALLEST_AGREEMENT:.0%} of {decisions:,} canary decisions must be those on record; "
            f"{share:.2%} are"
        )
    return ""


def _exactly(canary: Sequence[Mapping[str, Any]], answers: Sequence[Mapping[str, Any]]) -> str:
    wrong = [
        number
        for number, (row, given) in enumerate(zip(canary, answers, strict=True), start=1)
        if not any(
            _same(_recorded(right), _recorded(given), row["tolerance"]) for right in row["expected"]
        )
    ]
    if not wrong:
        return ""
    shown = ", ".join(map(str, wrong[:5]))
    return (
        f"the answers to the canary rows must be those on record; {len(wrong):,} of "
        f"{len(canary):,} differ (canary.jsonl, row {shown})"
    )


def _recorded(answer: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name not in NOT_ON_RECORD}


def _same(ours: Any, theirs: Any, tolerance: float) -> bool:
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        return ours.keys() == theirs.keys() and all(
            _same(ours[key], theirs[key], tolerance) for key in ours
        )
    if isinstance(ours, list | tuple) and isinstance(theirs, list | tuple):
        return len(ours) == len(theirs) and all(
            _same(a, b, tolerance) for a, b in zip(ours, theirs, strict=True)
        )
    if isinstance(ours, float) or isinstance(theirs, float):
        numbers = isinstance(ours, int | float) and isinstance(theirs, int | float)
        return numbers and abs(ours - theirs) <= tolerance
    return ours == theirs


def decisions_of(answer: Mapping[str, Any]) -> Sequence[Any]:
    """Return what was decided in an answer: each word's tag, or all that is no number."""
    if "tags" in answer:
        return answer["tags"]
    return ([_without_numbers(value) for value in _recorded(answer).values()],)


def _without_numbers(value: Any) -> Any:
    if isinstance(value, float):
        return None
    if isinstance(value, Mapping):
        return {key: _without_numbers(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_numbers(inner) for inner in value]
    return value
