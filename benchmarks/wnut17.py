"""WNUT17: strict entity F1 with and without case shape, three seeds each.

The development file chooses the checkpoint; the test file is read once a run, after tuning.
Usage: TUNESMITH_DATA=… python benchmarks/wnut17.py [--seeds 0 1 2]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile

from record import data_folder, measure_fields, tell

import tunesmith

SETTINGS = {"batch_tokens": 512, "epochs": 4}
"""Chosen on the development file (docs/log.md)."""


def main() -> None:
    """Tune six times, print each run and the mean of each half."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--shapes", nargs="+", default=["with", "without"])
    wanted = parser.parse_args()
    for shape in wanted.shapes:
        scores = [_run(seed, case_shape=shape == "with") for seed in wanted.seeds]
        tell(
            "wnut17 mean",
            case_shape=shape,
            measure="strict_f1",
            value=round(statistics.mean(scores), 4),
            sd=round(statistics.stdev(scores), 4) if len(scores) > 1 else None,
            seeds=wanted.seeds,
        )


def _run(seed: int, *, case_shape: bool) -> float:
    data = data_folder("wnut17")
    with tempfile.TemporaryDirectory() as folder:
        tuned = tunesmith.fit(
            str(data / "wnut17train.conll"),
            task="ner",
            valid=str(data / "emerging.dev.conll"),
            test=str(data / "emerging.test.annotated"),
            model={"case_shape": case_shape},
            training=SETTINGS,
            seed=seed,
            out=f"{folder}/run",
        )
    training = tuned.report["training"]
    tell(
        "wnut17",
        case_shape="with" if case_shape else "without",
        measure="strict_f1",
        **measure_fields(tuned.measures["strict_f1"]),
        seed=seed,
        best_step=training["best_step"],
        strict_precision=round(tuned.measures["strict_precision"].value, 4),
        strict_recall=round(tuned.measures["strict_recall"].value, 4),
        reasons=training["reasons"],
        tuning_seconds=training["seconds"],
        tokens_per_second=training["tokens_per_second"],
    )
    return tuned.measures["strict_f1"].value


if __name__ == "__main__":
    main()
