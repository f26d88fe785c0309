"""What each booster gains over the plain recipe on few rows, seed by seed; no gain is told too.

BANKING77 with 10 rows a class, and 300 sentences of WNUT17, other ones for each seed and the same
for all boosters, which stand at their defaults. Other rows of the training file (BANKING77: 5 a
class) or the development file (WNUT17) choose the checkpoint; the test is read once a run and
chooses nothing.

Usage: TUNESMITH_DATA=… python benchmarks/boosters.py [--sets banking77 wnut17]
[--boosters fgm r_drop …] [--seeds 0 1 2] [--steps N] [--test-rows N]
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from joint import interval, verdict
from optimizers import draw
from public_rows import DATA_SETS, write_rows
from record import data_folder, measure_fields, tell

import tunesmith
from tunesmith.core.errors import SpecError

PLAIN = "plain"
BOOSTERS: dict[str, dict[str, Any]] = {
    PLAIN: {},
    "fgm": {"adversarial": "fgm"},
    "pgd": {"adversarial": "pgd"},
    "freelb": {"adversarial": "freelb"},
    "r_drop": {"r_drop": True},
    "mixup": {"mixup": True},
    "focal": {"focal": True},
    "supervised_contrastive": {"supervised_contrastive": True},
    "balanced_sampling": {"balanced_sampling": True},
    "ema": {"average": "ema"},
    "swa": {"average": "swa"},
}
CLASSES, WNUT17_ROWS = 77, 300
SETS: dict[str, dict[str, Any]] = {
    "banking77": {
        "task": "classification",
        "measure": "accuracy",
        "training": {"batch_tokens": 256},
    },
    "wnut17": {
        "task": "ner",
        "measure": "strict_f1",
        "training": {"batch_tokens": 256, "epochs": 10},
    },
}


def main() -> None:
    """Tune the plain recipe and each booster once a seed; tell each run, then the gains."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=[*SETS])
    parser.add_argument("--boosters", nargs="+", choices=BOOSTERS, default=[*BOOSTERS])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, help="stop after so many steps, to try the script")
    parser.add_argument("--test-rows", type=int, help="read so many test rows, to try the script")
    wanted = parser.parse_args()
    names = list(dict.fromkeys([PLAIN, *wanted.boosters]))
    for name in wanted.sets:
        values: dict[str, dict[int, float]] = defaultdict(dict)
        for seed in wanted.seeds:
            with tempfile.TemporaryDirectory() as place:
                folder = Path(place)
                _write(name, folder, seed=seed, most=wanted.test_rows)
                for booster in names:
                    value = _run(name, booster, folder, seed=seed, steps=wanted.steps)
                    if value is not None:
                        values[booster][seed] = value
        for booster, by_seed in values.items():
            fields = {"data": name, "booster": booster, "measure": SETS[name]["measure"]}
            tell("boosters mean", **fields, **summary(by_seed, values[PLAIN]))


def summary(values: Mapping[int, float], plain: Mapping[int, float]) -> dict[str, Any]:
    """Return mean and sd over seeds, and those of the gains seed by seed, with a verdict."""
    own = list(values.values())
    fields = {**interval(own), "sd": _sd(own)}
    if values is plain:
        return fields
    gains = [values[seed] - plain[seed] for seed in values]
    found = interval(gains)
    return {**fields, "gain": {**found, "sd": _sd(gains), "verdict": verdict(found)}}


def _sd(values: Sequence[float]) -> float | None:
    return round(statistics.stdev(values), 4) if len(values) > 1 else None


def _write(name: str, folder: Path, *, seed: int, most: int | None) -> None:
    """Write `train`, `valid` and `test` of a seed."""
    if name == "banking77":
        draw(folder, DATA_SETS[name].read("train"), classes=CLASSES, seed=seed)
    else:
        train = DATA_SETS[name].read("train")
        write_rows(folder / "train.jsonl", random.Random(seed).sample(train, WNUT17_ROWS))
        conll = (data_folder(name) / "emerging.dev.conll").read_bytes()
        (folder / "valid.conll").write_bytes(conll)
    write_rows(folder / "test.jsonl", DATA_SETS[name].read("test")[:most])


def _run(name: str, booster: str, folder: Path, *, seed: int, steps: int | None) -> float | None:
    """Tune once, tell the figure on the test rows, and return it; None where it is refused."""
    case = SETS[name]
    cell = {"data": name, "booster": booster, "measure": case["measure"], "seed": seed}
    valid = next(folder.glob("valid.*"))
    with tempfile.TemporaryDirectory() as out:
        try:
            tuned = tunesmith.fit(
                str(folder / "train.jsonl"),
                task=case["task"],
                valid=str(valid),
                boost=BOOSTERS[booster],
                training={**case["training"], "max_steps": steps},
                seed=seed,
                out=f"{out}/run",
            )
        except SpecError as error:
            tell("boosters", **cell, refused=str(error.problems[0]))
            return None
        marked = tunesmith.evaluate(str(tuned.bundle), str(folder / "test.jsonl"))
    training = tuned.report["training"]
    found = marked.measures[case["measure"]]
    tell(
        "boosters",
        **cell,
        **measure_fields(found),
        steps=training["steps"],
        best_step=training["best_step"],
        tuning_seconds=training["seconds"],
    )
    return found.value


if __name__ == "__main__":
    main()
