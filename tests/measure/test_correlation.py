"""Correlations: bounds, invariances, edges. Agreement with scipy is in `parity/`."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.measure.correlation import (
    correlation_statistics,
    pearson_correlation,
    spearman_correlation,
)
from tunesmith.measure.intervals import bootstrap_intervals

scores = st.integers(-20, 20)
pairs = st.lists(st.tuples(scores, scores), max_size=30)


def split(rows):
    """Return gold and predicted of rows of pairs as two float arrays."""
    table = np.array(rows, dtype=np.float64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


@given(pairs)
def test_correlations_are_bounded_and_symmetric(rows):
    gold, predicted = split(rows)
    for correlation in (pearson_correlation, spearman_correlation):
        value = correlation(gold, predicted)
        assert -1.0 <= value <= 1.0
        assert correlation(predicted, gold) == pytest.approx(value, abs=1e-12)
        assert correlation(gold, -predicted) == pytest.approx(-value, abs=1e-12)


@given(pairs, st.floats(0.01, 100), st.floats(-100, 100))
def test_pearson_does_not_see_scale_and_shift(rows, scale, shift):
    gold, predicted = split(rows)
    assert pearson_correlation(gold, predicted * scale + shift) == pytest.approx(
        pearson_correlation(gold, predicted), abs=1e-9
    )


@given(pairs)
def test_spearman_sees_order_alone(rows):
    gold, predicted = split(rows)
    assert spearman_correlation(gold, np.exp(predicted / 4)) == spearman_correlation(
        gold, predicted
    )


@given(pairs, st.data())
def test_weights_equal_repeated_rows(rows, data):
    gold, predicted = split(rows)
    weights = np.array(
        data.draw(st.lists(st.integers(0, 3), min_size=len(rows), max_size=len(rows))),
        dtype=np.int64,
    )
    again = np.repeat(gold, weights), np.repeat(predicted, weights)
    expected = {
        "spearman": spearman_correlation(*again),
        "pearson": pearson_correlation(*again),
    }
    assert correlation_statistics(gold, predicted)(weights) == pytest.approx(expected, abs=1e-12)
    assert spearman_correlation(gold, predicted, weights) == pytest.approx(
        expected["spearman"], abs=1e-12
    )
    assert pearson_correlation(gold, predicted, weights) == pytest.approx(
        expected["pearson"], abs=1e-12
    )


@pytest.mark.parametrize(
    ("gold", "predicted"),
    [([], []), ([1.0], [2.0]), ([0.1] * 7, range(7)), (range(7), [0.1] * 7), ([0, 0], [0, 0])],
)
def test_what_cannot_correlate_is_zero(gold, predicted):
    assert pearson_correlation(gold, predicted) == 0.0
    assert spearman_correlation(gold, predicted) == 0.0


def test_a_resample_of_one_row_is_zero():
    statistics = correlation_statistics([1, 2, 3], [3, 5, 7])
    assert statistics(np.array([0, 3, 0])) == {"spearman": 0.0, "pearson": 0.0}


def test_spearman_of_a_worked_example_with_ties():
    # Ranks 1 2.5 2.5 4 and 1 2 3.5 3.5: deviations give 3.75 / sqrt(4.5 * 4.5).
    assert spearman_correlation([1, 2, 2, 5], [0, 1, 7, 7]) == pytest.approx(5 / 6)


def test_huge_and_tiny_scores_neither_overflow_nor_vanish():
    gold = np.array([1.0, 2.0, 3.0, 5.0])
    for scale in (1e-200, 1e200, 1e308):
        assert pearson_correlation(gold, gold / 5 * scale) == pytest.approx(1.0)


def test_interval_of_a_strong_correlation_holds_it_and_stays_below_one():
    generator = np.random.default_rng(0)
    gold = generator.normal(size=300)
    predicted = gold + generator.normal(size=300) / 2
    low, high = bootstrap_intervals(correlation_statistics(gold, predicted), 300)["spearman"]
    assert 0.8 < low < spearman_correlation(gold, predicted) < high < 1.0


@pytest.mark.parametrize(
    ("gold", "predicted", "named"),
    [
        ([1, 2], [1], "must both be"),
        ([[1, 2]], [[1, 2]], "must both be"),
        ([1, np.nan], [1, 2], "must be finite"),
        ([1, 2], [np.inf, 2], "must be finite"),
    ],
)
def test_scores_that_are_no_pairs_of_numbers_are_refused(gold, predicted, named):
    for correlation in (pearson_correlation, spearman_correlation, correlation_statistics):
        with pytest.raises(ValueError, match=named):
            correlation(gold, predicted)
