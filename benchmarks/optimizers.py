"""Optimisers with few rows: 10 rows a class of BANKING77's training file, three seeds each.

The rows that choose the checkpoint (5 a class) and those that are measured (20 a class) come from
the training file too; the test file is not read. Each seed draws other rows, the same for every
optimiser.
Usage: TUNESMITH_DATA=… python benchmarks/optimizers.py [--classes 77] [--seeds 0 1 2] [NAME …]
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
from collections import defaultdict
from pathlib import Path

from public_rows import DATA_SETS, write_rows
from record import measure_fields, tell

import tunesmith
from tunesmith.core.examples import Example

RATES = {
    "adamw": 1e-4,
    "adam": 1e-4,
    "muon": 2e-4,
    "schedule_free": 1e-4,
    "lion": 6e-5,
    "sgd": 6e-3,
    "adafactor": 2e-3,
}
"""What `training.find_learning_rate` suggests on 10 rows of each of the 77 classes, to a digit."""

HEAD_FACTOR = 10.0
ROWS = {"train": 10, "valid": 5, "test": 20}


def main() -> None:
    """Tune each optimiser once a seed, print each run and the mean over the seeds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(RATES))
    parser.add_argument("--classes", type=int, default=77)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    wanted = parser.parse_args()
    examples = DATA_SETS["banking77"].read("train")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for seed in wanted.seeds:
            draw(folder / str(seed), examples, classes=wanted.classes, seed=seed)
        for name in wanted.names:
            scores = [_run(folder / str(seed), name, seed=seed) for seed in wanted.seeds]
            tell(
                "optimizers mean",
                optimizer=name,
                measure="accuracy",
                value=round(statistics.mean(scores), 4),
                sd=round(statistics.stdev(scores), 4) if len(scores) > 1 else None,
                seeds=wanted.seeds,
                classes=wanted.classes,
            )


def draw(folder: Path, examples: list[Example], *, classes: int, seed: int) -> None:
    """Write `train`, `valid` and `test` of some classes, no row in two of them."""
    by_class: dict[str, list[Example]] = defaultdict(list)
    for example in examples:
        by_class[str(example.gold)].append(example)
    numbers = random.Random(seed)
    chosen = numbers.sample(sorted(by_class), classes)
    drawn: dict[str, list[Example]] = {split: [] for split in ROWS}
    for name in chosen:
        rows = numbers.sample(by_class[name], sum(ROWS.values()))
        for split, count in ROWS.items():
            drawn[split] += rows[:count]
            rows = rows[count:]
    for split, rows in drawn.items():
        write_rows(folder / f"{split}.jsonl", rows)


def _run(folder: Path, name: str, *, seed: int) -> float:
    rate = RATES[name]
    with tempfile.TemporaryDirectory() as out:
        tuned = tunesmith.fit(
            str(folder),
            task="classification",
            training={
                "optimizer": name,
                "learning_rate": rate,
                "head_learning_rate": rate * HEAD_FACTOR,
                "batch_tokens": 256,
            },
            seed=seed,
            out=f"{out}/run",
        )
    training = tuned.report["training"]
    tell(
        "optimizers",
        optimizer=name,
        learning_rate=rate,
        measure="accuracy",
        **measure_fields(tuned.measures["accuracy"]),
        seed=seed,
        steps=training["steps"],
        best_step=training["best_step"],
        tokens_per_second=training["tokens_per_second"],
    )
    return tuned.measures["accuracy"].value


if __name__ == "__main__":
    main()
