"""A measure: its five fields, its words, and its way through JSON."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.core.measures import Measure

RATIOS = st.floats(0, 1)


@given(RATIOS, st.integers(0, 10**9), st.none() | RATIOS, st.none() | RATIOS)
def test_measure_round_trip_through_json_gives_the_same(value, count, low, high):
    measure = Measure(value, "ratio", count, low, high)
    assert Measure.from_json(json.loads(json.dumps(measure.to_json()))) == measure


def test_measure_to_json_names_its_five_fields():
    assert list(Measure(0.5).to_json()) == ["value", "unit", "count", "low", "high"]


@pytest.mark.parametrize(
    ("measure", "text"),
    [
        (Measure(0.93149, low=0.9221, high=0.94), "0.931 [0.922, 0.940]"),
        (Measure(0.5), "0.500"),
        (Measure(0.5, low=0.4), "0.500"),
    ],
)
def test_measure_text_shows_the_interval_where_both_ends_are_known(measure, text):
    assert str(measure) == text


def test_measure_is_frozen():
    with pytest.raises(AttributeError):
        Measure(0.5).value = 1.0
