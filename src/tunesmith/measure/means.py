"""Means of row values under row weights: the statistic of every metric that is a number a row."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tunesmith.measure.intervals import Statistics


def mean_statistics(values: Mapping[str, ArrayLike]) -> Statistics:
    """Return a function of row weights (n,) that gives the weighted mean of each named vector (n,).

    A NaN says that the row does not count for that name (the recall of a row without anything
    relevant, the F1 of unanswerable questions); 0.0 where nothing counts. Made for
    `bootstrap_intervals`.

    Raises `ValueError` on vectors of different lengths.

    >>> marks = {"f1": [1.0, 0.5, 0.0], "has_answer_f1": [1.0, 0.5, float("nan")]}
    >>> mean_statistics(marks)(np.ones(3))
    {'f1': 0.5, 'has_answer_f1': 0.75}
    """
    names = tuple(values)
    vectors = [np.asarray(values[name], dtype=np.float64) for name in names]
    shapes = {vector.shape for vector in vectors}
    if len(shapes) > 1 or any(len(shape) != 1 for shape in shapes):
        raise ValueError(f"all values must be (n,); got {sorted(shapes)}")
    table = np.stack(vectors) if vectors else np.zeros((0, 0))
    counted = (~np.isnan(table)).astype(np.float64)
    table = np.nan_to_num(table, nan=0.0)

    def statistics(weights: NDArray) -> dict[str, float]:
        rows = np.asarray(weights, dtype=np.float64)
        sums, totals = table @ rows, counted @ rows
        means = np.divide(sums, totals, out=np.zeros_like(sums), where=totals != 0)
        return dict(zip(names, means.tolist(), strict=True))

    return statistics
