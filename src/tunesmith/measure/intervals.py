"""How sure a number is: bootstrap intervals, the paired bootstrap and Wilson's interval.

Resampling rows is expressed as weighting them: a replicate is a vector saying how often each row
was drawn. This module knows no metric; it is handed functions of such weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import NormalDist
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.measures import Measure

Statistics: TypeAlias = Callable[[NDArray], dict[str, float]]
"""A function of row weights (n,) that gives the same names each time it is called."""

TIE = 1e-12
"""Differences closer than this are equal: sums in another order differ by rounding alone."""


class PairedDifference(NamedTuple):
    """What two systems differ by on the same rows: a minus b, its interval, a two-sided p value."""

    difference: float
    low: float
    high: float
    p_value: float


def bootstrap_intervals(
    statistics: Statistics,
    rows: int,
    *,
    replicates: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, tuple[float, float]]:
    """Return the percentile interval (low, high) of every statistic, over resamples of the rows.

    `statistics` is called once a replicate with int64 weights (rows,), drawn from the multinomial
    distribution of `rows` draws with replacement; one vector is held at a time. Equal seeds give
    equal intervals. With fewer than two rows there is nothing to resample and low equals high.
    Rows that belong together are resampled together by wrapping:
    `lambda weights: statistics(weights[group_of_row])`, with the number of groups as `rows`.

    Raises `ValueError` on negative `rows`, no replicates, or a level outside (0, 1).

    Source: Efron & Tibshirani, An Introduction to the Bootstrap, 1993, sec. 13.3.

    >>> right = np.array([1, 1, 1, 0])
    >>> mean = lambda weights: {"accuracy": float(weights @ right / weights.sum())}
    >>> bootstrap_intervals(mean, 4)
    {'accuracy': (0.25, 1.0)}
    """
    _check_settings(rows, replicates, level)
    draws = [statistics(weights) for weights in _row_weights(rows, replicates, seed)]
    return {name: _percentiles([draw[name] for draw in draws], level) for name in draws[0]}


def bootstrap_measures(
    statistics: Statistics,
    rows: int,
    *,
    unit: str = "ratio",
    count: int | None = None,
    seed: int = 0,
) -> dict[str, Measure]:
    """Return every statistic of the rows as they are, with its 95 % interval, as a `Measure`.

    `count` is what the numbers rest on where that is not the rows (entities, pairs). For interval
    and `seed` see `bootstrap_intervals`.

    >>> right = np.array([1, 1, 1, 0])
    >>> mean = lambda weights: {"accuracy": float(weights @ right / weights.sum())}
    >>> print(bootstrap_measures(mean, 4)["accuracy"])
    0.750 [0.250, 1.000]
    """
    values = statistics(np.ones(rows, dtype=np.int64))
    intervals = bootstrap_intervals(statistics, rows, seed=seed)
    items = rows if count is None else count
    return {name: Measure(value, unit, items, *intervals[name]) for name, value in values.items()}


def paired_bootstrap(
    statistic_a: Callable[[NDArray], float],
    statistic_b: Callable[[NDArray], float],
    rows: int,
    *,
    replicates: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> PairedDifference:
    """Return a minus b on the same rows, its percentile interval, and whether chance explains it.

    Both statistics see the same weights (rows,) in every replicate. The p value is two-sided: how
    often a resampled difference strays from the observed one by at least as much as that strays
    from zero, with the observed sample counted in, so it is never 0 and at most 1. With fewer than
    two rows, or no difference, it is 1.0.

    Raises `ValueError` as `bootstrap_intervals` does.

    Source: Koehn, Statistical significance tests for machine translation evaluation, 2004;
    the shift by the observed difference is Berg-Kirkpatrick, Burkett & Klein, 2012, sec. 2 (there
    one-sided); the added one is Davison & Hinkley, Bootstrap Methods, 1997, eq. 4.11.
    """
    _check_settings(rows, replicates, level)
    once = np.ones(rows, dtype=np.int64)
    observed = statistic_a(once) - statistic_b(once)
    draws = np.array(
        [
            statistic_a(weights) - statistic_b(weights)
            for weights in _row_weights(rows, replicates, seed)
        ]
    )
    low, high = _percentiles(draws, level)
    if rows < 2:
        return PairedDifference(observed, low, high, 1.0)
    strays = int((np.abs(draws - observed) >= abs(observed) - TIE).sum())
    return PairedDifference(observed, low, high, (1 + strays) / (1 + len(draws)))


def wilson_interval(successes: float, count: float, level: float = 0.95) -> tuple[float, float]:
    """Return the interval (low, high) of the share `successes / count`, within 0..1.

    With a count of 0 nothing is known: (0.0, 1.0).

    Raises `ValueError` unless 0 ≤ successes ≤ count and level lies in (0, 1).

    Source: Wilson, Probable inference, the law of succession, and statistical inference, 1927;
    Brown, Cai & DasGupta, Interval estimation for a binomial proportion, 2001, eq. 4.

    >>> low, high = wilson_interval(8, 10)
    >>> round(low, 3), round(high, 3)
    (0.49, 0.943)
    """
    _check_level(level)
    if not 0 <= successes <= count:
        raise ValueError(f"successes must lie in 0..count; got {successes} of {count}")
    if count == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + level) / 2)
    share = successes / count
    centre = (share + z * z / (2 * count)) / (1 + z * z / count)
    reach = z * np.sqrt(share * (1 - share) / count + (z / (2 * count)) ** 2) / (1 + z * z / count)
    low = 0.0 if successes == 0 else max(0.0, float(centre - reach))
    high = 1.0 if successes == count else min(1.0, float(centre + reach))
    return low, high


def _row_weights(rows: int, replicates: int, seed: int) -> Iterator[NDArray]:
    """Yield how often each row is drawn, one (rows,) int64 vector a replicate."""
    if rows < 2:
        yield np.ones(rows, dtype=np.int64)
        return
    generator = np.random.default_rng(seed)
    for _ in range(replicates):
        # The same distribution as generator.multinomial with equal shares, several times faster.
        yield np.bincount(generator.integers(rows, size=rows), minlength=rows)


def _percentiles(values: list[float] | NDArray, level: float) -> tuple[float, float]:
    low, high = np.quantile(np.asarray(values), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _check_settings(rows: int, replicates: int, level: float) -> None:
    _check_level(level)
    if rows < 0 or replicates < 1:
        raise ValueError(f"rows must be ≥ 0 and replicates ≥ 1; got {rows} and {replicates}")


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1; got {level}")
