"""Answering only where one is sure: curve, area and thresholds that keep their promise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.measure.selective import LEVEL, choose_threshold, risk_coverage

answers = st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=1, max_size=60)


def test_curve_of_a_worked_example():
    curve = risk_coverage([0.6, 0.9, 0.8, 0.7], [1, 1, 0, 1])
    assert curve.threshold.tolist() == [0.9, 0.8, 0.7, 0.6]
    assert curve.coverage.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert curve.risk.tolist() == pytest.approx([0, 1 / 2, 1 / 3, 1 / 4])
    assert curve.area == pytest.approx((1 / 2 + 1 / 3 + 1 / 4) / 4)


@given(answers, st.randoms(use_true_random=False))
def test_curve_does_not_depend_on_the_order_of_ties(rows, random):
    shuffled = random.sample(rows, len(rows))
    one, other = (risk_coverage(*np.array(order, dtype=float).T) for order in (rows, shuffled))
    np.testing.assert_allclose(one.risk, other.risk, atol=1e-12)
    assert one.risk[-1] == pytest.approx(1 - np.mean([row[1] for row in rows]))


def test_curve_without_rows_is_empty():
    assert risk_coverage([], []).area == 0.0


@given(answers, st.floats(0.05, 0.95))
def test_threshold_tells_what_its_rows_say(rows, precision):
    confidence, correct = np.array(rows, dtype=float).T
    found = choose_threshold(confidence, correct, precision)
    given_ = confidence >= found.threshold
    assert found.coverage == pytest.approx(given_.mean())
    assert found.precision == pytest.approx(correct[given_].mean())
    assert found.is_reached == (found.low >= precision)
    assert found.low <= found.precision


def test_all_rows_are_answered_where_they_are_good_enough():
    found = choose_threshold(np.linspace(0.5, 1, 1000), np.ones(1000), 0.95)
    assert found.is_reached
    assert found.coverage == 1.0


def test_least_sure_rows_are_left_out_where_they_are_wrong():
    confidence = np.linspace(0, 1, 2000)
    found = choose_threshold(confidence, confidence > 0.3, 0.95)
    assert found.is_reached
    assert 0.25 < found.threshold < 0.35


def test_too_few_rows_promise_nothing_and_name_the_best():
    found = choose_threshold([0.9] * 20, [1] * 20, 0.99)
    assert not found.is_reached
    assert 0.7 < found.low < 0.99


def test_promise_is_broken_in_fewer_draws_than_it_allows():
    """The confidence is the chance to be right: a threshold's true precision is known."""
    generator = np.random.default_rng(0)
    grid = np.linspace(0.5, 1, 100_001)
    broken = 0
    for _ in range(200):
        confidence = generator.uniform(0.5, 1, 400)
        correct = generator.random(400) < confidence
        found = choose_threshold(confidence, correct, 0.85)
        true = grid[grid >= found.threshold].mean()
        broken += found.is_reached and true < 0.85
    assert broken <= 200 * (1 - LEVEL)


@pytest.mark.parametrize("precision", [0.0, 1.0, 1.5])
def test_impossible_precision_is_refused(precision):
    with pytest.raises(ValueError, match="within"):
        choose_threshold([0.5], [1], precision)
