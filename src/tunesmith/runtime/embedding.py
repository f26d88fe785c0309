"""Vectors of texts out of a bundle: which bundles have them, and how they are made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tunesmith.core.examples import Inputs, PairInput, TextInput
from tunesmith.model.encoding import encode_windows
from tunesmith.runtime.engine import window_vectors

if TYPE_CHECKING:
    from tunesmith.runtime.engine import Engine
    from tunesmith.store.bundles import Bundle

ONE_TEXT_TASKS = ("classification", "multilabel")
"""Tasks whose head stands on one vector of one text."""

TINY = 1e-12


class Vectors(NamedTuple):
    """Vectors (N, H) float32 of length 1, and how many tokens (N,) were read for each."""

    values: np.ndarray
    tokens: list[int]


def has_vectors(bundle: Bundle) -> bool:
    """Tell whether a bundle's model may have one vector for one text.

    That is a bi-encoder's, or the one that a head for labels stands on. What joins several models,
    is asked by a prompt, or tells labels by their words, has none. Nor has an architecture of
    transformers whose head stands on every token: that is known once it computes.
    """
    is_asked = bundle.manifest.get("template") is not None
    if bundle.members or is_asked or bundle.manifest.get("pooling") == "words":
        return False
    return bundle.task.head == "embed" or bundle.task.kind in ONE_TEXT_TASKS


def embed_texts(engine: Engine, texts: Sequence[str]) -> Vectors:
    """Return the vector of each text; that of a long text is the mean over its windows by tokens.

    Those are the vectors that answers are read off, but for their length.
    """
    windows = list(encode_windows(engine.tokenizer, _inputs(engine, texts), engine.reading))
    vectors = window_vectors(engine, windows)
    found = np.zeros((len(texts) + 1, vectors.shape[1]), dtype=np.float64)
    tokens = [0] * (len(texts) + 1)
    for window, vector in zip(windows, vectors, strict=True):
        text = 2 * window.row + (window.slot or 0) if engine.reading.apart else window.row
        found[text] += vector * len(window.ids)
        tokens[text] += len(window.ids)
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    units = (found / np.maximum(lengths, TINY)).astype(np.float32)
    return Vectors(units[: len(texts)], tokens[: len(texts)])


def _inputs(engine: Engine, texts: Sequence[str]) -> list[Inputs]:
    """Return texts as inputs: where two are read apart, two by two, the last one beside nothing."""
    if not engine.reading.apart:
        return [TextInput(text) for text in texts]
    both = [*texts, ""]
    return [PairInput(*both[place : place + 2]) for place in range(0, len(texts), 2)]
