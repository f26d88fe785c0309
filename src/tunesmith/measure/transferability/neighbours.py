"""What the nearest other rows say: k nearest neighbours, each row left out of its own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NEIGHBOURS = 5
TINY = 1e-12


def neighbour_answers(vectors: NDArray, targets: NDArray, *, count: int = NEIGHBOURS) -> NDArray:
    """Return (N, K) the mean of `targets` (N, K) over the `count` nearest other rows of each.

    Near is what has a high cosine, once the mean of all vectors (N, D) is taken off. With fewer
    other rows all of them count.

    Source: Cover & Hart 1967, Nearest neighbor pattern classification; leaving one out by
    Lachenbruch & Mickey 1968.
    """
    centred = vectors - vectors.mean(axis=0)
    norms = np.linalg.norm(centred, axis=1, keepdims=True)
    units = centred / np.maximum(norms, TINY)
    cosines = units @ units.T
    np.fill_diagonal(cosines, -np.inf)
    kept = min(count, len(vectors) - 1)
    if kept < 1:
        return np.zeros(targets.shape)
    nearest = np.argpartition(-cosines, kept - 1, axis=1)[:, :kept]
    near = np.maximum(np.take_along_axis(cosines, nearest, axis=1), TINY)
    weights = near / near.sum(axis=1, keepdims=True)
    return (weights[:, :, None] * targets[nearest]).sum(axis=1)
