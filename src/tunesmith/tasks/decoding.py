"""The most probable tag sequence that is one: an `I-` only goes on with an entity of its type."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

UNSEEN = 0.1


def best_tags(scores: np.ndarray, transitions: np.ndarray | None = None) -> np.ndarray:
    """Return (words,) the tags of the best valid sequence of (words, 1 + 2T) log-probabilities.

    Tags are O, then `B-` and `I-` of each of T types. `transitions` (1 + 2T, 1 + 2T) is what is
    added where one tag (row) stands before another; without it words count as independent given the
    text, and where the best tag of each makes a valid sequence already, that is the answer. Source:
    Viterbi 1967.
    """
    if transitions is not None:
        return _best_path(scores, transitions + forbidden(scores.shape[1]))
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
    return _traced(before, int(total.argmax()))


def forbidden(outputs: int) -> np.ndarray:
    """Return (outputs, outputs) minus infinity where a tag may not follow another, else 0."""
    tags = np.arange(outputs)
    goes_on = (tags[:, None] == tags) | (tags[:, None] == tags - 1)
    is_inside = (tags > 0) & (tags % 2 == 0)
    return np.where(is_inside & ~goes_on, -np.inf, 0.0)


def tag_transitions(sequences: Iterable[Sequence[int]], outputs: int) -> np.ndarray:
    """Return (outputs, outputs) the log-probability of each tag (column) behind another (row).

    Counted in tag sequences, with a tenth of an occurrence more for each pair.
    """
    counts = np.full((outputs, outputs), UNSEEN)
    for tags in sequences:
        np.add.at(counts, (np.asarray(tags[:-1], int), np.asarray(tags[1:], int)), 1.0)
    return np.log(counts / counts.sum(axis=1, keepdims=True))


def _best_path(scores: np.ndarray, transitions: np.ndarray) -> np.ndarray:
    words, outputs = scores.shape
    before = np.zeros((words, outputs), dtype=np.int64)
    total = scores[0].copy()
    total[2::2] = -np.inf
    for word in range(1, words):
        reached = total[:, None] + transitions
        before[word] = reached.argmax(axis=0)
        total = reached[before[word], np.arange(outputs)] + scores[word]
    return _traced(before, int(total.argmax()))


def _traced(before: np.ndarray, last: int) -> np.ndarray:
    """Return (words,) the path that ends at `last`, by the tag before each."""
    tags = np.empty(len(before), dtype=np.int64)
    tags[-1] = last
    for word in range(len(before) - 1, 0, -1):
        tags[word - 1] = before[word, tags[word]]
    return tags


def _is_valid(tags: np.ndarray) -> bool:
    inside = (tags > 0) & (tags % 2 == 0)
    previous = np.concatenate([[0], tags[:-1]])
    return bool((~inside | (previous == tags) | (previous == tags - 1)).all())
