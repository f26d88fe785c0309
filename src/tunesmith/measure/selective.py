"""Answering only where one is sure: risk by coverage, and the threshold for a wished precision."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tunesmith.measure.binomial import least_share

LEVEL = 0.95
"""Probability with which a promised precision holds."""


@dataclass(frozen=True, slots=True)
class RiskCoverage:
    """What is gained by leaving out the least sure answers; each (n,), the surest answer first.

    `threshold` is the confidence of the k-th answer, `coverage` the share k / n of rows answered,
    `risk` the share of these that is wrong.
    """

    threshold: NDArray
    coverage: NDArray
    risk: NDArray

    @property
    def area(self) -> float:
        """AURC: the mean risk over all coverages; 0.0 without rows.

        Source: Geifman, Uziel & El-Yaniv, Bias-reduced uncertainty estimation, 2019, sec. 2.
        """
        return float(self.risk.mean()) if len(self.risk) else 0.0


@dataclass(frozen=True, slots=True)
class Threshold:
    """The confidence from which answers are given, and what they were worth on labelled rows.

    `coverage` is the share of rows answered, `precision` the share of these that was right, `low`
    what it is at least, with probability 0.95; `is_reached` whether that is what was wished.
    """

    wished: float
    threshold: float
    coverage: float
    precision: float
    low: float
    rows: int
    is_reached: bool

    def told(self) -> str:
        """Return in a sentence what is answered and what it is worth."""
        return (
            f"answering from a confidence of {self.threshold:.3f}: {self.coverage:.1%} of "
            f"{self.rows:,} validation rows, {self.precision:.1%} of them right, at least "
            f"{self.low:.1%} with {LEVEL:.0%} confidence"
        )

    def to_json(self) -> dict[str, Any]:
        """Return the fields under their own names."""
        return {name: getattr(self, name) for name in self.__slots__}


def risk_coverage(confidence: ArrayLike, correct: ArrayLike) -> RiskCoverage:
    """Return the curve of answers (n,) with their confidence and whether they were right.

    Answers of equal confidence count as their mean, whatever order they come in.

    Raises `ValueError` on lengths that differ.

    Source: El-Yaniv & Wiener, On the foundations of noise-free selective classification, 2010.

    >>> risk_coverage([0.9, 0.8, 0.7, 0.6], [1, 1, 0, 1]).risk.round(3).tolist()
    [0.0, 0.0, 0.333, 0.25]
    """
    confidence, correct = _answers(confidence, correct)
    order = np.argsort(-confidence, kind="stable")
    sure = confidence[order]
    _, member = np.unique(sure, return_inverse=True)
    shared = np.bincount(member, correct[order]) / np.maximum(np.bincount(member), 1)
    ranks = np.arange(1, len(sure) + 1)
    return RiskCoverage(sure, ranks / max(len(sure), 1), 1.0 - shared[member].cumsum() / ranks)


def choose_threshold(confidence: ArrayLike, correct: ArrayLike, precision: float) -> Threshold:
    """Return the threshold that answers the most rows at the wished precision.

    The precision holds on new rows with probability 0.95: the doubt that is left is shared among
    the 1 + log2(n) thresholds that a bisection looks at. Where none of them is sure enough, the one
    with the highest bound is returned, and `is_reached` is False.

    Raises `ValueError` without rows, on lengths that differ, and a precision outside (0, 1).

    Source: Geifman & El-Yaniv, Selective classification for deep neural networks, 2017,
    algorithm 1 (SGR); its bound is the exact binomial one of `least_share`.
    """
    confidence, correct = _answers(confidence, correct)
    if not len(confidence) or not 0 < precision < 1:
        raise ValueError(f"there must be rows, and a precision within (0, 1); got {precision}")
    sure = np.sort(confidence)[::-1]
    looks = 1 + math.ceil(math.log2(len(sure)))
    level = 1.0 - (1.0 - LEVEL) / looks
    fewest, most = 1, len(sure)
    seen: list[Threshold] = []
    for _ in range(looks):
        at = most if not seen else (fewest + most + 1) // 2
        given = confidence >= sure[at - 1]
        hits, count = int(correct[given].sum()), int(given.sum())
        low = least_share(hits, count, level)
        is_reached = low >= precision
        found = (float(sure[at - 1]), count / len(sure), hits / count, low)
        seen.append(Threshold(precision, *found, rows=len(sure), is_reached=is_reached))
        if is_reached:
            fewest = at
        else:
            most = at - 1
        if fewest >= most:
            break
    return max(
        seen, key=lambda each: (each.is_reached, each.coverage if each.is_reached else each.low)
    )


def _answers(confidence: ArrayLike, correct: ArrayLike) -> tuple[NDArray, NDArray]:
    confidence = np.asarray(confidence, dtype=np.float64)
    correct = np.asarray(correct, dtype=np.float64)
    if confidence.shape != correct.shape or confidence.ndim != 1:
        raise ValueError(
            f"confidence and correct must both be (n,); got {confidence.shape} and {correct.shape}"
        )
    return confidence, correct
