"""H-score, neighbours, probe and NCE against slow direct computations and values by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.covariance import LedoitWolf

from tunesmith.measure.transferability.conditional_entropy import (
    explained_entropy_ratio,
    negative_conditional_entropy,
)
from tunesmith.measure.transferability.factors import find_factors
from tunesmith.measure.transferability.h_score import h_ratio, h_score, shrinkage
from tunesmith.measure.transferability.linear_probe import STRENGTHS, left_out_answers
from tunesmith.measure.transferability.neighbours import neighbour_answers


def rows_of(count: int, width: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(count + width)
    labels = np.arange(count) % classes
    return random.normal(size=(count, width)) + np.eye(classes, width)[labels], labels


@pytest.mark.parametrize(("count", "width"), [(50, 6), (30, 40)])
def test_h_score_is_the_trace_of_its_definition(count, width):
    vectors, labels = rows_of(count, width, 3)
    shrunk = LedoitWolf().fit(vectors)
    centred = vectors - vectors.mean(axis=0)
    means = np.stack([centred[labels == label].mean(axis=0) for label in labels])
    between = (1 - shrunk.shrinkage_) * means.T @ means / count
    expected = np.trace(np.linalg.inv(shrunk.covariance_) @ between)
    factors = find_factors(vectors, centred=True)
    assert shrinkage(factors)[0] == pytest.approx(shrunk.shrinkage_, rel=1e-6)
    assert h_score(factors, labels) == pytest.approx(expected, rel=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 5))
def test_h_score_is_at_most_one_less_than_the_classes(seed, classes):
    random = np.random.default_rng(seed)
    vectors, labels = random.normal(size=(40, 8)), np.arange(40) % classes
    factors = find_factors(vectors, centred=True)
    assert -1e-9 <= h_score(factors, labels) <= classes - 1 + 1e-9
    assert 0 <= h_ratio(factors, labels) <= 1


def test_share_of_the_h_score_is_nothing_for_labels_dealt_out_however_wide_the_vectors():
    random = np.random.default_rng(0)
    for width in (5, 60, 300):
        factors = find_factors(random.normal(size=(120, width)), centred=True)
        dealt = [random.permutation(np.arange(120) % 3) for _ in range(40)]
        raw = np.mean([h_score(factors, labels) / 2 for labels in dealt])
        found = np.mean([h_ratio(factors, labels) for labels in dealt])
        assert raw == pytest.approx(_chance(factors), abs=0.01)
        assert found < 0.02


def _chance(factors) -> float:
    """Return the mean H-score, by its most, over all ways to deal the labels out: written out."""
    share, level = shrinkage(factors)
    variance = factors.values**2 / 120
    kept = (1 - share) * variance / ((1 - share) * variance + share * level)
    return float(kept.sum()) / 119


def test_share_of_the_h_score_is_all_where_every_class_is_one_point():
    labels = np.arange(60) % 3
    vectors = np.eye(3, 8)[labels] + 1e-4 * np.random.default_rng(0).normal(size=(60, 8))
    assert h_ratio(find_factors(vectors, centred=True), labels) > 0.95


def test_h_score_of_one_class_and_of_equal_vectors_is_nothing():
    vectors = np.random.default_rng(0).normal(size=(9, 3))
    assert h_ratio(find_factors(vectors, centred=True), np.zeros(9, dtype=int)) == 0
    equal = find_factors(np.ones((6, 3)), centred=True)
    assert h_ratio(equal, np.array([0, 1] * 3)) == 0


def test_left_out_answers_are_those_of_fits_without_the_row():
    vectors, labels = rows_of(24, 5, 2)
    targets = np.eye(2)[labels]
    centred = vectors - vectors.mean(axis=0)
    mean_square = (np.linalg.svd(centred, compute_uv=False) ** 2).mean()

    def slowly(penalty: float) -> np.ndarray:
        answers = np.empty_like(targets)
        for row in range(24):
            kept = np.arange(24) != row
            mean, level = vectors[kept].mean(axis=0), targets[kept].mean(axis=0)
            inner = vectors[kept] - mean
            square = inner.T @ inner + penalty * np.eye(5)
            weight = np.linalg.solve(square, inner.T @ (targets[kept] - level))
            answers[row] = level + (vectors[row] - mean) @ weight
        return answers

    tried = [slowly(strength * mean_square) for strength in STRENGTHS]
    best = min(tried, key=lambda answers: ((answers - targets) ** 2).mean())
    found = left_out_answers(find_factors(vectors, centred=True), targets)
    assert found == pytest.approx(best, abs=1e-8)


def test_probe_of_vectors_that_are_all_equal_answers_by_the_other_rows_alone():
    factors = find_factors(np.ones((4, 3)), centred=True)
    found = left_out_answers(factors, np.array([[1.0], [0.0], [0.0], [1.0]]))
    assert found[:, 0] == pytest.approx([1 / 3, 2 / 3, 2 / 3, 1 / 3])


def test_neighbours_are_found_by_hand():
    """Two pairs on opposite sides of their mean: each is answered by its partner."""
    vectors = np.array([[1.0, 0.1], [1.0, -0.1], [-1.0, 0.1], [-1.0, -0.1]])
    found = neighbour_answers(vectors, np.array([[1.0], [2.0], [3.0], [4.0]]), count=1)
    assert found[:, 0].tolist() == [2.0, 1.0, 4.0, 3.0]


def test_neighbours_never_count_the_row_itself():
    random = np.random.default_rng(1)
    vectors, labels = random.normal(size=(300, 4)), random.integers(2, size=300)
    found = neighbour_answers(vectors, np.eye(2)[labels])
    assert 0.35 < (found.argmax(axis=1) == labels).mean() < 0.65
    assert found.sum(axis=1) == pytest.approx(np.ones(300))


def test_nearest_answers_of_few_rows_take_all_others():
    one = np.ones((1, 2))
    assert neighbour_answers(one, one).tolist() == [[0.0, 0.0]]
    three = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    assert neighbour_answers(three, np.eye(3)).sum(axis=1) == pytest.approx(np.ones(3))


def test_conditional_entropy_by_hand():
    """Source 0 says nothing of two equally frequent targets, source 1 tells all: half of log 2."""
    source, target = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 0])
    found = negative_conditional_entropy(source, target)
    assert found == pytest.approx(-0.5 * np.log(2))
    entropy = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    assert explained_entropy_ratio(source, target) == pytest.approx(1 + found / entropy)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40))
def test_labels_tell_themselves_and_never_less_than_nothing(pairs):
    source, target = np.array(pairs).T
    assert negative_conditional_entropy(target, target) == pytest.approx(0.0, abs=1e-12)
    assert negative_conditional_entropy(source, target) <= 1e-12
    assert -1e-9 <= explained_entropy_ratio(source, target) <= 1 + 1e-9


def test_lists_of_different_rows_are_refused():
    with pytest.raises(ValueError, match="same rows"):
        negative_conditional_entropy(np.array([0]), np.array([0, 1]))
