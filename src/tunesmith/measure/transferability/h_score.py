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
    rows = len(labels)
    share, level = shrinkage(factors)
    squares = factors.values**2
    spread = (1.0 - share) * squares / rows + share * level
    score = 0.0
    for label in np.unique(labels):
        own = factors.left[labels == label]
        mean = own.mean(axis=0)
        score += len(own) / rows * float((squares * mean**2 / spread).sum())
    return (1.0 - share) * score


def h_ratio(factors: Factors, labels: NDArray) -> float:
    """Return the H-score as a share of the most it can be, classes - 1; 0 for one class."""
    classes = len(np.unique(labels))
    return h_score(factors, labels) / (classes - 1) if classes > 1 else 0.0


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
