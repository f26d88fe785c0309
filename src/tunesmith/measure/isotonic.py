"""The best curve that never falls: isotonic regression, fitted and read off. Knows no model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, slots=True)
class Curve:
    """A curve through (x, y), both ascending; straight between the points, level beyond them."""

    x: tuple[float, ...]
    y: tuple[float, ...]

    def __call__(self, values: ArrayLike) -> NDArray:
        """Return the height of the curve at each value, in the values' shape."""
        return np.interp(np.asarray(values, dtype=np.float64), self.x, self.y)

    def to_json(self) -> dict[str, list[float]]:
        """Return both lists under their own names."""
        return {"x": list(self.x), "y": list(self.y)}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Curve:
        """Read what `to_json` wrote."""
        return cls(tuple(fields["x"]), tuple(fields["y"]))


def fit_isotonic(x: ArrayLike, y: ArrayLike) -> Curve:
    """Return the curve that never falls with the least squared distance from `y` at `x`, both (n,).

    Points of one x count as their mean. A block of points that would fall is level at its mean, and
    two neighbouring blocks are joined by a straight line, as scikit-learn reads its curve too.

    Raises `ValueError` without points, on lengths that differ and on values that are not finite.

    Source: pool adjacent violators, Ayer et al., An empirical distribution function for sampling
    with incomplete information, 1955; for probabilities Zadrozny & Elkan, Transforming classifier
    scores into accurate multiclass probability estimates, 2002, sec. 3.

    >>> fit_isotonic([1, 2, 3, 4], [0, 1, 0, 1]).y
    (0.0, 0.5, 0.5, 1.0)
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if x.shape != y.shape or x.ndim != 1 or not len(x):
        raise ValueError(f"x and y must both be (n,) with n above 0; got {x.shape} and {y.shape}")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("every x and y must be finite")
    places, member = np.unique(x, return_inverse=True)
    weights = np.bincount(member).astype(np.float64)
    sums = np.bincount(member, y)
    first, last = places, places
    while len(sums) > 1 and (falls := sums[1:] * weights[:-1] < sums[:-1] * weights[1:]).any():
        # A run of falling blocks is one block, whichever pair of it is pooled first.
        starts = np.flatnonzero(np.concatenate([[True], ~falls]))
        ends = np.concatenate([starts[1:], [len(sums)]]) - 1
        sums, weights = np.add.reduceat(sums, starts), np.add.reduceat(weights, starts)
        first, last = first[starts], last[ends]
    means = np.maximum.accumulate(sums / weights)
    corners = np.stack([first, last], axis=1).ravel()
    heights = np.repeat(means, 2)
    kept = np.concatenate([[True], np.diff(corners) > 0])
    return Curve(tuple(corners[kept].tolist()), tuple(heights[kept].tolist()))
