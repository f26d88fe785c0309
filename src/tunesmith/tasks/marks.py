"""Marks of tasks whose answers are no labels: measures with intervals, and what went wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tunesmith.core.measures import Measure
from tunesmith.measure.calibration import (
    CalibrationBin,
    calibration_bins,
    expected_calibration_error,
)
from tunesmith.measure.intervals import bootstrap_measures
from tunesmith.measure.means import mean_statistics
from tunesmith.measure.ranking import ranking_marks, relevant_ranks
from tunesmith.tasks.task import Marks

SLICE_ROWS = 256


def plain_marks(
    measures: Mapping[str, Measure],
    headline: tuple[str, ...],
    wrong: Sequence[int],
    *,
    bins: tuple[CalibrationBin, ...] = (),
) -> Marks:
    """Return marks without classes; `wrong` are the rows answered worst, the worst first."""
    return Marks(
        measures=dict(measures),
        headline=headline,
        classes=(),
        averages={},
        confusion=None,
        confusion_labels=(),
        tokens=(),
        bins=bins,
        wrong=tuple(wrong),
    )


def search_measures(
    vectors: np.ndarray, candidates: np.ndarray, relevant: np.ndarray, *, seed: int
) -> dict[str, Measure]:
    """Return MRR and recall of finding, by the dot product, one candidate for each vector.

    `vectors` (N, H), `candidates` (D, H), `relevant` (N,) which candidate each should find. Rows
    are searched a slice at a time, so that no (N, D) matrix stands in memory.
    """
    ranks = np.concatenate(
        [
            relevant_ranks(vectors[start : start + SLICE_ROWS] @ candidates.T, own)
            for start in range(0, len(vectors), SLICE_ROWS)
            if len(own := relevant[start : start + SLICE_ROWS])
        ]
    )
    marks = ranking_marks(ranks, cutoffs=(1, 10))
    chosen = {name: marks[name] for name in ("mrr", "recall_at_1", "recall_at_10")}
    return bootstrap_measures(mean_statistics(chosen), len(vectors), seed=seed)


def confidence_marks(
    confidence: np.ndarray, correct: np.ndarray
) -> tuple[Measure, tuple[CalibrationBin, ...], list[int]]:
    """Return the calibration error, its bins, and the wrong rows, the most confident first."""
    error = Measure(expected_calibration_error(confidence, correct), "ratio", len(correct))
    order = np.argsort(-confidence, kind="stable")
    wrong = [int(row) for row in order if not correct[row]]
    return error, calibration_bins(confidence, correct), wrong
