"""The most probable tag sequence that is one: an `I-` only goes on with an entity of its type."""

from __future__ import annotations

import numpy as np


def best_tags(scores: np.ndarray) -> np.ndarray:
    """Return (words,) the tags of the best valid sequence of (words, 1 + 2T) log-probabilities.

    Tags are O, then `B-` and `I-` of each of T types; words count as independent given the text.
    Where the best tag of each word makes a valid sequence already, that is the answer. Source:
    Viterbi 1967, with transitions that are allowed or not.
    """
    best = scores.argmax(axis=-1)
    if _is_valid(best):
        return best
    words, outputs = scores.shape
    before = np.zeros((words, outputs), dtype=np.int64)
    total = scores[0].copy()
    total[2::2] = -np.inf
    for word in range(1, words):
        anything = int(total.argmax())
        before[word] = anything
        opened = np.maximum(total[1::2], total[2::2])  # an entity of the type goes on
        before[word, 2::2] = np.arange(1, outputs, 2) + (total[2::2] > total[1::2])
        total = scores[word] + total[anything]
        total[2::2] = scores[word, 2::2] + opened
    tags = np.empty(words, dtype=np.int64)
    tags[-1] = total.argmax()
    for word in range(words - 1, 0, -1):
        tags[word - 1] = before[word, tags[word]]
    return tags


def _is_valid(tags: np.ndarray) -> bool:
    inside = (tags > 0) & (tags % 2 == 0)
    previous = np.concatenate([[0], tags[:-1]])
    return bool((~inside | (previous == tags) | (previous == tags - 1)).all())
