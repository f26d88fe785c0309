"""Means of row values: weights, rows that do not count, edges."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.measure.intervals import bootstrap_measures
from tunesmith.measure.means import mean_statistics

values = st.lists(st.one_of(st.floats(-5, 5), st.just(float("nan"))), max_size=20)


@given(values, st.data())
def test_weights_equal_repeated_rows_and_nan_does_not_count(row_values, data):
    weights = np.array(
        data.draw(st.lists(st.integers(0, 3), min_size=len(row_values), max_size=len(row_values))),
        dtype=np.int64,
    )
    again = np.repeat(np.array(row_values, dtype=np.float64), weights)
    again = again[~np.isnan(again)]
    expected = again.mean() if len(again) else 0.0
    assert mean_statistics({"mark": row_values})(weights)["mark"] == pytest.approx(expected)


def test_nothing_to_mean_gives_zeros_or_nothing():
    assert mean_statistics({"f1": []})(np.ones(0)) == {"f1": 0.0}
    assert mean_statistics({"f1": [float("nan")]})(np.ones(1)) == {"f1": 0.0}
    assert mean_statistics({})(np.ones(0)) == {}


@pytest.mark.parametrize("wrong", [{"a": [1.0], "b": [1.0, 2.0]}, {"a": [[1.0]]}, {"a": 1.0}])
def test_values_that_are_no_rows_are_refused(wrong):
    with pytest.raises(ValueError, match="must be"):
        mean_statistics(wrong)


def test_bootstrap_measures_carry_value_unit_count_and_interval():
    measures = bootstrap_measures(
        mean_statistics({"f1": [1, 1, 0, 1], "length": [2, 4, 6, 8]}), 4, unit="words", count=9
    )
    assert list(measures) == ["f1", "length"]
    assert measures["length"].value == 5.0
    assert (measures["length"].unit, measures["length"].count) == ("words", 9)
    assert 2.0 <= measures["length"].low < 5.0 < measures["length"].high <= 8.0
    assert bootstrap_measures(mean_statistics({"f1": [1, 0]}), 2)["f1"].count == 2
