"""Learning curves: what a score becomes with more rows, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

EXPONENTS = np.geomspace(0.1, 2.0, 40)
LIKELY_EXPONENT, EXPONENT_SPREAD = 0.5, 0.6
"""Where exponents of learning curves lie before any is seen: the middle, and the deviation of the
logarithm (Viering & Loog 2023, §4, name 0.5 and its neighbourhood)."""

CEILINGS = 60
CURVE_NOISE = 0.004
"""How far a real curve strays from its law, beside the error of each point."""


@dataclass(frozen=True, slots=True)
class Point:
    """A score that was measured after learning from so many rows, and its standard error."""

    rows: int
    score: float
    error: float


@dataclass(frozen=True, slots=True)
class LearningCurve:
    """The laws that may have made the points, each with its probability.

    A law says score(n) = ceiling - height · n^-exponent; the arrays have one entry a law.
    """

    ceilings: NDArray
    heights: NDArray
    exponents: NDArray
    chances: NDArray

    def predict(self, rows: float) -> tuple[float, float, float]:
        """Return the expected score after `rows` rows and its 95 % interval."""
        return self._summary(self._scores(rows))

    def gain(self, rows: float, more: float) -> tuple[float, float, float]:
        """Return what `more` rows beyond `rows` are expected to add, and its 95 % interval."""
        return self._summary(self._scores(rows + more) - self._scores(rows))

    def _scores(self, rows: float) -> NDArray:
        return self.ceilings - self.heights * float(rows) ** -self.exponents

    def _summary(self, values: NDArray) -> tuple[float, float, float]:
        order = np.argsort(values)
        mass = np.cumsum(self.chances[order])
        low, high = (values[order[np.searchsorted(mass, level)]] for level in (0.025, 0.975))
        expected = float(values @ self.chances)
        return expected, min(float(low), expected), max(float(high), expected)


def fit_curve(points: Sequence[Point], *, highest: float = 1.0) -> LearningCurve:
    """Return the power laws through `points`, weighed by how well they fit and how likely they are.

    The ceiling lies between the best score and `highest`, all of that alike; a curve never falls.
    One point is enough: what it does not say, the likely exponents do. Raises `ValueError` without
    points. Source: the three-parameter power law of Viering & Loog 2023 (table 1, POW3), its
    parameters integrated over a grid.

    >>> curve = fit_curve([Point(100, 0.6, 0.01), Point(200, 0.7, 0.01), Point(400, 0.77, 0.01)])
    >>> round(curve.predict(800)[0], 2)
    0.81
    """
    if not points:
        raise ValueError("a learning curve needs at least one point")
    rows = np.array([point.rows for point in points], dtype=np.float64)
    scores = np.array([point.score for point in points])
    errors = np.sqrt(np.array([point.error for point in points]) ** 2 + CURVE_NOISE**2)
    floor = max(float((scores - errors).max()), -1.0)
    top = max(highest, floor + CURVE_NOISE)
    ceilings, exponents = (
        grid.ravel()
        for grid in np.meshgrid(np.linspace(floor, top, CEILINGS), EXPONENTS, indexing="ij")
    )
    falls = rows[None, :] ** -exponents[:, None]
    below = ceilings[:, None] - scores[None, :]
    weights = 1.0 / errors**2
    heights = np.maximum((below * falls * weights).sum(1) / (falls**2 * weights).sum(1), 0.0)
    misfit = ((heights[:, None] * falls - below) ** 2 * weights).sum(1)
    strangeness = ((np.log(exponents) - np.log(LIKELY_EXPONENT)) / EXPONENT_SPREAD) ** 2
    logs = -0.5 * (misfit + strangeness)
    chances = np.exp(logs - logs.max())
    return LearningCurve(ceilings, heights, exponents, chances / chances.sum())


def crossing(
    first: LearningCurve, second: LearningCurve, *, low: float, high: float
) -> float | None:
    """Return the rows between `low` and `high` at which `second` is expected to overtake `first`.

    None where it does not, or stands above all the way.
    """
    grid = np.geomspace(low, high, 200)
    ahead = [second.predict(rows)[0] > first.predict(rows)[0] for rows in grid]
    if ahead[0] or not any(ahead):
        return None
    return float(grid[ahead.index(True)])
