"""Relations: stretches that must lie in the text, SemEval's marks, questions and replies."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.core.answers import LabelAnswer
from tunesmith.core.errors import DataError
from tunesmith.core.examples import Example, MarkedInput, Place
from tunesmith.tasks import task_from_json
from tunesmith.tasks.relation import Relation
from tunesmith.tasks.structured import sample_row

PLACE = Place("rows.jsonl", 7)
TEXT = "rain causes floods"
HEAD, TAIL = {"start": 0, "end": 4}, {"start": 12, "end": 18}
INPUTS = MarkedInput(TEXT, (0, 4), (12, 18))
LABELS = ("Cause(e1,e2)", "Cause(e2,e1)", "Other", "Part(e1,e2)")
TASK = Relation(labels=LABELS)


def row(gold: str | None) -> Example:
    return Example("id", INPUTS, gold, PLACE)


def said(label: str) -> LabelAnswer:
    return LabelAnswer(label, 0.5, {})


def measures(gold: list[str], predicted: list[str], task: Relation = TASK) -> dict[str, float]:
    marked = task.mark([row(label) for label in gold], [said(label) for label in predicted])
    return {name: measure.value for name, measure in marked.measures.items()}


@pytest.mark.parametrize(
    "head", [HEAD, json.dumps(HEAD), {"start": 0, "end": 4, "note": "x"}, {**HEAD, "type": None}]
)
def test_read_stretches_as_objects_or_as_json_in_a_cell(read, head):
    example = read(TASK, {"text": TEXT, "head": head, "tail": TAIL, "label": "Other"})
    assert example.inputs == INPUTS
    assert example.gold == "Other"


def test_read_types_of_the_stretches_are_kept_and_written_back(read):
    fields = {"text": TEXT, "head": {**HEAD, "type": "event"}, "tail": TAIL}
    inputs = read(TASK, fields).inputs
    assert inputs.types == ("event", "")
    assert TASK.input_fields(inputs) == fields


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"head": {"start": 0, "end": 19}}, "`head` must lie inside the text (0–18); got 0–19"),
        ({"tail": {"start": -1, "end": 2}}, "`tail` must lie inside the text (0–18); got -1–2"),
        ({"tail": {"start": 3, "end": 3}}, "`tail` must lie inside the text (0–18); got 3–3"),
        ({"tail": {"start": 5, "end": 3}}, "got 5–3"),
        ({"head": {"start": "0", "end": 4}}, "column `head` must hold whole numbers"),
        ({"head": {"start": 0.0, "end": 4}}, "column `head` must hold whole numbers"),
        ({"head": {"start": False, "end": 4}}, "column `head` must hold whole numbers"),
        ({"head": {"start": 0}}, "column `head` must hold whole numbers `start` and `end`"),
        ({"head": "rain"}, "column `head` must hold whole numbers `start` and `end`; got rain"),
        ({"head": "{bad"}, "column `head` must hold whole numbers `start` and `end`; got {bad"),
        ({"head": [0, 4]}, "column `head` must hold whole numbers"),
        ({"head": None}, "column `head` must hold whole numbers `start` and `end`; got null"),
        ({"text": None}, "column `text` must hold text; got null"),
        ({"label": ["x"]}, 'column `label` must hold text; got ["x"]'),
    ],
)
def test_read_bad_row_says_what_must_hold_and_what_was_found(faults, change, line):
    fields = {"text": TEXT, "head": HEAD, "tail": TAIL, "label": "Other", **change}
    assert line in faults(TASK, fields)[0]


def test_read_every_fault_of_a_row_is_named(faults):
    lines = faults(TASK, {"text": TEXT, "head": {"start": 0, "end": 99}, "tails": TAIL})
    assert len(lines) == 2
    assert "--column tail=tails" in lines[1]


@given(st.text(max_size=8), st.integers(-3, 10), st.integers(-3, 10))
def test_read_takes_a_stretch_exactly_where_it_holds_something_of_the_text(text, start, end):
    stretch = {"start": start, "end": end}
    example, problems = TASK.read({"text": text, "head": stretch, "tail": stretch}, place=PLACE)
    is_good = 0 <= start < end <= len(text)
    assert (example is not None) == is_good
    assert len(problems) == (0 if is_good else 2)


def test_mark_by_hand_as_the_scorer_of_semeval_counts():
    """Cause: 1 right of 2 answered and 3 gold, one in the wrong direction; Part: 1 of 1 and 1."""
    gold = ["Cause(e1,e2)", "Cause(e1,e2)", "Cause(e2,e1)", "Part(e1,e2)", "Other"]
    predicted = ["Cause(e1,e2)", "Cause(e2,e1)", "Other", "Part(e1,e2)", "Other"]
    found = measures(gold, predicted)
    assert found["relation_macro_f1"] == pytest.approx((2 * 1 / (2 + 3) + 1) / 2)
    assert found["relation_micro_f1"] == pytest.approx(2 * 2 / (3 + 4))
    assert found["accuracy"] == pytest.approx(3 / 5)
    answers = [said(label) for label in predicted]
    score = TASK.selection_score([row(label) for label in gold], answers)
    assert score == pytest.approx(found["relation_macro_f1"])
    assert TASK.selection_score([], []) == 0.0


@pytest.mark.parametrize("name", ["Other", "no_relation", "NA", "无"])
def test_no_relation_is_never_counted_whatever_its_name(name):
    task = Relation(labels=("Cause(e1,e2)", name))
    assert task.no_relation == name
    found = measures(["Cause(e1,e2)", name], ["Cause(e1,e2)", name], task)
    assert found["relation_macro_f1"] == found["relation_micro_f1"] == 1.0
    found = measures([name, name], [name, "Cause(e1,e2)"], task)
    assert found["relation_micro_f1"] == 0.0
    assert found["accuracy"] == 0.5


def test_mark_of_a_label_the_model_never_learned_is_missed():
    found = measures(["New(e1,e2)", "Cause(e1,e2)"], ["Other", "Cause(e1,e2)"])
    assert found["relation_macro_f1"] == pytest.approx(0.5)


@given(st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from(LABELS)), min_size=1))
def test_selection_score_is_the_measure_of_that_name(pairs):
    gold, predicted = [row(one) for one, _ in pairs], [said(other) for _, other in pairs]
    score = TASK.selection_score(gold, predicted)
    assert 0.0 <= score <= 1.0
    assert TASK.selection_score(gold[::-1], predicted[::-1]) == pytest.approx(score)
    perfect = [said(one) for one, _ in pairs]
    has_relation = any(one != "Other" for one, _ in pairs)
    assert TASK.selection_score(gold, perfect) == float(has_relation)


def test_ask_names_both_stretches_and_every_label():
    question = TASK.ask(INPUTS)
    assert "“rain” related to “floods”" in question
    assert TEXT in question
    assert "- Cause(e1,e2)\n- Cause(e2,e1)" in question


@pytest.mark.parametrize("label", LABELS)
def test_asked_and_answered_with_a_label_is_heard(label):
    answer = TASK.hear(f"I think {label}.", INPUTS)
    assert answer.label == label
    assert answer.confidence == 1.0


def test_target_and_answer_agree():
    for number, label in enumerate(LABELS):
        scores = np.eye(4)[TASK.target(row(label))] * 7
        assert TASK.target(row(label)) == number
        assert TASK.answer(scores, INPUTS).label == label


def test_task_through_json_is_the_same():
    assert task_from_json(json.loads(json.dumps(TASK.to_json()))) == TASK


def test_inputs_of_a_bare_text_are_refused_and_the_row_shown_is_one_that_is_read():
    with pytest.raises(DataError, match="must be a JSON object with text, head, tail") as caught:
        TASK.inputs_of("rain causes floods")
    shown = sample_row(TASK.input_roles)
    assert shown in caught.value.hint
    assert isinstance(TASK.inputs_of(shown), MarkedInput)


def test_inputs_of_an_object_name_every_problem():
    with pytest.raises(DataError) as caught:
        TASK.inputs_of(json.dumps({"text": "x", "head": {"start": 0, "end": 9}}))
    assert len(caught.value.problems) == 2
