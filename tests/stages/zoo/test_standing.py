"""Places of models: order, what the halves leave open, and what tuned models say besides."""

from __future__ import annotations

import numpy as np
import pytest

from tunesmith.stages.zoo.standing import stand


def repeated(scores: list[float], *, spread: float) -> np.ndarray:
    noise = np.random.default_rng(0).normal(size=(len(scores), 20)) * spread
    return np.array(scores)[:, None] + noise


def places(scores, on_halves, measured=None):
    found = stand(np.array(scores), on_halves, measured or [None] * len(scores))
    return [(each.place, each.low, each.high, each.is_tied) for each in found]


def test_scores_far_apart_have_one_place_each():
    scores = [0.2, 0.9, 0.5]
    found = places(scores, repeated(scores, spread=0.001))
    assert found == [(3, 3, 3, False), (1, 1, 1, False), (2, 2, 2, False)]


def test_scores_within_their_noise_share_places_and_are_tied():
    scores = [0.90, 0.91, 0.20]
    found = places(scores, repeated(scores, spread=0.05))
    assert found == [(2, 1, 2, True), (1, 1, 2, True), (3, 3, 3, False)]


def test_noise_that_all_models_share_hides_no_difference():
    shared = np.random.default_rng(1).normal(size=20) * 0.2
    on_halves = np.array([[0.5], [0.6]]) + shared + np.array([[0.001], [-0.001]]) * np.arange(20)
    assert [place[:3] for place in places([0.5, 0.6], on_halves)] == [(2, 2, 2), (1, 1, 1)]


def test_measured_scores_say_who_stands_first_among_those_that_have_one():
    scores = [0.9, 0.8, 0.7]
    found = places(scores, repeated(scores, spread=0.001), [(0.70, 0.01), None, (0.95, 0.01)])
    assert [place[0] for place in found] == [3, 2, 1]
    assert not found[0][3]


def test_measured_scores_without_intervals_are_never_sure():
    scores = [0.9, 0.1]
    endless = float("inf")
    found = places(scores, repeated(scores, spread=0.001), [(0.9, endless), (0.1, endless)])
    assert found == [(1, 1, 2, True), (2, 1, 2, True)]


@pytest.mark.parametrize("score", [0.0, 0.7])
def test_one_model_stands_alone(score):
    assert places([score], repeated([score], spread=0.1)) == [(1, 1, 1, False)]
