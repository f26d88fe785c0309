"""Sets of labels that hold the right one in a promised share of rows: split conformal prediction.

The promise holds for rows exchangeable with those that set the quantile, whatever the model is. It
is about all rows together, or about each class by itself, never about a single row.
"""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tunesmith.measure.binomial import beta_quantile

SetMethod: TypeAlias = Literal["lac", "aps", "raps"]

RAPS_WEIGHT = 0.01
RAPS_FREE_RANKS = 5
"""λ and k_reg of Angelopoulos et al. 2021, §3: the values of their experiments."""
ROUNDING = 1e-9
BAND_LEVEL = 0.9
NARROW = 0.05
"""How far below the promise the coverage may lie, at the lower end of its band, without a word."""


def label_scores(probabilities: ArrayLike, method: SetMethod) -> NDArray:
    """Return (n, C) how little each label conforms, from probabilities (n, C).

    `lac` is 1 - p. `aps` is the probability of all labels that are at least as likely, its own
    included; `raps` adds 0.01 for each rank beyond the fifth, which keeps sets small. Nothing is
    drawn at random, so the same row has the same set; the coverage is then a little above the
    promise for `aps` and `raps`.

    Sources: Sadinle, Lei & Wasserman, Least ambiguous set-valued classifiers, 2019; Romano, Sesia &
    Candès, Classification with valid and adaptive coverage, 2020; Angelopoulos et al., Uncertainty
    sets for image classifiers using conformal prediction, 2021.

    >>> label_scores([[0.5, 0.2, 0.3]], "aps").round(1).tolist()
    [[0.5, 1.0, 0.8]]
    """
    ratios = np.asarray(probabilities, dtype=np.float64)
    if method == "lac":
        return 1.0 - ratios
    order = np.argsort(-ratios, axis=-1, kind="stable")
    sums = np.take_along_axis(ratios, order, axis=-1).cumsum(axis=-1)
    if method == "raps":
        ranks = np.arange(1, ratios.shape[-1] + 1)
        sums = sums + RAPS_WEIGHT * np.maximum(0, ranks - RAPS_FREE_RANKS)
    scores = np.empty_like(sums)
    np.put_along_axis(scores, order, sums, axis=-1)
    return scores


def conformal_quantile(scores: ArrayLike, coverage: float) -> float:
    """Return the ceil((n + 1) · coverage)-th smallest score (n,); infinity where n is too few.

    The scores are those of the right labels of rows that nothing was fitted on.

    Raises `ValueError` where the coverage is not within (0, 1).

    Source: Vovk, Gammerman & Shafer, Algorithmic learning in a random world, 2005; Lei et al.,
    Distribution-free predictive inference for regression, 2018, sec. 2.

    >>> conformal_quantile([0.1, 0.2, 0.3, 0.4], 0.8)
    0.4
    """
    _check_coverage(coverage)
    ordered = np.sort(np.asarray(scores, dtype=np.float64))
    place = math.ceil((len(ordered) + 1) * coverage - ROUNDING)
    return float(ordered[place - 1]) if place <= len(ordered) else math.inf


def class_quantiles(
    scores: ArrayLike, gold: ArrayLike, coverage: float, *, classes: int
) -> NDArray:
    """Return (C,) a quantile for each class, from scores (n,) and gold classes (n,).

    A class with too few rows has infinity, so it is in every set.

    Source: label-conditional (Mondrian) conformal prediction, Vovk 2012, sec. 4.
    """
    scores, gold = np.asarray(scores, dtype=np.float64), np.asarray(gold)
    return np.array([conformal_quantile(scores[gold == own], coverage) for own in range(classes)])


def label_sets(scores: ArrayLike, quantile: float | ArrayLike) -> NDArray:
    """Return (n, C) which labels conform: those with a score of at most the quantile, or theirs.

    The label that conforms best is always there: no set is empty, and the coverage only rises.
    """
    scores = np.asarray(scores, dtype=np.float64)
    chosen = scores <= np.asarray(quantile, dtype=np.float64) + ROUNDING
    best = scores.argmin(axis=-1)
    np.put_along_axis(chosen, np.expand_dims(best, -1), True, axis=-1)
    return chosen


def coverage_band(rows: int, coverage: float, *, level: float = BAND_LEVEL) -> tuple[float, float]:
    """Return between which values the true coverage lies, with probability `level`.

    It is what the set of calibration rows leaves to chance: over such sets, coverage is
    Beta(n + 1 - l, l) with l = floor((n + 1) · (1 - coverage)). (1, 1) where sets hold all labels.

    Source: Vovk, Conditional validity of inductive conformal predictors, 2012, prop. 2a.

    >>> low, high = coverage_band(1000, 0.9)
    >>> round(low, 3), round(high, 3)
    (0.884, 0.915)
    """
    _check_coverage(coverage)
    left = math.floor((rows + 1) * (1.0 - coverage) + ROUNDING)
    if left < 1:
        return 1.0, 1.0
    ends = ((1.0 - level) / 2, (1.0 + level) / 2)
    low, high = (beta_quantile(rows + 1 - left, left, end) for end in ends)
    return low, high


def fewest_rows(coverage: float) -> int:
    """Return the calibration rows below which every set must hold all labels: ceil(1 / α) - 1.

    >>> fewest_rows(0.9)
    9
    """
    _check_coverage(coverage)
    return max(1, math.ceil(1.0 / (1.0 - coverage) - ROUNDING) - 1)


def rows_for_band(coverage: float, reach: float = NARROW) -> int:
    """Return how many rows bring the lower end of the band to within `reach` of the coverage."""
    most = fewest_rows(coverage)
    while coverage_band(most, coverage)[0] < coverage - reach:
        most *= 2
    least = most // 2
    while most - least > 1:
        middle = (least + most) // 2
        is_narrow = coverage_band(middle, coverage)[0] >= coverage - reach
        least, most = (least, middle) if is_narrow else (middle, most)
    return most


def _check_coverage(coverage: float) -> None:
    if not 0 < coverage < 1:
        raise ValueError(f"coverage must lie between 0 and 1; got {coverage}")
