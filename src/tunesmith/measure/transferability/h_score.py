"""H-score: how far apart the classes' mean vectors lie, in the measure of the vectors' spread."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tunesmith.measure.transferability.factors import Factors


def h_score(factors: Factors, labels: NDArray) -> float:
    """Return tr(Σ⁻¹ Σ_between), 0 to classes - 1, of centred factors and class numbers (N,).

    Σ is shrunk towards a multiple of the unit matrix, Σ_between by the same share: with few rows
    for the width Σ⁻¹ is noise.

    Source: Bao et al. 2019 (H-score), definition 2; the shrinkage of Ibrahim et al. 2022,
    arXiv:2110.06893, equation 4.
    """
    weights = _weights(factors)
    score = 0.0
    for label in np.unique(labels):
        own = factors.left[labels == label]
        score += len(own) * float((weights * own.mean(axis=0) ** 2).sum())
    return score


def h_ratio(factors: Factors, labels: NDArray) -> float:
    """Return the H-score beyond chance, as a share of the most it can be beyond chance, 0 to 1.

    The most is classes - 1. Chance is what labels dealt out at random get on average, which grows
    with the width of the vectors: without it wide vectors of noise beat narrow ones that know
    something. 0 for one class.

    Source: the correction is that of the adjusted R², Wherry 1931, Annals of Mathematical
    Statistics 2(4), with the directions that the shrinkage leaves instead of all.
    """
    classes, rows = len(np.unique(labels)), len(labels)
    if classes < 2:  # noqa: PLR2004
        return 0.0
    ratio = h_score(factors, labels) / (classes - 1)
    chance = float(_weights(factors).sum()) / (rows - 1)
    return max(0.0, (ratio - chance) / (1.0 - chance)) if chance < 1.0 else 0.0


def _weights(factors: Factors) -> NDArray:
    """Return (r,) what each direction counts: its variance by that of the shrunk covariance."""
    share, level = shrinkage(factors)
    variance = factors.values**2 / len(factors.left)
    return (1.0 - share) * variance / ((1.0 - share) * variance + share * level)


def shrinkage(factors: Factors) -> tuple[float, float]:
    """Return the share of the unit matrix in the shrunk covariance, and what multiple of it.

    `factors` are centred.

    Source: Ledoit & Wolf 2004, A well-conditioned estimator for large-dimensional covariance
    matrices, lemma 3.2 and section 3.2.
    """
    rows, width = len(factors.left), factors.width
    squares = factors.values**2
    level = float(squares.sum()) / rows / width
    size = float((squares**2).sum()) / rows**2
    distance = size / width - level**2
    fourth = float((((factors.left**2) @ squares) ** 2).sum())
    noise = (fourth / rows - size) / rows / width
    share = 1.0 if distance <= 0 else min(max(noise, 0.0), distance) / distance
    return share, level
