"""Zero-shot: a head made of the labels' names, and of texts whose labels nobody looks at."""

from __future__ import annotations

import time

import numpy as np

from tunesmith.core.events import Said
from tunesmith.core.methods import ZeroShot
from tunesmith.model.heads import linear_of
from tunesmith.runtime.engine import text_vectors, window_vectors
from tunesmith.stages.tune.job import Fitted, Job
from tunesmith.stages.tune.label_names import label_texts
from tunesmith.stages.tune.linear import set_linear

READ_WINDOWS = 20_000
"""Windows without labels that refine the names, at most."""


def fit_zero_shot(job: Job, method: ZeroShot) -> Fitted:
    """Put a head into `job.model` that compares a text with each label's words by their vectors.

    The words' vectors are then moved, in a few rounds, towards the texts of the training rows that
    are nearest to them: k-means that begins at the words and never lets go of them. No label of a
    row is read. Raises `SpecError` where a label has no words.
    Source: label words by sentence vectors, Yin et al. 2019, §5; spherical k-means, Dhillon &
    Modha 2001, §2.
    """
    started = time.perf_counter()
    words = list(label_texts(job.task.labels, method))
    job.emit(Said(f"label words: {'; '.join(words[:3])}{' …' if words[3:] else ''}"))
    names = text_vectors(job.engine, words)
    windows, _ = job.train.sample(READ_WINDOWS, seed=job.seed)
    texts = window_vectors(job.engine, windows)
    length = float(np.linalg.norm(texts, axis=1).mean())
    weight, bias = name_head(names, texts, method)
    set_linear(linear_of(job.model), weight / length, bias)
    return Fitted(
        chosen_on_valid=False,
        tokens=int(windows.lengths.sum()),
        seconds=time.perf_counter() - started,
        reasons=[
            f"no label of a training row was read: {len(words)} names, refined in {method.rounds} "
            f"rounds by {len(windows):,} texts"
            if method.rounds
            else f"no label of a training row was read: {len(words)} names as they are"
        ],
    )


def name_head(
    names: np.ndarray, texts: np.ndarray, method: ZeroShot
) -> tuple[np.ndarray, np.ndarray]:
    """Return weight (C, H) and bias (C,) over unit vectors of texts.

    `names` (C, H) are the labels' vectors, `texts` (N, H) those of rows without labels. Both are
    seen from their own mean, which takes away what all names, or all texts, have in common.
    """
    units = _units(texts)
    middle = units.mean(axis=0)
    seen = _units(units - middle)
    words = _units(names)
    anchors = _units(words - words.mean(axis=0)) if len(words) > 1 else words
    centres = anchors
    for _ in range(method.rounds):
        scores = method.scale * seen @ centres.T
        shares = np.exp(scores - scores.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        nearest = np.where(shares == shares.max(axis=1, keepdims=True), shares, 0.0)
        means = _units(nearest.T @ seen)
        centres = _units(method.anchor * anchors + (1.0 - method.anchor) * means)
    return method.scale * centres, -method.scale * centres @ middle


def _units(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
