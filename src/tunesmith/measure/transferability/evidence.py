"""LogME: the evidence of a Bayesian linear model of the answers, at its best weights' priors."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tunesmith.measure.transferability.factors import Factors

MOST_STEPS = 50
TOLERANCE = 1e-4
LEAST = 1e-12


def log_evidence(factors: Factors, targets: ArrayLike) -> NDArray:
    """Return (K,) LogME of each column of `targets` (N, K): log evidence in nats a row.

    Targets are 0 and 1 for each class, or one column of scores; the vectors are not centred. The
    weights' prior is N(0, 1/α), the answers' noise N(0, 1/β); both are those of the highest
    evidence.

    Source: You et al. 2021 (LogME), arXiv:2102.11005, equation 2; α and β by the fixed point of You
    et al. 2022, JMLR 23(209), algorithm 3, in t = α / β.
    """
    columns = np.asarray(targets, dtype=np.float64)
    found = factors.along(columns) ** 2
    outside = np.maximum((columns**2).sum(axis=0) - found.sum(axis=0), 0.0)
    squares = factors.values**2
    return _evidence(squares, found, outside, (len(columns), factors.width))


def explained_ratio(factors: Factors, targets: ArrayLike) -> NDArray:
    """Return (K,) the share of each column's variance that its evidence is worth, 0 to 1.

    A Gaussian with the mean and variance of the column has the evidence of knowing nothing. Each
    nat a row above it is worth as much as a model whose noise keeps exp(-2 nats) of the variance:
    so LogME of columns of different kinds can be averaged, and more than one data set compared.
    Where a column is constant there is nothing to explain: 0.
    """
    columns = np.asarray(targets, dtype=np.float64)
    variance = columns.var(axis=0)
    varies = variance > LEAST
    nothing = -0.5 * np.log(2 * np.pi * np.e * np.where(varies, variance, 1.0))
    gain = np.maximum(log_evidence(factors, columns) - nothing, 0.0)
    return np.where(varies, 1.0 - np.exp(-2.0 * gain), 0.0)


def _evidence(
    squares: NDArray, found: NDArray, outside: NDArray, shape: tuple[int, int]
) -> NDArray:
    """Return (K,) the evidence a row; `found` (r, K) are the squared parts in each direction."""
    rows, width = shape
    ratio = np.ones(found.shape[1])
    for _ in range(MOST_STEPS):
        alpha, beta, _, _ = _weights(squares, found, outside, rows, ratio)
        before, ratio = ratio, alpha / beta
        if (np.abs(ratio - before) <= TOLERANCE * before).all():
            break
    alpha, beta, length, error = _weights(squares, found, outside, rows, ratio)
    determinant = np.log(alpha + beta * squares[:, None]).sum(axis=0)
    determinant += (width - len(squares)) * np.log(alpha)
    total = rows * np.log(beta) + width * np.log(alpha) - rows * np.log(2 * np.pi)
    return 0.5 * (total - beta * error - alpha * length - determinant) / rows


def _weights(
    squares: NDArray, found: NDArray, outside: NDArray, rows: int, ratio: NDArray
) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Return α, β, the squared length of the mean weights and their squared error, each (K,).

    They are those at the `ratio` (K,) α / β.
    """
    rest = 1.0 / (ratio + squares[:, None])
    scaled = found * rest**2
    length = squares @ scaled
    error = ratio**2 * scaled.sum(axis=0) + outside
    effective = (squares[:, None] * rest).sum(axis=0)
    alpha = np.maximum(effective / np.maximum(length, LEAST), LEAST)
    beta = np.maximum((rows - effective) / np.maximum(error, LEAST), LEAST)
    return alpha, beta, length, error
