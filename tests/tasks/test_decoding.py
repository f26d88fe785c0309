"""The best valid tag sequence, against trying them all."""

from __future__ import annotations

from itertools import product

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tunesmith.tasks.decoding import best_tags

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
