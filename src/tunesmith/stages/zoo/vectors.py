"""The vectors of what is asked about, as one model makes them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.examples import Example, Inputs
from tunesmith.model.backbones import Backbone
from tunesmith.model.encoding import encode_windows
from tunesmith.model.framing import Reading, Window
from tunesmith.stages.zoo.questions import Question

LONGEST_TOKENS = 512
"""Of a longer text this much is read: enough to compare models by."""

TINY = 1e-12


def reading_of(backbone: Backbone) -> Reading:
    """Return how rows are read to be ranked by: one window a text, the texts of a pair apart."""
    return Reading(
        max_length=min(backbone.card.context, LONGEST_TOKENS),
        stride=0,
        long_text="truncate",
        case_shape=False,
        apart=True,
    )


def windows_of(backbone: Backbone, examples: Sequence[Example]) -> list[Window]:
    """Return the windows of rows, as `reading_of` reads them."""
    inputs: list[Inputs] = [example.inputs for example in examples]
    return list(encode_windows(backbone.tokenizer, inputs, reading_of(backbone)))


def gather(
    windows: Sequence[Window], found: NDArray, question: Question
) -> tuple[NDArray, NDArray | None]:
    """Return (U, D) the vectors of what is asked, and (U,) the cosines of pairs, or None.

    `found` (A, H) has what was made of the windows. A pair of texts u and v at length 1 is |u - v|
    beside u * v. A word that has no token of its own is the word it shares one with, or zero.
    """
    if question.words is not None:
        return _of_words(windows, found, question), None
    if not any(window.slot is not None for window in windows):
        return found, None
    slots = np.array([window.slot for window in windows])
    units = found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), TINY)
    first, second = units[slots == 0], units[slots == 1]
    cosines = (first * second).sum(axis=1) if question.has_scores else None
    return np.hstack([np.abs(first - second), first * second]), cosines


def _of_words(windows: Sequence[Window], found: NDArray, question: Question) -> NDArray:
    """Return (U, H) the vectors of the words that are asked about."""
    place: dict[tuple[int, int], int] = {}
    at = 0
    for window in windows:
        for word in () if window.words is None else window.words.tolist():
            place[window.row, word] = at
            at += 1
        for follower, owner in () if window.followers is None else window.followers.tolist():
            place[window.row, follower] = place[window.row, owner]
    vectors = np.zeros((len(question.rows), found.shape[1]), dtype=found.dtype)
    words: NDArray = question.rows if question.words is None else question.words
    for number, key in enumerate(zip(question.rows.tolist(), words.tolist(), strict=True)):
        if key in place:
            vectors[number] = found[place[key]]
    return vectors
