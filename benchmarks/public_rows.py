"""The two public data sets that tuning is timed on, as examples and as files of sampled rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from record import data_folder

from tunesmith.core.examples import Example, WordsInput
from tunesmith.data.examples import read_examples
from tunesmith.tasks import make_task
from tunesmith.tasks.ner import tags_of
from tunesmith.tasks.task import Task


@dataclass(frozen=True, slots=True)
class DataSet:
    """Where a data set's rows stand below `$TUNESMITH_DATA`, and which task they are."""

    name: str
    kind: str
    train: str
    test: str
    columns: Mapping[str, str] = field(default_factory=dict)

    def path(self, split: str) -> Path:
        """Return the file of "train" or "test"; ends the program where there is no data."""
        return data_folder(self.name) / getattr(self, split)

    def read(self, split: str) -> list[Example]:
        """Return all rows of a split."""
        return read_examples(self.path(split), make_task(self.kind, columns=self.columns))

    def task(self, examples: Sequence[Example]) -> Task:
        """Return the task with the labels of `examples`."""
        return make_task(self.kind, columns=self.columns).with_labels_of(examples)


DATA_SETS = {
    data.name: data
    for data in (
        DataSet("banking77", "classification", "train.csv", "test.csv", {"label": "category"}),
        DataSet("wnut17", "ner", "wnut17train.conll", "emerging.test.annotated"),
    )
}


def write_rows(path: Path, examples: Sequence[Example]) -> None:
    """Write examples as JSON lines that our own reader takes: `text, label` or `tokens, tags`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as stream:
        for example in examples:
            stream.write(json.dumps(json_row(example), ensure_ascii=False) + "\n")


def json_row(example: Example) -> dict[str, object]:
    """Return an example as a row of its file."""
    inputs = example.inputs
    if isinstance(inputs, WordsInput):
        tokens = [inputs.text[start:end] for start, end in inputs.words]
        return {"tokens": tokens, "tags": tags_of(example.gold, inputs)}
    return {"text": inputs.text, "label": example.gold}


def held_out(rows: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return train and test rows of a set that names no split: a third, drawn once, is test."""
    order = np.random.default_rng(0).permutation(len(rows))
    third = len(rows) // 3
    return [rows[at] for at in order[third:]], [rows[at] for at in order[:third]]


def entity_rows() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return train and test rows of WNUT17."""
    data = DATA_SETS["wnut17"]
    train, test = ([json_row(each) for each in data.read(split)] for split in ("train", "test"))
    return train, test
