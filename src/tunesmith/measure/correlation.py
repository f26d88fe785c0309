"""Whether scores rise with the gold scores: Pearson's and Spearman's correlation.

Weights count rows, so that a resample needs no copy of the data. This module knows no classes;
their correlation is `matthews_correlation`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tunesmith.measure.intervals import Statistics


def pearson_correlation(
    gold: ArrayLike, predicted: ArrayLike, weights: ArrayLike | None = None
) -> float:
    """Return the linear correlation of `gold` and `predicted`, both (n,), in -1..1.

    `weights` (n,) counts each row that often. 0.0 where either side is constant or fewer than two
    rows count: it is undefined there, and a constant scorer has shown nothing.

    Raises `ValueError` on lengths that differ and on a value that is not finite.

    Source: Pearson, Note on regression and inheritance in the case of two parents, 1895.

    >>> round(pearson_correlation([1, 2, 3, 4], [1, 2, 3, 10]), 3)
    0.885
    """
    gold, predicted = _score_pairs(gold, predicted)
    return _weighted_pearson(gold, predicted, _row_counts(weights, len(gold)))


def spearman_correlation(
    gold: ArrayLike, predicted: ArrayLike, weights: ArrayLike | None = None
) -> float:
    """Return the rank correlation of `gold` and `predicted`, both (n,), in -1..1.

    Equal scores share the mean of their ranks. `weights`, edges and `Raises` are those of
    `pearson_correlation`.

    Source: Spearman, The proof and measurement of association between two things, 1904; for ties
    Kendall, Rank Correlation Methods, 1948, ch. 3.

    >>> spearman_correlation([1, 2, 3, 4], [1, 2, 3, 10])
    1.0
    """
    gold, predicted = _score_pairs(gold, predicted)
    rows = _row_counts(weights, len(gold))
    return _weighted_pearson(
        _mean_ranks(_places(gold), rows), _mean_ranks(_places(predicted), rows), rows
    )


def correlation_statistics(gold: ArrayLike, predicted: ArrayLike) -> Statistics:
    """Return a function of row weights (n,) that gives spearman and pearson, each in -1..1.

    Scores are sorted once; a replicate counts and sums. Ranks are those of the resample itself, as
    if its rows had been written out.

    Raises `ValueError` as `pearson_correlation` does.

    >>> correlation_statistics([1, 2, 3], [0.2, 0.4, 0.9])(np.ones(3))["spearman"]
    1.0
    """
    gold, predicted = _score_pairs(gold, predicted)
    gold_places, predicted_places = _places(gold), _places(predicted)

    def statistics(weights: NDArray) -> dict[str, float]:
        rows = _row_counts(weights, len(gold))
        ranks = _mean_ranks(gold_places, rows), _mean_ranks(predicted_places, rows)
        return {
            "spearman": _weighted_pearson(*ranks, rows),
            "pearson": _weighted_pearson(gold, predicted, rows),
        }

    return statistics


def _weighted_pearson(gold: NDArray, predicted: NDArray, weights: NDArray) -> float:
    counted = weights > 0
    if counted.sum() < 2:
        return 0.0
    weights = weights[counted]
    one, other = (_deviations(side[counted], weights) for side in (gold, predicted))
    scale = np.sqrt((weights @ one**2) * (weights @ other**2))
    if scale == 0:
        return 0.0
    return float(np.clip(weights @ (one * other) / scale, -1.0, 1.0))


def _deviations(values: NDArray, weights: NDArray) -> NDArray:
    """Return values less their weighted mean, at most 1 in size; exact zeros where all are equal.

    A mean of equal floats is often not that float, so one of the values is taken off first; the
    scale, which no correlation sees, keeps squares within what a float can hold.
    """
    values = values / max(float(np.abs(values).max()), np.finfo(np.float64).tiny)
    values = values - values[0]
    largest = float(np.abs(values).max())
    if largest == 0:
        return values
    values = values / largest
    return values - weights @ values / weights.sum()


def _places(values: NDArray) -> NDArray:
    """Return for each value (n,) the position of its distinct value in ascending order."""
    return np.unique(values, return_inverse=True)[1]


def _mean_ranks(places: NDArray, weights: NDArray) -> NDArray:
    """Return the mean rank of each value, less a half, among the rows as often as they count."""
    tied = np.bincount(places, weights)
    return (np.cumsum(tied) - tied / 2)[places]


def _row_counts(weights: ArrayLike | None, rows: int) -> NDArray:
    return np.ones(rows) if weights is None else np.asarray(weights, dtype=np.float64)


def _score_pairs(gold: ArrayLike, predicted: ArrayLike) -> tuple[NDArray, NDArray]:
    gold = np.asarray(gold, dtype=np.float64)
    predicted = np.asarray(predicted, dtype=np.float64)
    if gold.shape != predicted.shape or gold.ndim != 1:
        raise ValueError(
            f"gold and predicted must both be (n,); got {gold.shape} and {predicted.shape}"
        )
    if not (np.isfinite(gold).all() and np.isfinite(predicted).all()):
        raise ValueError("every score must be finite")
    return gold, predicted
