"""One role of one row: numbers, lists in their spellings, ids, and problems that guess."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.core.examples import Place
from tunesmith.tasks.rows import Reader, as_text, row_id

PLACE = Place("rows.csv", 3)


def reader(row: dict, **columns: str) -> Reader:
    return Reader(row, columns=columns, place=PLACE)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("word", "word"),
        ("", ""),
        (3, "3"),
        (3.0, "3"),
        (-0.5, "-0.5"),
        (10**400, "1" + "0" * 400),
        (True, None),
        (None, None),
        (math.nan, None),
        (math.inf, None),
        (["a"], None),
        ({}, None),
    ],
)
def test_as_text_writes_numbers_and_refuses_the_rest(value, text):
    assert as_text(value) == text


@given(st.integers())
def test_as_text_whole_numbers_are_the_same_read_as_int_or_as_float(number):
    if float(number) == number:
        assert as_text(float(number)) == as_text(number)


@pytest.mark.parametrize(
    ("value", "items"),
    [
        (["a", "b"], ["a", "b"]),
        (("a",), ["a"]),
        (np.array(["a", "b"]), ["a", "b"]),
        ('["a, b", "c"]', ["a, b", "c"]),
        ("[1, 2]", [1, 2]),
        ("a|b, c", ["a", "b, c"]),
        ("a; b", ["a", "b"]),
        ("a, b,", ["a", "b"]),
        ("a", ["a"]),
        ("", []),
        ("  ", []),
        ("[]", []),
    ],
)
def test_items_of_a_list_json_or_a_separated_text(value, items):
    one = reader({"labels": value})
    assert one.items("labels") == items
    assert one.problems == []


@pytest.mark.parametrize("value", [3, True, {"a": 1}, "[a, b", None])
def test_items_of_what_is_no_list_are_a_problem(value):
    one = reader({"labels": value})
    assert one.items("labels") is None
    assert str(one.problems[0]).startswith("column `labels` must hold a list; got ")


@pytest.mark.parametrize(
    ("names", "role", "guess"),
    [
        (["texts", "label"], "text", "--column text=texts"),
        (["Lable", "x"], "label", "--column label=Lable"),
        (["x", "y"], "label", "--column label=NAME"),
    ],
)
def test_missing_column_is_named_with_what_is_there_and_a_typed_guess(names, role, guess):
    one = reader(dict.fromkeys(names, "v"))
    assert one.text(role) is None
    line = str(one.problems[0])
    assert line.startswith(f"column `{role}` must be present")
    assert ", ".join(names) in line
    assert guess in line
    assert line.endswith("(rows.csv:3)")


def test_columns_map_a_role_to_another_name():
    one = reader({"body": "hello", "text": "no"}, text="body")
    assert one.has("text")
    assert one.text("text") == "hello"


def test_long_values_are_shown_shortened():
    one = reader({"text": ["x" * 500]})
    one.text("text")
    assert len(str(one.problems[0])) < 200


def test_identity_takes_the_columns_given_and_makes_what_is_missing():
    assert reader({"id": 7, "group": "doc"}).identity("a") == ("7", "doc")
    made, group = reader({}).identity("a", "b")
    assert (made, group) == (row_id("a", "b"), None)
    assert reader({"id": ""}).identity("a", "b")[0] == made


def test_row_id_is_the_same_everywhere_and_differs_with_content():
    assert row_id("a", None) == "df14bf1df5b1b943"
    assert len({row_id("a"), row_id("b"), row_id("a", "b"), row_id(["a", "b"])}) == 4
    assert len(row_id("\ud800")) == 16
