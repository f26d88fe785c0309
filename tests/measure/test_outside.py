"""Scores of strangeness, by hand; and what tells strangers apart, as a reference counts it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from tunesmith.measure.outside import (
    Neighbours,
    balanced_threshold,
    energy_scores,
    false_alarms_at,
    fit_distances,
    recall_threshold,
    roc_area,
    unit_rows,
)

scores = st.lists(st.integers(0, 12), min_size=1, max_size=40)


def test_energy_falls_with_any_large_logit():
    found = energy_scores([[0.0, 0.0], [10.0, 0.0], [1000.0, 1000.0]])
    assert found == pytest.approx([-np.log(2), -10 - np.log1p(np.exp(-10)), -1000 - np.log(2)])


def test_distance_counts_in_units_of_the_spread():
    # Both classes spread by 1 along the first axis and by 2 along the second.
    around = np.array([[1.0, 0], [-1, 0], [0, 2], [0, -2]]) * np.sqrt(2)
    vectors = np.concatenate([around, around + [20, 0]])
    distances = fit_distances(vectors, [0] * 4 + [1] * 4, classes=3)
    assert len(distances.means) == 2
    found = distances([[0.0, 0], [20, 0], [3, 0], [0, 6], [23, 0]])
    assert found == pytest.approx([0, 0, 9, 9, 9], rel=0.01, abs=1e-6)


def test_distance_of_flat_vectors_is_finite():
    distances = fit_distances(np.ones((5, 3)), [0] * 5, classes=1)
    assert np.isfinite(distances([[1.0, 1, 1], [2, 1, 1]])).all()


def test_neighbour_is_the_kth_nearest_by_angle():
    bank = unit_rows([[1.0, 0], [0, 3.0], [-2.0, 0]])
    asked = [[5.0, 0.0]]
    found = [Neighbours(bank, nearest)(asked)[0] for nearest in (1, 2, 3, 9)]
    assert found == pytest.approx([0, np.sqrt(2), 2, 2], abs=1e-6)


@given(scores, scores)
def test_area_is_that_of_the_reference(inside, outside):
    gold = [0] * len(inside) + [1] * len(outside)
    assert roc_area(inside, outside) == pytest.approx(roc_auc_score(gold, inside + outside))


def test_area_without_rows_tells_nothing():
    assert roc_area([], [1]) == roc_area([1], []) == 0.5


def test_false_alarms_of_a_worked_example():
    inside = np.arange(1, 21)  # 95 % of them do not exceed 19 or 20
    assert recall_threshold(inside, 0.9) in (18, 19)
    assert false_alarms_at(inside, [1, 10, 30, 40]) == 0.5
    assert false_alarms_at(inside, []) == 0.0


@given(scores, st.floats(0.05, 0.99))
def test_threshold_keeps_as_many_inside_as_was_asked(inside, recall):
    assert (np.array(inside) <= recall_threshold(inside, recall)).mean() >= recall - 1e-9


@given(scores, scores)
def test_balanced_threshold_is_as_good_as_any(inside, outside):
    inside, outside = np.array(inside), np.array(outside)

    def value(cut):
        return (inside <= cut).mean() + (outside > cut).mean()

    best = max(value(cut) for cut in np.arange(-0.5, 13, 0.5))
    assert value(balanced_threshold(inside, outside)) == pytest.approx(best)


def test_balanced_threshold_without_rows_is_refused():
    with pytest.raises(ValueError, match="inside and outside"):
        balanced_threshold([1.0], [])
