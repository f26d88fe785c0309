"""The best valid tag sequence, against trying them all."""

from __future__ import annotations

from itertools import product

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tunesmith.tasks.decoding import best_tags, tag_transitions

TYPES = 2
OUTPUTS = 1 + 2 * TYPES


def is_valid(tags) -> bool:
    previous = 0
    for tag in tags:
        if tag and tag % 2 == 0 and previous not in (tag, tag - 1):
            return False
        previous = tag
    return True


@given(
    st.integers(1, 5).flatmap(
        lambda words: arrays(np.float64, (words, OUTPUTS), elements=st.floats(-9, 0))
    )
)
def test_no_valid_sequence_scores_higher(scores):
    words = len(scores)
    tags = best_tags(scores)
    assert is_valid(tags)
    reached = scores[np.arange(words), tags].sum()
    best = max(
        sum(scores[word, tag] for word, tag in enumerate(tags))
        for tags in product(range(OUTPUTS), repeat=words)
        if is_valid(tags)
    )
    assert np.isclose(reached, best)


def test_a_lone_inside_takes_the_word_before_along_where_that_is_likely():
    outside, begin, inside = np.log([[0.5, 0.45, 0.05], [0.1, 0.1, 0.8], [0.9, 0.05, 0.05]]).T
    scores = np.stack([outside, begin, inside], axis=1)
    assert scores.argmax(axis=1).tolist() == [0, 2, 0]
    assert best_tags(scores).tolist() == [1, 2, 0]


@given(
    st.integers(1, 4).flatmap(
        lambda words: arrays(np.float64, (words, OUTPUTS), elements=st.floats(-9, 0))
    ),
    arrays(np.float64, (OUTPUTS, OUTPUTS), elements=st.floats(-9, 0)),
)
def test_no_valid_sequence_scores_higher_with_transitions(scores, transitions):
    def value(tags):
        pairs = zip(tags, tags[1:], strict=False)
        return scores[range(len(tags)), tags].sum() + sum(transitions[pair] for pair in pairs)

    tags = best_tags(scores, transitions)
    assert is_valid(tags)
    every = product(range(OUTPUTS), repeat=len(scores))
    assert np.isclose(value(list(tags)), max(value(list(tags)) for tags in every if is_valid(tags)))


def test_transitions_that_say_nothing_change_nothing():
    scores = np.log(np.random.default_rng(0).dirichlet(np.ones(OUTPUTS), size=40))
    assert best_tags(scores, np.zeros((OUTPUTS, OUTPUTS))).tolist() == best_tags(scores).tolist()


def test_transitions_are_the_shares_of_what_follows():
    counted = np.exp(tag_transitions([[0, 1, 2, 0], [0, 1, 2, 2], [0]], 3))
    np.testing.assert_allclose(counted.sum(axis=1), 1.0)
    np.testing.assert_allclose(counted[1], np.array([0.1, 0.1, 2.1]) / 2.3)
    np.testing.assert_allclose(counted[2], np.array([1.1, 0.1, 1.1]) / 2.3)
