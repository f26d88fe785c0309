"""Label sets on BANKING77: coverage and size over 100 splits of the test rows, at 90 % wished.

Half of the test rows calibrates, half measures; the model never saw either. Over splits, coverage
should spread as Beta(n + 1 - l, l) and the draw of the other half say (Vovk 2012).
Usage: TUNESMITH_DATA=… python benchmarks/conformal.py [METHOD]
"""

from __future__ import annotations

import sys
import tempfile

import numpy as np
from numpy.typing import NDArray
from record import data_folder, tell

import tunesmith
from tunesmith.core.examples import Example
from tunesmith.data.examples import read_examples
from tunesmith.measure.conformal import (
    class_quantiles,
    conformal_quantile,
    coverage_band,
    label_scores,
)
from tunesmith.runtime.engine import Engine, outcomes
from tunesmith.runtime.loading import load_engine

COVERAGE = 0.9
SPLITS = 100


def main() -> None:
    """Tune once, answer the test rows once, and split them a hundred times."""
    method = next(iter(sys.argv[1:]), "probe")
    data = data_folder("banking77")
    with tempfile.TemporaryDirectory() as folder:
        tuned = tunesmith.fit(
            str(data / "train.csv"),
            task="classification",
            column={"label": "category"},
            method=method,
            out=f"{folder}/run",
        )
        engine = load_engine(tuned.bundle)
        examples = read_examples(data / "test.csv", engine.task)
        probabilities, gold = answer_rows(engine, examples)
    for name in ("lac", "aps", "raps"):
        for each_class in (False, True):
            tell(
                "banking77 label sets",
                method=method,
                sets=name,
                each_class=each_class,
                wished=COVERAGE,
                **split_often(label_scores(probabilities, name), gold, each_class=each_class),
            )


def answer_rows(engine: Engine, examples: list[Example]) -> tuple[NDArray, NDArray]:
    """Return (n, C) calibrated probabilities and (n,) gold classes of rows."""
    rows = [found.answer for found in outcomes(engine, (row.inputs for row in examples))]
    place = {label: number for number, label in enumerate(engine.task.labels)}
    table = np.array([list(reply.scores.values()) for reply in rows])
    return table, np.array([place[row.gold] for row in examples])


def split_often(
    scores: NDArray, gold: NDArray, *, each_class: bool, splits: int = SPLITS
) -> dict[str, object]:
    """Return mean coverage and size over random halves, and how many lie within the band.

    `scores` (n, C) tell how little each label conforms. Sets are as theory has them: the best label
    is not put into an empty one. The band is that of the calibrating half's draw alone, widened by
    the other half's: a sum of variances.
    """
    generator = np.random.default_rng(0)
    rows, classes = scores.shape
    half = rows // 2
    found, sizes = [], []
    for _ in range(splits):
        order = generator.permutation(rows)
        known, asked = order[:half], order[half:]
        own = scores[known, gold[known]]
        quantile: NDArray | float = conformal_quantile(own, COVERAGE)
        if each_class:
            quantile = class_quantiles(own, gold[known], COVERAGE, classes=classes)
        chosen = scores[asked] <= quantile
        found.append(chosen[np.arange(len(asked)), gold[asked]].mean())
        sizes.append(chosen.sum(axis=1).mean())
    told: dict[str, object] = {
        "measure": "coverage",
        "value": round(float(np.mean(found)), 4),
        "unit": "ratio",
        "count": splits,
        "low": round(float(np.min(found)), 4),
        "high": round(float(np.max(found)), 4),
        "set_size": round(float(np.mean(sizes)), 3),
    }
    if each_class:  # each class has a band of its own
        return told
    low, high = band_of_halves(half, rows - half)
    return {
        **told,
        "band": [round(low, 4), round(high, 4)],
        "within_band": float(np.mean([low <= value <= high for value in found])),
        "band_of_calibration": [round(end, 4) for end in coverage_band(half, COVERAGE)],
    }


def band_of_halves(known: int, asked: int) -> tuple[float, float]:
    """Return where 95 % of measured coverages should lie: both halves are drawn."""
    left = int(np.floor((known + 1) * (1 - COVERAGE)))
    mean = (known + 1 - left) / (known + 1)
    variance = mean * (1 - mean) * (1 / (known + 2) + 1 / asked)
    reach = 1.96 * float(np.sqrt(variance))
    return mean - reach, mean + reach


if __name__ == "__main__":
    main()
