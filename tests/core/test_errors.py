"""Errors as a person reads them, as a program reads them, and the statuses they stand for."""

from __future__ import annotations

import json

import pytest

from tunesmith.core import errors
from tunesmith.core.errors import DataError, Problem, SpecError, TunesmithError


def all_errors() -> list[type[TunesmithError]]:
    return [
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, TunesmithError)
    ]


@pytest.mark.parametrize(
    ("problem", "line"),
    [
        (Problem("`a` must be 1"), "`a` must be 1"),
        (Problem("`a` must be 1", "2"), "`a` must be 1; got 2"),
        (Problem("`a` must be 1", where="x.csv:3"), "`a` must be 1 (x.csv:3)"),
        (Problem("`a` must be 1", "2", "x.csv:3"), "`a` must be 1; got 2 (x.csv:3)"),
    ],
)
def test_problem_is_one_line_of_what_it_knows(problem, line):
    assert str(problem) == line


def test_error_one_text_is_one_problem():
    error = DataError("rows must have a label", hint="--column label=NAME")
    assert error.problems == (Problem("rows must have a label"),)
    assert str(error) == "rows must have a label\nHint: --column label=NAME"


def test_error_problems_keep_their_order_and_may_be_mixed():
    error = SpecError(["first", Problem("second", "2")])
    assert [problem.must for problem in error.problems] == ["first", "second"]
    assert str(error) == "first\nsecond; got 2"


@pytest.mark.parametrize(("count", "more"), [(20, None), (21, "… and 1 more"), (1520, "1,500")])
def test_error_shows_twenty_problems_and_counts_the_rest(count, more):
    error = DataError((f"problem {number}" for number in range(count)), hint="look")
    lines = str(error).splitlines()
    assert len(error.problems) == count
    assert lines[19] == "problem 19"
    assert lines[-1] == "Hint: look"
    assert len(lines) == (21 if more is None else 22)
    assert more is None or more in lines[20]


def test_error_to_json_has_every_problem_and_survives_json():
    error = DataError([Problem(f"p{number}", "é", "f:1") for number in range(25)], hint="h")
    fields = json.loads(json.dumps(error.to_json()))
    assert fields["error"] == "data"
    assert fields["hint"] == "h"
    assert len(fields["problems"]) == 25
    assert fields["problems"][0] == {"must": "p0", "found": "é", "where": "f:1"}


def test_error_classes_have_their_own_code_and_the_documented_exit_status():
    statuses = {error.__name__: error.exit_status for error in all_errors()}
    assert statuses == {
        "TunesmithError": 1,
        "SpecError": 2,
        "NotFoundError": 3,
        "DataError": 4,
        "MissingExtraError": 5,
        "ResourceError": 6,
        "ContextError": 7,
        "ForeignError": 8,
        "GateError": 9,
        "InterruptedRunError": 130,
    }
    assert len({error.code for error in all_errors()}) == len(all_errors())
    assert all(400 <= error.http_status < 600 for error in all_errors())


def test_error_classes_say_in_one_sentence_what_they_mean():
    found = all_errors()
    assert len(found) == 10
    for error in found:
        assert error.__doc__
        assert error.__doc__.strip().splitlines()[0].endswith(".")
