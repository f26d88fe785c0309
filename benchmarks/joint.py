"""Joint training on few labels: the task's loss with that of hidden words beside it, by weight λ.

Each run has the same labelled rows, steps and rates; only what is learned beside the task differs,
and `inf` is the task alone. The unlabelled text is the rest of the training texts. Nothing is
chosen on any rows: the last state is measured, on the test rows, once a run.

Usage: TUNESMITH_DATA=… python benchmarks/joint.py [banking77|phrasebank …]
       [--weights 1 3 10 30 inf] [--seeds 0 1 2] [--steps 80]
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from public_rows import DATA_SETS, write_rows
from record import data_folder, measure_fields, tell
from scipy.stats import t as student

import tunesmith
from tunesmith.core.examples import Example, Place, TextInput

LABELS_A_CLASS = 5
PHRASEBANK_LABELS, PHRASEBANK_TEST = 300, 1000
WATCHED_ROWS = 64
"""Validation rows that a run must have; they choose nothing."""
CONFIDENCE = 0.95
BATCH_TOKENS = 512
"""Of the task, and as many of the text beside them."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Labelled rows, the texts of all other training rows, and the test rows."""

    labelled: Sequence[Example]
    unlabelled: Sequence[Example]
    test: Sequence[Example]


def main() -> None:
    """Run every cell of the table, then tell means, intervals and differences."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="*", default=list(SETS))
    parser.add_argument("--weights", type=float, nargs="+", default=[math.inf, 1, 3, 10, 30])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=80)
    wanted = parser.parse_args()
    for name in wanted.data:
        values: dict[float, dict[int, float]] = defaultdict(dict)
        for seed in wanted.seeds:
            for weight in wanted.weights:
                values[weight][seed] = _run(name, weight, seed=seed, steps=wanted.steps)
        for weight, by_seed in values.items():
            alone = values.get(math.inf, {})
            tell("joint", **_cell(name, weight), **summary(by_seed, alone))


def summary(values: Mapping[int, float], alone: Mapping[int, float]) -> dict[str, Any]:
    """Return the mean over seeds and that of the differences from the task alone, seed by seed.

    Intervals are Student's; a gain is one whose interval leaves out 0.
    """
    fields = {"over": "seeds", **interval(list(values.values()))}
    shared = sorted(set(values) & set(alone))
    if values != alone and shared:
        difference = interval([values[seed] - alone[seed] for seed in shared])
        fields["against task alone"] = {**difference, "verdict": verdict(difference)}
    return fields


def verdict(difference: Mapping[str, Any]) -> str:
    """Return gain, loss or no gain, by whether the interval leaves out 0."""
    if difference["low"] is None:
        return "one seed tells nothing"
    if difference["low"] > 0:
        return "gain"
    return "loss" if difference["high"] < 0 else "no gain"


def interval(values: Sequence[float]) -> dict[str, Any]:
    """Return mean, count and Student's interval of some values."""
    count, mean = len(values), statistics.fmean(values)
    fields = {"value": round(mean, 4), "low": None, "high": None, "count": count}
    if count > 1:
        half = float(student.ppf((1 + CONFIDENCE) / 2, count - 1))
        half *= statistics.stdev(values) / math.sqrt(count)
        fields |= {"low": round(mean - half, 4), "high": round(mean + half, 4)}
    return fields


def _run(name: str, weight: float, *, seed: int, steps: int) -> float:
    """Tune once, tell the figure, and return it."""
    rows = SETS[name](seed)
    measure = MEASURES[name]
    with tempfile.TemporaryDirectory() as folder:
        files = {part: Path(folder, f"{part}.jsonl") for part in ("labelled", "text", "test")}
        for path, part in zip(
            files.values(), (rows.labelled, rows.unlabelled, rows.test), strict=True
        ):
            write_rows(path, part)
        watched = Path(folder, "watched.jsonl")
        write_rows(watched, rows.unlabelled[:WATCHED_ROWS])
        text = {"data": str(files["text"]), "task_weight": weight, "reading": READING}
        result = tunesmith.fit(
            str(files["labelled"]),
            task="classification",
            valid=str(watched),
            joint=None if math.isinf(weight) else text,
            training={
                "max_steps": steps,
                "batch_tokens": BATCH_TOKENS,
                "epochs": 1000,
                "evaluate_every": steps,
                "patience": 0,
                "checkpoint_steps": steps,
            },
            seed=seed,
            out=f"{folder}/run",
        )
        marked = tunesmith.evaluate(str(result.bundle), str(files["test"]))
    training, last = result.report["training"], result.report["curve"]["steps"][-1]
    tell(
        "joint",
        **_cell(name, weight),
        **measure_fields(marked.measures[measure]),
        seed=seed,
        steps=training["steps"],
        labelled=len(rows.labelled),
        unlabelled=len(rows.unlabelled),
        tuning_seconds=training["seconds"],
        losses=last.get("parts", {"task": last["loss"]}),
    )
    return marked.measures[measure].value


def _cell(name: str, weight: float) -> dict[str, Any]:
    shown = "inf (task alone)" if math.isinf(weight) else weight
    return {"data": name, "measure": MEASURES[name], "task_weight": shown}


def _banking77(seed: int) -> Rows:
    """Return `LABELS_A_CLASS` rows a class by seed; the test split is the published one."""
    data = DATA_SETS["banking77"]
    train = data.read("train")
    random.Random(seed).shuffle(train)
    by_class: dict[Any, int] = defaultdict(int)
    labelled, rest = [], []
    for example in train:
        by_class[example.gold] += 1
        (labelled if by_class[example.gold] <= LABELS_A_CLASS else rest).append(example)
    return Rows(labelled, rest, data.read("test"))


def _phrasebank(seed: int) -> Rows:
    """Return rows by seed; the 1,000 test rows, split off once, are the same for all seeds."""
    path = data_folder("financial_phrasebank") / "Sentences_50Agree.txt"
    lines = dict.fromkeys(path.read_text("utf-8-sig").splitlines())
    labels = dict(line.rpartition("@")[::2] for line in lines if "@" in line)
    examples = [
        Example(f"row-{number}", TextInput(text), label, Place(str(path), number))
        for number, (text, label) in enumerate(labels.items(), start=1)
    ]
    random.Random(0).shuffle(examples)
    test, train = examples[:PHRASEBANK_TEST], examples[PHRASEBANK_TEST:]
    random.Random(seed).shuffle(train)
    return Rows(train[:PHRASEBANK_LABELS], train[PHRASEBANK_LABELS:], test)


SETS = {"banking77": _banking77, "phrasebank": _phrasebank}
MEASURES = {"banking77": "accuracy", "phrasebank": "macro_f1"}
READING = {"packing": "separate"}
"""Texts by themselves, as the task reads them."""


if __name__ == "__main__":
    main()
