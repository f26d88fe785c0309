"""Whether a model is as right as it says: reliability bins, proper scores, temperature.

Only numbers come in: probabilities, logits, gold indices. Nothing here changes a model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

LOWEST_TEMPERATURE = 0.05
HIGHEST_TEMPERATURE = 20.0
SMALLEST_PROBABILITY = float(np.finfo(np.float64).eps)
"""What a probability of 0 is read as before its logarithm is taken; scikit-learn's choice too."""


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """The rows whose confidence lies in (low, high]: how many, how sure, and how often right.

    `confidence` and `accuracy` are means in 0..1, both 0.0 where `count` is 0. The first bin holds
    confidence 0 too.
    """

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float

    def to_json(self) -> dict[str, float | int]:
        """Return the five fields under their own names."""
        return {
            "low": self.low,
            "high": self.high,
            "count": self.count,
            "confidence": self.confidence,
            "accuracy": self.accuracy,
        }


def calibration_bins(
    confidence: ArrayLike, correct: ArrayLike, *, bins: int = 15
) -> tuple[CalibrationBin, ...]:
    """Return the reliability diagram: `bins` bins of equal width over 0..1, empty ones included.

    `confidence` (n,) is the probability given to the answer, `correct` (n,) whether it was right.

    Raises `ValueError` on lengths that differ, no bins, or a confidence that is not in 0..1.

    Source: Guo et al., On calibration of modern neural networks, 2017, sec. 2.
    """
    confidence = np.asarray(confidence, dtype=np.float64)
    correct = np.asarray(correct, dtype=np.float64)
    if confidence.shape != correct.shape or confidence.ndim != 1:
        raise ValueError(
            f"confidence and correct must both be (n,); got {confidence.shape} and {correct.shape}"
        )
    if bins < 1:
        raise ValueError(f"bins must be at least 1; got {bins}")
    # float32 softmaxes pass 1 by a few 1e-7; anything beyond that is no probability.
    if not np.all((confidence >= 0) & (confidence <= 1 + 1e-5)):
        raise ValueError("every confidence must lie in 0..1")
    edges = np.linspace(0, 1, bins + 1)
    member = np.searchsorted(edges[1:-1], confidence, side="left")
    counts = np.bincount(member, minlength=bins)
    some = np.maximum(counts, 1)
    mean_confidence = np.bincount(member, confidence, minlength=bins) / some
    mean_accuracy = np.bincount(member, correct, minlength=bins) / some
    return tuple(
        CalibrationBin(
            float(edges[index]),
            float(edges[index + 1]),
            int(counts[index]),
            float(mean_confidence[index]),
            float(mean_accuracy[index]),
        )
        for index in range(bins)
    )


def expected_calibration_error(
    confidence: ArrayLike, correct: ArrayLike, *, bins: int = 15
) -> float:
    """Return the mean gap between confidence and accuracy over the bins, by rows; in 0..1.

    0.0 without rows. On few rows it is biased upwards: compare models on the same rows only.

    Source: Guo et al., On calibration of modern neural networks, 2017, eq. 3.

    >>> round(expected_calibration_error([0.9, 0.9, 0.6, 0.6], [1, 1, 1, 0]), 3)
    0.1
    """
    diagram = calibration_bins(confidence, correct, bins=bins)
    rows = sum(part.count for part in diagram)
    gaps = sum(part.count * abs(part.accuracy - part.confidence) for part in diagram)
    return gaps / rows if rows else 0.0


def brier_score(probabilities: ArrayLike, gold: ArrayLike) -> float:
    """Return the mean squared distance of probabilities (n, C) from the gold class; in 0..2.

    `gold` is (n,) class indices. Summed over classes, not halved: two classes give twice the
    binary Brier score. 0.0 without rows.

    Raises `ValueError` on shapes that do not fit and on an index that is no class.

    Source: Brier, Verification of forecasts expressed in terms of probability, 1950.
    """
    probabilities, gold = _scored_rows(probabilities, gold)
    if not len(gold):
        return 0.0
    target = probabilities[np.arange(len(gold)), gold]
    return float(((probabilities**2).sum(axis=1) - 2 * target + 1).mean())


def negative_log_likelihood(probabilities: ArrayLike, gold: ArrayLike) -> float:
    """Return the mean of -log p(gold class) in nats, from probabilities (n, C) and gold (n,).

    A probability below 2.2e-16 counts as that, so one sure mistake costs 36 nats and not infinity.
    0.0 without rows.

    Raises `ValueError` as `brier_score` does.

    Source: Guo et al., On calibration of modern neural networks, 2017, sec. 2.
    """
    probabilities, gold = _scored_rows(probabilities, gold)
    if not len(gold):
        return 0.0
    target = probabilities[np.arange(len(gold)), gold]
    return float(-np.log(np.clip(target, SMALLEST_PROBABILITY, 1.0)).mean())


def fit_temperature(logits: ArrayLike, gold: ArrayLike) -> float:
    """Return the T in 0.05..20 for which softmax(logits / T) has the least negative log-likelihood.

    `logits` are (n, C), `gold` (n,) class indices. T above 1 softens, below 1 sharpens; the order
    of the classes in a row never changes. Rows that are all right drive T to the lower bound, rows
    worse than guessing to the upper. 1.0 where T makes no difference: no rows, one class, or equal
    logits.

    The likelihood is convex in 1/T, so its derivative has at most one zero; it is found by Newton
    steps kept inside a bracket.

    Raises `ValueError` on logits that are not finite, and as `brier_score` does.

    Source: Guo et al., On calibration of modern neural networks, 2017, sec. 4.2.
    """
    raw, gold = _scored_rows(logits, gold)
    if not np.isfinite(raw).all():
        raise ValueError("every logit must be finite")
    if not len(gold):
        return 1.0
    scores = raw - raw.max(axis=1, keepdims=True)
    target = float(scores[np.arange(len(gold)), gold].mean())
    low, high = 1 / HIGHEST_TEMPERATURE, 1 / LOWEST_TEMPERATURE
    slope_low, _ = _likelihood_slope(scores, target, low)
    slope_high, _ = _likelihood_slope(scores, target, high)
    if slope_low == slope_high == 0:
        return 1.0
    if slope_low >= 0:
        return HIGHEST_TEMPERATURE
    if slope_high <= 0:
        return LOWEST_TEMPERATURE
    return 1 / _inverse_temperature(scores, target, low, high)


def _inverse_temperature(scores: NDArray, target: float, low: float, high: float) -> float:
    """Return the zero of the slope between `low`, where it falls, and `high`, where it rises."""
    inverse = 1.0
    for _ in range(100):
        slope, curvature = _likelihood_slope(scores, target, inverse)
        if slope > 0:
            high = inverse
        else:
            low = inverse
        step = slope / curvature if curvature > 0 else np.inf
        if abs(step) <= 1e-10 * inverse:
            return inverse
        inverse -= step
        if not low < inverse < high:
            inverse = (low * high) ** 0.5
    return inverse


def _likelihood_slope(scores: NDArray, target: float, inverse: float) -> tuple[float, float]:
    """Return the first and second derivative of the mean NLL by 1/T: E[z] - z_gold, and Var[z]."""
    odds = np.exp(scores * inverse)
    odds /= odds.sum(axis=1, keepdims=True)
    mean = (odds * scores).sum(axis=1)
    spread = (odds * scores**2).sum(axis=1) - mean**2
    return float(mean.mean() - target), float(spread.mean())


def _scored_rows(scores: ArrayLike, gold: ArrayLike) -> tuple[NDArray, NDArray]:
    scores, gold = np.asarray(scores, dtype=np.float64), np.asarray(gold)
    if scores.ndim != 2 or gold.shape != scores.shape[:1]:
        raise ValueError(f"scores must be (n, C) and gold (n,); got {scores.shape}, {gold.shape}")
    classes = scores.shape[1]
    if len(gold) and not (gold.dtype.kind in "iu" and gold.min() >= 0 and gold.max() < classes):
        raise ValueError(f"gold must hold class indices in 0..{classes - 1}")
    return scores, gold.astype(np.int64)
