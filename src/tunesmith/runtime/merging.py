"""From what the model makes of windows to what it says of each row, whatever order they come in.

A text of several windows has their average, a word is read in its own window, and a question is
answered by the best stretches of all its windows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

import numpy as np

from tunesmith.core.examples import ChoiceInput, Inputs, PairInput, SentencesInput, WordsInput
from tunesmith.model.framing import Window
from tunesmith.tasks.ner import continued_scores
from tunesmith.tasks.task import HeadFamily

Batches: TypeAlias = Iterable[tuple[Sequence[Window], np.ndarray]]

CERTAIN_LOGIT = 30.0
TINY = 1e-12
KEPT_STRETCHES = 20
LONGEST_ANSWER_TOKENS = 64
"""An answer beyond this length is not considered: few are, and most that score well are not."""


def merge_windows(
    batches: Batches, inputs: Sequence[Inputs], *, family: HeadFamily, outputs: int
) -> list[np.ndarray]:
    """Return the raw outputs of each input from those of its windows.

    (outputs,) for `classify` and `relate`: the average of all windows by their number of tokens;
    (words, outputs) for `tag`, where a word that no token stands for is certainly outside any
    entity; (slots, outputs) for `choose` and `embed`, the average of each choice's or text's
    windows; (n, 3) for `span`: the first row is (-1, -1, score of no answer), the others are the
    start, end (characters of the context) and score of the best stretches, best first;
    (sentences, 3) for `extract`: the logit of each, and the cosines of its vector with the mean of
    all and with the first.
    """
    merge: dict[HeadFamily, Callable[[Batches, Sequence[Inputs], int], list[np.ndarray]]] = {
        "classify": _average,
        "relate": _average,
        "tag": _gather_words,
        "choose": _average_slots,
        "embed": _average_slots,
        "span": _best_stretches,
        "extract": _compare_sentences,
    }
    return merge[family](batches, inputs, outputs)


def _average(batches: Batches, inputs: Sequence[Inputs], outputs: int) -> list[np.ndarray]:
    merged = [np.zeros(outputs) for _ in inputs]
    weights = np.zeros(len(inputs))
    for windows, logits in batches:
        for window, row_logits in zip(windows, logits, strict=True):
            merged[window.row] += row_logits * len(window.ids)
            weights[window.row] += len(window.ids)
    for row in np.flatnonzero(weights):
        merged[row] /= weights[row]
    return merged


def _average_slots(batches: Batches, inputs: Sequence[Inputs], outputs: int) -> list[np.ndarray]:
    slots = [slot_count(item) for item in inputs]
    sums: list[np.ndarray | None] = [None] * len(inputs)
    weights = [np.zeros((count, 1)) for count in slots]
    for windows, logits in batches:
        for window, row_logits in zip(windows, logits, strict=True):
            own = sums[window.row]
            if own is None:
                own = sums[window.row] = np.zeros((slots[window.row], logits.shape[1]))
            own[window.slot] += row_logits * len(window.ids)
            weights[window.row][window.slot] += len(window.ids)
    return [
        np.zeros((count, outputs)) if own is None else own / np.maximum(weight, 1)
        for own, weight, count in zip(sums, weights, slots, strict=True)
    ]


def _compare_sentences(
    batches: Batches, inputs: Sequence[Inputs], outputs: int
) -> list[np.ndarray]:
    """Return what is said of each sentence; no table of all pairs is made of a long document."""
    merged = []
    for sentences in _average_slots(batches, inputs, outputs):
        vectors = sentences[:, 1:]
        units = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), TINY)
        whole = units.mean(axis=0)
        whole /= max(float(np.linalg.norm(whole)), TINY)
        merged.append(np.stack([sentences[:, 0], units @ whole, units @ units[0]], axis=1))
    return merged


def _gather_words(batches: Batches, inputs: Sequence[Inputs], outputs: int) -> list[np.ndarray]:
    merged = [_outside(item, outputs) for item in inputs]
    for windows, logits in batches:
        for window, word_logits in zip(windows, _split(windows, logits), strict=True):
            words = merged[window.row]
            words[window.words] = word_logits
            if window.followers is not None:
                followers, owners = window.followers.T
                words[followers] = continued_scores(words[owners])
    return merged


def _best_stretches(batches: Batches, inputs: Sequence[Inputs], outputs: int) -> list[np.ndarray]:  # noqa: ARG001
    found: list[list[np.ndarray]] = [[] for _ in inputs]
    for windows, logits in batches:
        for window, own in zip(windows, _split(windows, logits), strict=True):
            found[window.row].append(_stretches(window, own))
    return [_join_stretches(parts) for parts in found]


def _stretches(window: Window, logits: np.ndarray) -> np.ndarray:
    """Return (n, 3) the score of no answer and the best stretches of one window."""
    begin_at, end_at = np.asarray(window.words), np.asarray(window.ends)
    null = logits[0].sum()
    starts = _largest(logits[1:, 0]) + 1
    ends = _largest(logits[1:, 1]) + 1
    width = ends[None, :] - starts[:, None]
    first, last = np.nonzero((width >= 0) & (width < LONGEST_ANSWER_TOKENS))
    scores = logits[starts[first], 0] + logits[ends[last], 1]
    best = _largest(scores)
    begins, stops = begin_at[starts[first[best]]], end_at[ends[last[best]]]
    stretches = np.stack([begins, stops, scores[best]], axis=1)
    return np.concatenate([[[-1.0, -1.0, null]], stretches])


def _join_stretches(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Return (n, 3) the best of all windows; where one sees no answer, another may see one."""
    if not parts:
        return np.array([[-1.0, -1.0, 0.0]])
    null = min(part[0, 2] for part in parts)
    rest = np.concatenate([part[1:] for part in parts])
    order = np.lexsort((rest[:, 1], rest[:, 0], -rest[:, 2]))  # equal scores: the first place
    _, firsts = np.unique(rest[order, :2], axis=0, return_index=True)
    best = rest[order[np.sort(firsts)[:KEPT_STRETCHES]]]
    return np.concatenate([[[-1.0, -1.0, null]], best])


def _largest(values: np.ndarray) -> np.ndarray:
    """Return the indices of the largest values, the largest first."""
    return np.argsort(-values, kind="stable")[:KEPT_STRETCHES]


def _split(windows: Sequence[Window], logits: np.ndarray) -> list[np.ndarray]:
    """Return each window's part of the logits of a batch."""
    return np.split(logits, np.cumsum([window.answers for window in windows])[:-1])


def _outside(item: Inputs, outputs: int) -> np.ndarray:
    scores = np.zeros((len(item.words) if isinstance(item, WordsInput) else 0, outputs))
    scores[:, 0] = CERTAIN_LOGIT
    return scores


def slot_count(item: Inputs) -> int:
    """Return how many choices, sentences, or texts read apart, a row has."""
    if isinstance(item, SentencesInput):
        return len(item.sentences)
    if isinstance(item, ChoiceInput):
        return len(item.choices)
    return 2 if isinstance(item, PairInput) else 1
