"""What holds for every task: the contract, the way through JSON, and the column mapping."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from tunesmith.core.answers import Answer, TextAnswer
from tunesmith.core.errors import SpecError
from tunesmith.core.examples import Inputs, Place
from tunesmith.tasks import TASKS, make_task, task_from_json
from tunesmith.tasks.catalogue import Catalogue
from tunesmith.tasks.task import Task

ROWS = {
    "classification": {"text": "Ann is glad", "label": "good"},
    "multilabel": {"text": "Ann is glad", "labels": ["good", "short"]},
    "ner": {"text": "Ann is glad", "entities": [{"start": 0, "end": 3, "type": "PER"}]},
    "matching": {"text_a": "Ann is glad", "text_b": "Ann is sad", "label": "other"},
    "relation": {
        "text": "Ann is glad",
        "head": {"start": 0, "end": 3},
        "tail": {"start": 7, "end": 11, "type": "mood"},
        "label": "is",
    },
    "qa": {
        "context": "Ann is glad",
        "question": "Who?",
        "answers": [{"text": "Ann", "start": 0}],
    },
    "choice": {"question": "Who is glad?", "choices": ["Bo", "Ann"], "answer": 1},
    "recommendation": {"user": "Ann", "item": "a"},
    "summarization": {"document": "Ann is glad. Bo is not.", "summary": ["Ann is glad.", "Glad."]},
    "translation": {"source": "Ann is glad", "target": ["Ann est ravie", "Ann est contente"]},
    "generation": {"messages": [{"role": "user", "content": "Is Ann glad?"}], "reply": ["Yes."]},
}
ROWS["summarization written"] = ROWS["summarization"]
WRITTEN = ("summarization", "summarization written", "translation", "generation")
LABELLESS = ("choice", "recommendation", *WRITTEN)
UNSTRATIFIED = WRITTEN
SELECTIONS = {
    "accuracy",
    "micro_f1",
    "strict_f1",
    "relation_macro_f1",
    "f1",
    "ndcg_at_10",
    "rouge_1",
    "log_probability",
}
KINDS = pytest.mark.parametrize("kind", sorted(ROWS))


def made(kind: str, **settings) -> Task:
    """Return a task of the table, or what the method `full` makes of it."""
    name, _, written = kind.partition(" ")
    task = make_task(name, **settings)
    return task.with_method("full") if written else task


def learned(kind: str) -> Task:
    task = made(kind)
    example, _ = task.read(ROWS[kind], place=Place("rows.jsonl", 1))
    if kind == "recommendation":
        return task.with_catalogue(Catalogue(("a", "b"), ("An apple", ""), np.array([1, 0])))
    return task.with_labels_of([example])


def scores_of(task: Task, inputs: Inputs) -> np.ndarray:
    """Return raw outputs without a preference, in the shape that the head's family gives."""
    outputs = len(task.outputs())
    match task.head:
        case "tag":
            return np.zeros((len(inputs.words), outputs))
        case "choose":
            return np.zeros((len(inputs.choices), outputs))
        case "extract":
            return np.zeros((len(inputs.sentences), 3))
        case "span":
            return np.array([[-1.0, -1.0, 0.0], [0.0, 3.0, 1.0]])
        case "recommend":
            return np.array([[0.0, 0.5], [1.0, 0.4]])
    return np.zeros(outputs)


def answer_of(task: Task, inputs: Inputs) -> Answer:
    """Return an answer of a model without a preference; what writes needs a tokenizer for one."""
    if task.head == "generate":
        return TextAnswer("Ann est triste", -0.5)
    return task.answer(scores_of(task, inputs), inputs)


def bare_text(row: dict, task: Task) -> str:
    """Return the inputs of a row as one text: as it is, or as a JSON object."""
    fields = {role: row[role] for role in task.input_roles}
    only = next(iter(fields.values()))
    return only if len(fields) == 1 and isinstance(only, str) else json.dumps(fields)


def test_every_task_of_the_table_has_a_row_here():
    assert {made(kind).kind for kind in ROWS} == set(TASKS)


@KINDS
def test_task_keeps_the_contract(kind):
    task = learned(kind)
    assert isinstance(task, Task)
    assert task.kind == kind.partition(" ")[0]
    assert bool(task.labels) == (kind not in LABELLESS)
    assert task.selection in SELECTIONS
    assert dataclasses.is_dataclass(task)


@KINDS
def test_task_is_frozen(kind):
    with pytest.raises(dataclasses.FrozenInstanceError):
        learned(kind).labels = ()


@KINDS
def test_task_through_json_is_the_same(kind):
    task = learned(kind).with_columns({made(kind).input_roles[0]: "body"})
    assert task_from_json(json.loads(json.dumps(task.to_json()))) == task


@KINDS
def test_task_marks_its_selection_measure_and_its_headline(kind):
    task = learned(kind)
    example, _ = task.read(ROWS[kind], place=Place("rows.jsonl", 1))
    answer = answer_of(task, example.inputs)
    marks = task.mark([example], [answer])
    assert set(marks.headline) <= set(marks.measures)
    assert all(np.isfinite(measure.value) for measure in marks.measures.values())
    score = task.selection_score([example], [answer])
    if task.head == "generate":
        assert score == answer.score  # a model's own; no row tells it
    else:
        assert score == pytest.approx(marks.measures[task.selection].value)


@KINDS
def test_task_rows_with_and_without_gold_share_their_inputs(kind):
    task = learned(kind)
    place = Place("rows.jsonl", 1)
    given = {role: value for role, value in ROWS[kind].items() if role not in task.gold_roles}
    bare, _ = task.read(given, place=place)
    example, _ = task.read(ROWS[kind], place=place)
    assert bare.gold is None
    assert bare.inputs == example.inputs == task.inputs_of(bare_text(ROWS[kind], task))
    assert task.strata(bare) == ()
    assert bool(task.strata(example)) == (kind not in UNSTRATIFIED)
    assert not task.show_gold(bare)
    assert task.show_gold(example)


@KINDS
def test_task_inputs_and_gold_as_fields_are_read_back(kind):
    task = learned(kind)
    place = Place("rows.jsonl", 1)
    example, _ = task.read(ROWS[kind], place=place)
    fields = {**task.input_fields(example.inputs), **task.gold_fields(example.gold)}
    back, problems = task.read(json.loads(json.dumps(fields)), place=place)
    assert problems == []
    assert (back.inputs, back.gold) == (example.inputs, example.gold)


@KINDS
def test_task_asks_with_all_there_is_to_read(kind):
    task = learned(kind)
    example, _ = task.read(ROWS[kind], place=Place("rows.jsonl", 1))
    question = task.ask(example.inputs)
    assert all(line in question for line in example.inputs.text.split("\n"))


@KINDS
def test_task_with_columns_lays_them_over_its_own(kind):
    role = made(kind).input_roles[0]
    task = made(kind, columns={role: "body", "id": "key"}).with_columns({role: "content"})
    assert dict(task.columns) == {role: "content", "id": "key"}


@KINDS
def test_task_columns_of_unknown_roles_are_refused_with_the_nearest(kind):
    role = made(kind).input_roles[0]
    wrong = f"{role}x"
    with pytest.raises(SpecError) as caught:
        made(kind, columns={wrong: "body"})
    assert f"got {wrong}" in str(caught.value)
    assert caught.value.hint == f"--column {role}=body"
