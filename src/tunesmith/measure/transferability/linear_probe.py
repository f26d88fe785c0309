"""A short probe: a ridge-regularised linear head, asked about each row as if it had not seen it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tunesmith.measure.transferability.factors import Factors

STRENGTHS = tuple(10.0**power for power in range(-4, 3))
"""Penalties tried, as multiples of the mean squared strength of a direction."""

CERTAIN = 1e-9


def left_out_answers(factors: Factors, targets: ArrayLike) -> NDArray:
    """Return (N, K) what a linear head learned from all other rows says of each row.

    `factors` are centred, `targets` (N, K). The penalty is the one whose left-out answers have the
    least squared error; the intercept has none. Exact, without a fit a row.

    Source: Allen 1974 (PRESS), Technometrics 16(1); for ridge penalties Golub, Heath & Wahba 1979,
    equation 2.3; one-hot regression as a classifier: Rifkin & Lippert 2007, MIT-CSAIL-TR-2007-025.
    """
    columns = np.asarray(targets, dtype=np.float64)
    mean = columns.mean(axis=0)
    centred = columns - mean
    found = factors.along(centred)
    squares = factors.values**2
    level = squares.mean() if len(squares) else 0.0
    leverage_of = factors.left**2
    best, least = columns * 0.0 + mean, np.inf
    for strength in STRENGTHS:
        kept = squares / (squares + strength * level)
        leverage = leverage_of @ kept + 1.0 / len(columns)
        error = (centred - factors.left @ (kept[:, None] * found)) / np.maximum(
            1.0 - leverage, CERTAIN
        )[:, None]
        size = float((error**2).mean())
        if size < least:
            best, least = columns - error, size
    return best
