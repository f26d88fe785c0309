"""Learning curves: what they expect, how sure they are, and where they cross."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.measure.curves import Point, crossing, fit_curve


def law(rows, ceiling, height, exponent):
    return ceiling - height * rows**-exponent


@given(st.floats(0.7, 0.98), st.floats(0.5, 2.0), st.floats(0.3, 0.9))
def test_doubling_of_a_power_law_is_predicted_within_two_points(ceiling, height, exponent):
    points = [Point(rows, law(rows, ceiling, height, exponent), 0.01) for rows in (100, 200, 400)]
    if points[0].score < 0:
        return
    expected, low, high = fit_curve(points).predict(800)
    truth = law(800, ceiling, height, exponent)
    assert abs(expected - truth) < 0.02
    assert low - 0.02 <= truth <= high + 0.02


def test_noisy_points_are_predicted_within_their_interval_as_often_as_it_says():
    random = np.random.default_rng(0)
    hits = 0
    for _ in range(200):
        ceiling, height, exponent = random.uniform(0.75, 0.95), random.uniform(0.8, 2), 0.5
        points = [
            Point(rows, law(rows, ceiling, height, exponent) + random.normal(0, 0.015), 0.015)
            for rows in (50, 100, 200, 400)
        ]
        _, low, high = fit_curve(points).predict(800)
        hits += low <= law(800, ceiling, height, exponent) <= high
    assert hits >= 180


@given(
    st.lists(
        st.tuples(st.integers(5, 5000), st.floats(0, 1), st.floats(0, 0.1)), min_size=1, max_size=5
    ),
    st.integers(1, 5000),
)
def test_more_rows_never_promise_less_and_never_more_than_everything(points, more):
    curve = fit_curve([Point(*point) for point in points])
    rows = max(point[0] for point in points)
    gain, low, high = curve.gain(rows, more)
    assert low <= gain <= high
    assert low >= 0
    assert curve.predict(rows + more)[2] <= 1.0 + 0.01


def test_one_point_is_enough_and_says_little():
    expected, low, high = fit_curve([Point(100, 0.6, 0.02)]).predict(800)
    assert 0.6 < expected < 0.95
    assert high - low > 0.15


def test_flat_curve_promises_nothing():
    curve = fit_curve([Point(100, 0.7, 0.01)], highest=0.7)
    assert curve.gain(100, 1000)[0] < 0.02


def test_crossing_is_where_the_steeper_curve_overtakes():
    flat = fit_curve([Point(rows, 0.80, 0.003) for rows in (100, 200, 400)], highest=0.81)
    steep = fit_curve([Point(rows, law(rows, 0.95, 3.0, 0.5), 0.003) for rows in (100, 200, 400)])
    at = crossing(flat, steep, low=100, high=6400)
    assert at is not None
    assert 250 < at < 600
    assert crossing(steep, flat, low=800, high=6400) is None


def test_no_points_are_refused():
    with pytest.raises(ValueError, match="at least one point"):
        fit_curve([])
