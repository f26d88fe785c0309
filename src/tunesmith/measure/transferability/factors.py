"""Vectors taken apart into directions once, for all the arithmetic that is linear in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

LEAST_RATIO = 1e-6
"""Directions whose strength is below this share of the largest count as none: they come from the
square of the vectors, which has half of a float's digits."""


@dataclass(frozen=True, slots=True)
class Factors:
    """The r directions that N vectors of `width` numbers have: vectors = left * values @ rightᵀ.

    `left` (N, r) has orthonormal columns, `values` (r,) fall and are above 0.
    """

    left: NDArray
    values: NDArray
    width: int

    def along(self, targets: ArrayLike) -> NDArray:
        """Return (r, K) what of each column of `targets` (N, K) lies in each direction."""
        return self.left.T @ np.asarray(targets, dtype=np.float64)


def find_factors(vectors: ArrayLike, *, centred: bool = False) -> Factors:
    """Return the factors of `vectors` (N, D), less their mean where `centred`.

    Raises `ValueError` where there is no vector, or a number is not finite.
    """
    rows = np.asarray(vectors, dtype=np.float64)
    if rows.ndim != 2 or not rows.size or not np.isfinite(rows).all():
        raise ValueError(f"vectors must be (N, D) and finite; got {rows.shape}")
    if centred:
        rows = rows - rows.mean(axis=0)
    count, width = rows.shape
    if width <= count:
        squares, right = np.linalg.eigh(rows.T @ rows)
        values = _roots(squares)
        kept = _order(values)
        left = rows @ (right[:, kept] / values[kept])
    else:
        squares, left = np.linalg.eigh(rows @ rows.T)
        values = _roots(squares)
        kept = _order(values)
        left = left[:, kept]
    return Factors(left, values[kept], width)


def _roots(squares: NDArray) -> NDArray:
    return np.sqrt(np.maximum(squares, 0.0))


def _order(values: NDArray) -> NDArray:
    """Return the places of the values that count, the largest first."""
    order = np.argsort(-values, kind="stable")
    largest = values[order[0]]
    return order[values[order] > LEAST_RATIO * largest]
