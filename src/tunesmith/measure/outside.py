"""How far a text lies from what a model was taught, and how well that tells strangers apart.

Scores rise with strangeness: the higher, the more likely a row is outside. numpy only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

RIDGE = 1e-3
"""Share of the mean variance that is added to each direction of a covariance."""
SLICE_ROWS = 512
TINY = 1e-12


def energy_scores(logits: ArrayLike) -> NDArray:
    """Return (n,) the free energy -log Σ exp(z) of logits (n, C).

    Source: Liu et al., Energy-based out-of-distribution detection, 2020, eq. 4, at temperature 1.

    >>> energy_scores([[0.0, 0.0]]).round(3).tolist()
    [-0.693]
    """
    wide = np.asarray(logits, dtype=np.float64)
    most = wide.max(axis=-1, keepdims=True)
    return -(most[..., 0] + np.log(np.exp(wide - most).sum(axis=-1)))


@dataclass(frozen=True, slots=True)
class ClassDistances:
    """Where the classes lie: `means` (C, H) after `whitener` (H, H), a covariance they share."""

    means: NDArray
    whitener: NDArray

    def __call__(self, vectors: ArrayLike) -> NDArray:
        """Return (n,) the squared Mahalanobis distance of vectors (n, H) to the nearest class."""
        seen = np.asarray(vectors, dtype=np.float64) @ np.asarray(self.whitener, dtype=np.float64)
        means = np.asarray(self.means, dtype=np.float64)
        found = np.empty(len(seen))
        for start in range(0, len(seen), SLICE_ROWS):
            part = seen[start : start + SLICE_ROWS]
            squares = (part**2).sum(axis=1)[:, None] - 2 * part @ means.T + (means**2).sum(axis=1)
            found[start : start + SLICE_ROWS] = squares.min(axis=1)
        return np.maximum(found, 0.0)


def fit_distances(vectors: ArrayLike, gold: ArrayLike, *, classes: int) -> ClassDistances:
    """Return class means and shared covariance of vectors (n, H) with gold classes (n,).

    A class without rows has no mean. A thousandth of the mean variance is added to the covariance.

    Source: Lee et al., A simple unified framework for detecting out-of-distribution samples, 2018,
    eq. 1 and 2.
    """
    vectors, gold = np.asarray(vectors, dtype=np.float64), np.asarray(gold)
    counts = np.bincount(gold, minlength=classes)
    sums = np.zeros((classes, vectors.shape[1]))
    np.add.at(sums, gold, vectors)
    means = sums / np.maximum(counts, 1)[:, None]
    centred = vectors - means[gold]
    covariance = centred.T @ centred / len(vectors)
    values, axes = np.linalg.eigh(covariance)
    ridge = RIDGE * max(float(values.mean()), TINY)
    whitener = axes / np.sqrt(np.maximum(values, 0.0) + ridge)
    return ClassDistances(means[counts > 0] @ whitener, whitener)


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Vectors of known rows at length 1, (N, H), and which nearest one of them is looked at."""

    bank: NDArray
    nearest: int

    def __call__(self, vectors: ArrayLike) -> NDArray:
        """Return (n,) the distance of vectors (n, H), at length 1, to the k-th nearest of them.

        Source: Sun et al., Out-of-distribution detection with deep nearest neighbors, 2022, eq. 1.
        """
        seen = unit_rows(vectors)
        bank = np.asarray(self.bank, dtype=np.float32)
        place = min(self.nearest, len(bank)) - 1
        found = np.empty(len(seen))
        for start in range(0, len(seen), SLICE_ROWS):
            likeness = seen[start : start + SLICE_ROWS] @ bank.T
            kth = -np.partition(-likeness, place, axis=1)[:, place]
            found[start : start + SLICE_ROWS] = np.sqrt(np.maximum(2.0 - 2.0 * kth, 0.0))
        return found


def unit_rows(vectors: ArrayLike) -> NDArray:
    """Return vectors (n, H) at length 1, in float32."""
    wide = np.asarray(vectors, dtype=np.float64)
    norms = np.linalg.norm(wide, axis=1, keepdims=True)
    return (wide / np.maximum(norms, TINY)).astype(np.float32)


def roc_area(inside: ArrayLike, outside: ArrayLike) -> float:
    """Return how often a row outside (m,) scores above one inside (n,), ties counting half.

    0.5 where one of the two has no rows.

    Source: Hanley & McNeil, The meaning and use of the area under a ROC curve, 1982.

    >>> roc_area([1, 2, 3], [2, 4])
    0.75
    """
    inside, outside = np.sort(np.asarray(inside, dtype=np.float64)), np.asarray(outside)
    if not len(inside) or not len(outside):
        return 0.5
    below = np.searchsorted(inside, outside, side="left")
    level = np.searchsorted(inside, outside, side="right")
    return float((below + level).sum() / (2.0 * len(inside) * len(outside)))


def false_alarms_at(inside: ArrayLike, outside: ArrayLike, recall: float = 0.95) -> float:
    """Return the share of rows outside (m,) that pass where `recall` of those inside (n,) do.

    It is FPR@95 of the literature, which counts rows inside as positive.

    Source: Hendrycks & Gimpel, A baseline for detecting misclassified examples, 2017.
    """
    outside = np.asarray(outside, dtype=np.float64)
    return float((outside <= recall_threshold(inside, recall)).mean()) if len(outside) else 0.0


def recall_threshold(inside: ArrayLike, recall: float) -> float:
    """Return the score that `recall` of the rows inside (n,) do not exceed."""
    return float(np.quantile(np.asarray(inside, dtype=np.float64), recall, method="higher"))


def balanced_threshold(inside: ArrayLike, outside: ArrayLike) -> float:
    """Return the threshold with the best mean of both recalls; rows above it are outside.

    It lies midway between two scores that occur; of equally good ones the highest is taken, which
    turns fewer rows inside away.

    Raises `ValueError` where one of the two has no rows.

    >>> balanced_threshold([1, 2, 3], [5, 6])
    4.0
    """
    inside, outside = np.sort(np.asarray(inside, dtype=np.float64)), np.sort(np.asarray(outside))
    if not len(inside) or not len(outside):
        raise ValueError("there must be rows inside and outside")
    scores = np.unique(np.concatenate([inside, outside]))
    cuts = np.concatenate([(scores[1:] + scores[:-1]) / 2, scores[-1:]])
    kept = np.searchsorted(inside, cuts, side="right") / len(inside)
    caught = 1.0 - np.searchsorted(outside, cuts, side="right") / len(outside)
    value = kept + caught
    return float(cuts[len(cuts) - 1 - value[::-1].argmax()])
