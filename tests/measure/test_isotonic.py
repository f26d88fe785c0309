"""Curves that never fall: by hand, by property, and as a public reference fits them."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from tunesmith.measure.isotonic import Curve, fit_isotonic

points = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 1)), min_size=1, max_size=60)


def test_curve_of_a_worked_example_pools_what_falls():
    # 1, 0, 0 at x = 2, 3, 4 fall and are pooled to 1/3.
    curve = fit_isotonic([1, 2, 3, 4, 5], [0, 1, 0, 0, 1])
    assert curve.x == (1.0, 2.0, 4.0, 5.0)
    assert curve.y == pytest.approx((0, 1 / 3, 1 / 3, 1))
    assert curve([0, 1.5, 3, 4.5, 9]).tolist() == pytest.approx([0, 1 / 6, 1 / 3, 2 / 3, 1])


def test_points_of_one_place_count_as_their_mean():
    assert fit_isotonic([1, 1, 2, 2], [0, 1, 1, 1]).y == (0.5, 1.0)


@given(points, st.lists(st.floats(-5, 25), min_size=2, max_size=20))
def test_curve_never_falls_and_stays_between_the_points(rows, places):
    x, y = np.array(rows, dtype=float).T
    curve = fit_isotonic(x, y)
    heights = curve(np.sort(places))
    assert (np.diff(heights) >= -1e-12).all()
    assert y.min() - 1e-12 <= heights.min()
    assert heights.max() <= y.max() + 1e-12


@given(points)
def test_curve_is_that_of_the_reference(rows):
    x, y = np.array(rows, dtype=float).T
    reference = IsotonicRegression(out_of_bounds="clip").fit(x, y)
    places = np.linspace(-1, 21, 45)
    np.testing.assert_allclose(fit_isotonic(x, y)(places), reference.predict(places), atol=1e-9)


def test_curve_survives_json():
    curve = fit_isotonic([1, 2, 3], [0, 1, 0])
    assert Curve.from_json(json.loads(json.dumps(curve.to_json()))) == curve


@pytest.mark.parametrize(
    ("x", "y", "said"),
    [([], [], "n above 0"), ([1, 2], [1], "n above 0"), ([np.inf], [1], "finite")],
)
def test_points_that_are_none_are_refused(x, y, said):
    with pytest.raises(ValueError, match=said):
        fit_isotonic(x, y)
