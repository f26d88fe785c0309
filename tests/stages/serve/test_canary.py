"""What counts as the answers on record, and what does not."""

from __future__ import annotations

import pytest

from tunesmith.stages.serve.canary import compare_canary

RECORD = {"label": "good", "confidence": 0.8, "scores": {"good": 0.8, "bad": 0.2}}


def compare(answer: dict, *, is_exact: bool = True, rows: int = 1, wrong: int = 1) -> str:
    canary = [{"row": {"text": "x"}, "expected": [RECORD], "tolerance": 1e-3}] * rows
    answers = [answer] * wrong + [RECORD] * (rows - wrong)
    return compare_canary(canary, answers, is_exact=is_exact)


@pytest.mark.parametrize(
    "change",
    [{}, {"confidence": 0.8004}, {"abstained": False}, {"outside": True, "outside_score": 3.0}],
)
def test_answer_on_record_passes(change):
    assert compare({**RECORD, **change}) == ""


@pytest.mark.parametrize(
    "answer",
    [
        {**RECORD, "label": "bad"},
        {**RECORD, "confidence": 0.81},
        {**RECORD, "scores": {"good": 0.8, "bad": 0.21}},
        {**RECORD, "scores": {"good": 0.8, "worse": 0.2}},
        {**RECORD, "confidence": None},
        {"label": "good"},
    ],
)
def test_other_answer_is_found(answer):
    assert "1 of 1 differ (canary.jsonl, row 1)" in compare(answer)


def test_any_answer_that_is_right_passes_within_its_tolerance():
    other = {"label": "bad", "confidence": 0.6, "scores": {"good": 0.4, "bad": 0.6}}
    canary = [{"row": {}, "expected": [RECORD, other], "tolerance": 0.05}]
    assert compare_canary(canary, [{**other, "confidence": 0.64}], is_exact=True) == ""
    assert compare_canary(canary, [{**RECORD, "label": "bad"}], is_exact=True)


def test_missing_answers_are_found():
    canary = [{"row": {}, "expected": [RECORD], "tolerance": 1e-3}] * 2
    assert "2 canary rows must be answered; 1 were" in compare_canary(
        canary, [RECORD], is_exact=True
    )


def test_int8_may_differ_in_one_decision_of_a_hundred_and_in_every_number():
    other = {**RECORD, "label": "bad"}
    assert compare({**RECORD, "confidence": 0.5}, is_exact=False) == ""
    assert compare(other, is_exact=False, rows=100) == ""
    assert "98.00% are" in compare(other, is_exact=False, rows=100, wrong=2)


def test_tags_are_decisions_of_their_own():
    record = {"entities": [], "tags": ["O"] * 200}
    given = {"entities": [], "tags": ["O"] * 199 + ["B-X"]}
    canary = [{"row": {}, "expected": [record], "tolerance": 1e-3}]
    assert compare_canary(canary, [given], is_exact=False) == ""
    assert compare_canary(canary, [given], is_exact=True)
