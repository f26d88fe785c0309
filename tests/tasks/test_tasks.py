"""What holds for every task: the contract, the way through JSON, and the column mapping."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from tunesmith.core.errors import SpecError
from tunesmith.core.examples import Place
from tunesmith.tasks import TASKS, make_task, task_from_json
from tunesmith.tasks.task import Task

ROWS = {
    "classification": {"text": "Ann is glad", "label": "good"},
    "multilabel": {"text": "Ann is glad", "labels": ["good", "short"]},
    "ner": {"text": "Ann is glad", "entities": [{"start": 0, "end": 3, "type": "PER"}]},
}
KINDS = pytest.mark.parametrize("kind", sorted(TASKS))


def learned(kind: str) -> Task:
    task = make_task(kind)
    example, _ = task.read(ROWS[kind], place=Place("rows.jsonl", 1))
    return task.with_labels_of([example])


def test_every_task_of_the_table_has_a_row_here():
    assert set(ROWS) == set(TASKS)


@KINDS
def test_task_keeps_the_contract(kind):
    task = learned(kind)
    assert isinstance(task, Task)
    assert task.kind == kind
    assert task.labels
    assert task.selection in {"accuracy", "micro_f1", "strict_f1"}
    assert dataclasses.is_dataclass(task)


@KINDS
def test_task_is_frozen(kind):
    with pytest.raises(dataclasses.FrozenInstanceError):
        learned(kind).labels = ()


@KINDS
def test_task_through_json_is_the_same(kind):
    task = learned(kind).with_columns({"text": "body"})
    assert task_from_json(json.loads(json.dumps(task.to_json()))) == task


@KINDS
def test_task_marks_its_selection_measure_and_its_headline(kind):
    task = learned(kind)
    example, _ = task.read(ROWS[kind], place=Place("rows.jsonl", 1))
    words = len(getattr(example.inputs, "words", ())) if task.head == "tag" else None
    shape = (len(task.outputs()),) if words is None else (words, len(task.outputs()))
    answer = task.answer(np.zeros(shape), example.inputs)
    marks = task.mark([example], [answer])
    assert {task.selection, *marks.headline} <= set(marks.measures)
    assert all(np.isfinite(measure.value) for measure in marks.measures.values())
    score = task.selection_score([example], [answer])
    assert score == pytest.approx(marks.measures[task.selection].value)


@KINDS
def test_task_rows_with_and_without_gold_share_their_inputs(kind):
    task = learned(kind)
    place = Place("rows.jsonl", 1)
    bare, _ = task.read({"text": ROWS[kind]["text"]}, place=place)
    example, _ = task.read(ROWS[kind], place=place)
    assert bare.gold is None
    assert bare.inputs == example.inputs == task.inputs_of(ROWS[kind]["text"])
    assert task.strata(bare) == ()
    assert task.strata(example)
    assert not task.show_gold(bare)
    assert task.show_gold(example)


@KINDS
def test_task_with_columns_lays_them_over_its_own(kind):
    task = make_task(kind, columns={"text": "body", "id": "key"}).with_columns({"text": "content"})
    assert dict(task.columns) == {"text": "content", "id": "key"}


@KINDS
def test_task_columns_of_unknown_roles_are_refused_with_the_nearest(kind):
    with pytest.raises(SpecError) as caught:
        make_task(kind, columns={"txt": "body"})
    assert "got txt" in str(caught.value)
    assert caught.value.hint == "--column text=body"
