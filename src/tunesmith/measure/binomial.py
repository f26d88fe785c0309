"""Exact statements about a share that was counted: binomial tails and the quantiles of Beta."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

HALVINGS = 60
"""Steps of a bisection of 0..1: beyond what a float can tell apart."""


def binomial_tail(successes: int, count: int, ratio: float) -> float:
    """Return the probability of at least so many successes in `count` draws of chance `ratio`.

    >>> round(binomial_tail(2, 3, 0.5), 3)
    0.5
    """
    if successes <= 0:
        return 1.0
    return _tail(_log_choices(successes, count), successes, count, ratio)


def beta_quantile(first: int, second: int, level: float) -> float:
    """Return the x below which a Beta(first, second) variable lies with probability `level`.

    Both parameters are whole numbers above 0: then P(Beta ≤ x) is the chance of at least `first`
    successes in `first + second - 1` draws of chance x.

    Raises `ValueError` on parameters below 1 and a level outside (0, 1).

    >>> round(beta_quantile(1, 1, 0.3), 6)
    0.3
    """
    if first < 1 or second < 1 or not 0 < level < 1:
        raise ValueError(
            f"first and second must be at least 1 and level within (0, 1); "
            f"got {first}, {second} and {level}"
        )
    count = first + second - 1
    choices = _log_choices(first, count)
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if _tail(choices, first, count, middle) < level:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def least_share(successes: int, count: int, level: float = 0.95) -> float:
    """Return what the true share is at least, with probability `level`, one-sided.

    0.0 without successes.

    Source: Clopper & Pearson, The use of confidence or fiducial limits, 1934.

    >>> round(least_share(10, 10), 4)  # 0.05 ** (1 / 10)
    0.7411
    """
    if not 0 <= successes <= count:
        raise ValueError(f"successes must lie in 0..count; got {successes} of {count}")
    return beta_quantile(successes, count - successes + 1, 1.0 - level) if successes else 0.0


def _log_choices(first: int, count: int) -> NDArray:
    """Return the logarithms of `count` over i, for i from `first` to `count`."""
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, count + 1)))])
    chosen = np.arange(first, count + 1)
    return logs[count] - logs[chosen] - logs[count - chosen]


def _tail(choices: NDArray, first: int, count: int, ratio: float) -> float:
    if ratio <= 0.0 or ratio >= 1.0:
        return float(ratio >= 1.0)
    chosen = np.arange(first, count + 1)
    terms = choices + chosen * np.log(ratio) + (count - chosen) * np.log1p(-ratio)
    return float(min(1.0, np.exp(terms).sum()))
