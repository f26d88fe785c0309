"""What more rows and more models gain over the plain recipe where labels are few.

BANKING77 with 10 rows a class and CLINC150 with 5, three seeds. Every run of a seed has the same
labelled rows and validation rows; the published test rows are measured once a run. What has no
labels is the rest of the training texts. A gain is one whose 95 % interval over seeds, Student's,
leaves out 0; "no gain" is told as plainly.

Usage: TUNESMITH_DATA=… python benchmarks/data_boosters.py [banking77|clinc150 …]
       [--boosters plain eda … ] [--seeds 0 1 2] [--classes 77] [--test 3080] [--epochs 20]
       [--masked MODEL] [--there BUNDLE --back BUNDLE] [--synonyms FILE]
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joint import interval, verdict
from public_rows import DATA_SETS, write_rows
from record import data_folder, measure_fields, tell

import tunesmith
from tunesmith.core.examples import Example, Place, TextInput

PLAIN = "plain"
WATCHED_A_CLASS = 2
"""Validation rows a class; they choose the checkpoint."""


@dataclass(frozen=True, slots=True)
class Files:
    """The rows of one seed as files, and the folder of its runs."""

    folder: Path
    labelled: Path
    watched: Path
    unlabelled: Path
    test: Path


@dataclass(frozen=True, slots=True)
class Trial:
    """What every run of the table shares."""

    wanted: argparse.Namespace
    files: Files
    seed: int

    def fit(self, name: str, **settings: Any) -> Any:
        """Return the result of tuning as the plain recipe does, with other settings."""
        return tunesmith.fit(
            str(self.files.labelled),
            task="classification",
            valid=str(self.files.watched),
            training={"epochs": self.wanted.epochs},
            seed=self.seed,
            out=str(self.files.folder / name),
            **settings,
        )


Booster = Callable[[Trial, str], Any]


def main() -> None:
    """Run every cell of the table, then tell means, deviations and differences from plain."""
    wanted = _arguments()
    for data in wanted.data:
        values: dict[str, dict[int, float]] = defaultdict(dict)
        for seed in wanted.seeds:
            with tempfile.TemporaryDirectory() as folder:
                trial = Trial(wanted, _files(data, wanted, Path(folder), seed), seed)
                for name in _boosters(wanted):
                    values[name][seed] = _run(data, name, trial)
        for name, by_seed in values.items():
            plain = {} if name == PLAIN else values.get(PLAIN, {})
            tell("data_boosters", data=data, booster=name, **_gain(by_seed, plain))


def _gain(values: Mapping[int, float], plain: Mapping[int, float]) -> dict[str, Any]:
    """Return mean, deviation and interval over seeds, and the same of the difference from plain."""
    found = list(values.values())
    fields = {"measure": "accuracy", "over": "seeds", **interval(found), "sd": _deviation(found)}
    if shared := sorted(set(values) & set(plain)):
        differences = [values[seed] - plain[seed] for seed in shared]
        told = interval(differences)
        fields["against plain"] = {
            **told,
            "sd": _deviation(differences),
            "verdict": verdict(told),
        }
    return fields


def _deviation(values: Sequence[float]) -> float | None:
    return round(statistics.stdev(values), 4) if len(values) > 1 else None


def _run(data: str, name: str, trial: Trial) -> float:
    """Tune once, tell the figure, and return it."""
    result = BOOSTERS[name](trial, name)
    marked = tunesmith.evaluate(str(result.bundle), str(trial.files.test))
    training = result.report["training"]
    tell(
        "data_boosters",
        data=data,
        booster=name,
        **measure_fields(marked.measures["accuracy"]),
        seed=trial.seed,
        seconds=round(result.seconds, 1),
        reasons=[
            reason
            for reason in training["reasons"]
            if reason.startswith(("augmentation", "self-training", "distillation", "ensemble"))
        ],
    )
    return marked.measures["accuracy"].value


def _distilled(trial: Trial, name: str) -> Any:
    """Return a student of three seeds, which the run tunes first."""
    teacher = trial.fit(f"{name}-teacher", ensemble={"seeds": 3})
    return trial.fit(name, distillation={"teacher": str(teacher.bundle)})


def _masked(trial: Trial, name: str) -> Any:
    return trial.fit(name, augmentation={"name": "masked", "model": trial.wanted.masked})


def _back_translated(trial: Trial, name: str) -> Any:
    sides = {"there": trial.wanted.there, "back": trial.wanted.back}
    return trial.fit(name, augmentation={"name": "back-translation", **sides})


def _eda(trial: Trial, name: str) -> Any:
    recipe = {"name": "eda", "copies": 4, "synonyms": trial.wanted.synonyms}
    return trial.fit(name, augmentation=recipe)


def _self_trained(trial: Trial, name: str) -> Any:
    recipe = {"data": str(trial.files.unlabelled), "confidence": 0.8, "per_class": 20}
    return trial.fit(name, self_training=recipe)


BOOSTERS: dict[str, Booster] = {
    PLAIN: lambda trial, name: trial.fit(name),
    "eda": _eda,
    "masked": _masked,
    "back-translation": _back_translated,
    "self-training": _self_trained,
    "distillation": _distilled,
    "seeds": lambda trial, name: trial.fit(name, ensemble={"seeds": 3}),
    "folds": lambda trial, name: trial.fit(name, ensemble={"folds": 5}),
    "soup": lambda trial, name: trial.fit(name, ensemble={"seeds": 3, "join": "soup"}),
}


def _boosters(wanted: argparse.Namespace) -> list[str]:
    """Return the boosters asked for, without those whose models were not given."""
    lacking = {"masked"} if not wanted.masked else set()
    lacking |= {"back-translation"} if not (wanted.there and wanted.back) else set()
    return [name for name in wanted.boosters if name not in lacking]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="*", default=list(SETS))
    parser.add_argument("--boosters", nargs="+", choices=BOOSTERS, default=list(BOOSTERS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--classes", type=int)
    parser.add_argument("--test", type=int)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--masked")
    parser.add_argument("--there")
    parser.add_argument("--back")
    parser.add_argument("--synonyms")
    return parser.parse_args()


def _files(data: str, wanted: argparse.Namespace, folder: Path, seed: int) -> Files:
    """Write the rows of a seed: some a class with labels, the rest of train without."""
    train, test, rows_a_class = SETS[data]()
    classes = sorted({example.gold for example in test})[: wanted.classes]
    random.Random(seed).shuffle(train)
    parts: dict[str, list[Example]] = {"labelled": [], "watched": [], "unlabelled": []}
    seen: dict[str, int] = defaultdict(int)
    for example in (each for each in train if each.gold in classes):
        number = seen[example.gold]
        seen[example.gold] += 1
        part = "labelled" if number < rows_a_class else "unlabelled"
        is_watched = rows_a_class <= number < rows_a_class + WATCHED_A_CLASS
        parts["watched" if is_watched else part].append(example)
    measured = [example for example in test if example.gold in classes]
    random.Random(0).shuffle(measured)
    parts["test"] = measured[: wanted.test]
    paths = {part: folder / f"{part}.jsonl" for part in parts}
    for part, examples in parts.items():
        write_rows(paths[part], examples)
    return Files(folder, **paths)


def _banking77() -> tuple[list[Example], list[Example], int]:
    data = DATA_SETS["banking77"]
    return data.read("train"), data.read("test"), 10


def _clinc150() -> tuple[list[Example], list[Example], int]:
    path = data_folder("clinc150") / "data_full.json"
    splits = json.loads(path.read_text("utf-8"))
    train, test = (
        [
            Example(f"{split}-{number}", TextInput(text), label, Place(str(path), number))
            for number, (text, label) in enumerate(splits[split], start=1)
        ]
        for split in ("train", "test")
    )
    return train, test, 5


SETS = {"banking77": _banking77, "clinc150": _clinc150}


if __name__ == "__main__":
    main()
