"""Two sides timed in turn: pairs, ratios with their spread, percentiles. Knows no model.

A ratio is taken pair by pair, so that a machine that grows slower during the run slows both sides.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from record import tell

FEWEST_PAIRS = 5
"""Pairs that a figure needs before it may be quoted."""


@dataclass(frozen=True, slots=True)
class Slice:
    """A timed stretch of work: `amount` (real tokens, rows, calls) done in `seconds`."""

    amount: float
    seconds: float

    @property
    def rate(self) -> float:
        """Amount a second."""
        return self.amount / self.seconds


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of `count` values with the lowest and the highest of them."""

    median: float
    low: float
    high: float
    count: int

    def to_json(self, *, decimals: int = 3) -> dict[str, float | int]:
        """Return the fields as a benchmark tells them, `value` being the median."""
        return {
            "value": round(self.median, decimals),
            "low": round(self.low, decimals),
            "high": round(self.high, decimals),
            "count": self.count,
        }


def spread(values: Sequence[float]) -> Spread:
    """Return median, lowest and highest of at least one value."""
    return Spread(statistics.median(values), min(values), max(values), len(values))


def interleave(
    sides: Mapping[str, Callable[[int], Slice]], *, pairs: int
) -> dict[str, list[Slice]]:
    """Return the slices of each side, run in turn: A B A B …, `pairs` of each.

    A side is given the number of the round, from 0: the same number asks for the same rows.
    """
    slices: dict[str, list[Slice]] = {name: [] for name in sides}
    for number in range(pairs):
        for name, run in sides.items():
            slices[name].append(run(number))
    return slices


def rate_ratios(ours: Sequence[Slice], theirs: Sequence[Slice]) -> Spread:
    """Return how many times faster our side was, pair by pair.

    Raises `ValueError` where a slice has no partner.
    """
    return spread([our.rate / their.rate for our, their in zip(ours, theirs, strict=True)])


def time_ratios(ours: Sequence[Slice], theirs: Sequence[Slice]) -> Spread:
    """Return which part of the rival's seconds our side needed, pair by pair."""
    return spread([our.seconds / their.seconds for our, their in zip(ours, theirs, strict=True)])


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the value that `percent` of `values` do not exceed, linear between neighbours."""
    return float(np.percentile(np.asarray(values, dtype=np.float64), percent))


def tell_sides(benchmark: str, slices: Mapping[str, Sequence[Slice]], *, unit: str) -> None:
    """Print one line a side: the rate of each of its slices, summed up."""
    for name, runs in slices.items():
        rates = spread([run.rate for run in runs])
        tell(benchmark, side=name, unit=unit, **rates.to_json(decimals=1))


def pin_processors(count: int) -> int:
    """Bind this process, with all it starts, to its first `count` processors; return how many.

    Every library that asks how many there are then hears the same number, ours and the rivals'.
    To be called before torch is imported: its threads are counted once.
    """
    chosen = sorted(os.sched_getaffinity(0))[:count]
    os.sched_setaffinity(0, chosen)
    os.environ["OMP_NUM_THREADS"] = str(len(chosen))
    return len(chosen)
