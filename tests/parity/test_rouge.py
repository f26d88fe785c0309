"""Our ROUGE against its definition: bags built one by one, and the full table of subsequences.

The packages that compute ROUGE are stale and give 0 for Chinese; the definition is the reference.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.measure.rouge import ngram_score, subsequence_score

tokens = st.lists(st.sampled_from("abcde"), max_size=12)


def crossed_out(reference, predicted, n):
    """Return how many n-grams of `predicted` can be crossed out in `reference`."""
    left = [tuple(reference[start : start + n]) for start in range(len(reference) - n + 1)]
    common = 0
    for start in range(len(predicted) - n + 1):
        gram = tuple(predicted[start : start + n])
        if gram in left:
            left.remove(gram)
            common += 1
    return common


def table_length(one, other):
    """Return the longest common subsequence from the whole dynamic-programming table."""
    table = np.zeros((len(one) + 1, len(other) + 1), dtype=int)
    for row, first in enumerate(one, start=1):
        for column, second in enumerate(other, start=1):
            table[row, column] = (
                table[row - 1, column - 1] + 1
                if first == second
                else max(table[row - 1, column], table[row, column - 1])
            )
    return int(table[-1, -1])


def expected(common, predicted, reference):
    """Return precision, recall and their harmonic mean."""
    if common == 0:
        return 0.0, 0.0, 0.0
    precision, recall = common / predicted, common / reference
    return precision, recall, 2 * precision * recall / (precision + recall)


@given(tokens, tokens, st.integers(1, 3))
def test_ngram_scores_equal_crossing_out(reference, predicted, n):
    common = crossed_out(reference, predicted, n)
    sizes = len(predicted) - n + 1, len(reference) - n + 1
    assert ngram_score(reference, predicted, n) == pytest.approx(
        expected(common, *sizes), abs=1e-12
    )


@given(tokens, tokens)
def test_subsequence_scores_equal_the_table(reference, predicted):
    common = table_length(reference, predicted)
    assert subsequence_score(reference, predicted) == pytest.approx(
        expected(common, len(predicted), len(reference)), abs=1e-12
    )


def test_subsequence_of_long_texts_equals_the_table():
    generator = np.random.default_rng(0)
    one, other = (
        generator.integers(30, size=300).tolist(),
        generator.integers(30, size=250).tolist(),
    )
    assert subsequence_score(one, other)[1] == pytest.approx(table_length(one, other) / 300)
