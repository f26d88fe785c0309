"""Choices: as many as a row likes, an answer by index or by text, marks by hand, replies."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.core.answers import ChoiceAnswer
from tunesmith.core.errors import DataError
from tunesmith.core.examples import ChoiceInput, Example, Place
from tunesmith.tasks import task_from_json
from tunesmith.tasks.choice import Choice, name_choice
from tunesmith.tasks.structured import sample_row

PLACE = Place("rows.jsonl", 7)
CHOICES = ("red", "green", "blue")
INPUTS = ChoiceInput("Ann likes green.", "What does Ann like?", CHOICES)
TASK = Choice()


def fields(**change: object) -> dict:
    row = {"context": INPUTS.context, "question": INPUTS.question, "choices": list(CHOICES)}
    return {**row, "answer": 1, **change}


def row(gold: int | None, *, choices: tuple[str, ...] = CHOICES) -> Example:
    return Example("id", ChoiceInput("", "q", choices), gold, PLACE)


def said(index: int, confidence: float = 0.5) -> ChoiceAnswer:
    return ChoiceAnswer(index, "", confidence, ())


@pytest.mark.parametrize(
    ("answer", "gold"),
    [(0, 0), (2, 2), (1.0, 1), ("1", 1), (" 2 ", 2), ("green", 1), (None, None), ("", None)],
)
def test_read_answer_by_index_or_by_text(read, answer, gold):
    example = read(TASK, fields(answer=answer))
    assert example.inputs == INPUTS
    assert example.gold == gold
    assert type(example.gold) is type(gold)


@pytest.mark.parametrize(
    ("choices", "kept"),
    [
        (["a", "b"], ("a", "b")),
        (("a", "b", 3), ("a", "b", "3")),
        ('["a", "b|c"]', ("a", "b|c")),
        ("a|b, c", ("a", "b, c")),
        (np.array(["a", "b"]), ("a", "b")),
        (["a", "a", ""], ("a", "a", "")),
    ],
)
def test_read_choices_as_a_list_or_in_a_cell(read, choices, kept):
    assert read(TASK, fields(choices=choices, answer=0)).inputs.choices == kept


@pytest.mark.parametrize("context", [None, ""])
def test_read_context_may_be_missing(read, context):
    without = fields()
    del without["context"]
    assert read(TASK, without).inputs == read(TASK, fields(context=context)).inputs
    assert "context" not in TASK.input_fields(read(TASK, without).inputs)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"answer": 3}, "the index of a choice (0–2) or its text; got 3"),
        ({"answer": -1}, "the index of a choice (0–2) or its text; got -1"),
        ({"answer": "3"}, "the index of a choice (0–2) or its text; got 3"),
        ({"answer": "9" * 5000}, "the index of a choice (0–2) or its text; got 999"),
        ({"answer": "²"}, "the index of a choice (0–2) or its text; got ²"),
        ({"answer": "yellow"}, "the index of a choice (0–2) or its text; got yellow"),
        ({"answer": True}, "the index of a choice (0–2) or its text; got true"),
        ({"answer": 1.5}, "the index of a choice (0–2) or its text; got 1.5"),
        ({"answer": math.nan}, "the index of a choice (0–2) or its text; got NaN"),
        ({"answer": [1]}, "the index of a choice (0–2) or its text; got [1]"),
        ({"choices": ["red"]}, 'must hold a list of two texts or more; got ["red"]'),
        ({"choices": []}, "must hold a list of two texts or more; got []"),
        ({"choices": "red"}, 'must hold a list of two texts or more; got ["red"]'),
        ({"choices": ["red", None]}, "must hold a list of two texts or more"),
        ({"choices": ["red", ["x"]]}, "must hold a list of two texts or more"),
        ({"choices": {"A": "red"}}, "column `choices` must hold a list"),
        ({"choices": None}, "column `choices` must hold a list; got null"),
        ({"question": None}, "column `question` must hold text; got null"),
        ({"context": ["x"]}, 'column `context` must hold text; got ["x"]'),
    ],
)
def test_read_bad_row_says_what_must_hold_and_what_was_found(faults, change, line):
    assert line in faults(TASK, fields(**change))[0]


def test_read_index_is_judged_by_the_choices_of_its_own_row(read, faults):
    assert read(TASK, fields(choices=["a", "b", "c", "d"], answer=3)).gold == 3
    assert "(0–1)" in faults(TASK, fields(choices=["a", "b"], answer=3))[0]


def test_read_missing_columns_are_both_named(faults):
    lines = faults(TASK, {"questions": "q", "options": ["a", "b"]})
    assert len(lines) == 2
    assert "--column question=questions" in lines[0]


@given(st.lists(st.floats(-50, 50), min_size=2, max_size=6))
def test_answer_is_the_choice_that_fits_best_and_its_scores_sum_to_one(logits):
    choices = tuple(map(str, range(len(logits))))
    answer = TASK.answer(np.array(logits)[:, None], ChoiceInput("", "q", choices))
    assert logits[answer.index] == pytest.approx(max(logits), abs=1e-12)  # such are equal chances
    assert answer.text == choices[answer.index]
    assert sum(answer.scores) == pytest.approx(1.0)
    assert answer.confidence == max(answer.scores)
    assert len(answer.to_json(all_scores=True)["scores"]) == len(logits)
    assert list(answer.to_json()) == ["answer", "choice", "confidence"]


def test_choices_in_another_order_are_chosen_alike():
    logits = np.array([[0.1], [2.0], [-1.0]])
    order = [2, 0, 1]
    turned = ChoiceInput("", "q", tuple(CHOICES[at] for at in order))
    first, second = TASK.answer(logits, INPUTS), TASK.answer(logits[order], turned)
    assert first.text == second.text == "green"
    assert second.scores == pytest.approx([first.scores[at] for at in order])


def test_mark_by_hand_beside_the_most_frequent_place():
    examples = [row(0), row(1), row(1), row(3, choices=("a", "b", "c", "d"))]
    answers = [said(0), said(1), said(0, 0.6), said(1, 0.9)]
    marked = TASK.mark(examples, answers)
    assert marked.measures["accuracy"].value == pytest.approx(2 / 4)
    assert marked.measures["most_frequent_place"].value == pytest.approx(2 / 4)
    assert marked.wrong == (3, 2)
    assert TASK.selection_score(examples, answers) == pytest.approx(2 / 4)
    assert TASK.selection_score([], []) == 0.0


def test_strata_are_the_places_of_the_right_choice():
    assert TASK.strata(row(2)) == ("choice 2",)
    assert TASK.strata(row(0)) == ("choice 0",)
    assert TASK.strata(row(None)) == ()


def test_labels_of_rows_are_none_and_there_is_one_output():
    task = TASK.with_labels_of([row(0), row(1)])
    assert (task.labels, task.outputs()) == ((), ("fit",))
    assert task.target(row(2)) == 2


def test_ask_letters_the_choices():
    question = TASK.ask(INPUTS)
    assert question.startswith("Ann likes green.\n\nWhat does Ann like?")
    assert "A. red\nB. green\nC. blue" in question
    assert TASK.ask(ChoiceInput("", "q", ("a", "b"))).startswith("q\nA. a")
    assert [name_choice(number) for number in (0, 25, 26)] == ["A", "Z", "27"]


@pytest.mark.parametrize(
    ("reply", "index"),
    [("B", 1), ("b.", 1), ("(C) blue", 2), ("green", 1), ("It is blue.", 2), ("B: green", 1)],
)
def test_hear_a_letter_or_the_text_of_a_choice(reply, index):
    heard = TASK.hear(reply, INPUTS)
    assert (heard.index, heard.text, heard.confidence) == (index, CHOICES[index], 1.0)
    assert heard.scores == tuple(float(number == index) for number in range(3))


@pytest.mark.parametrize("reply", ["", "D", "yellow", "Better", "???"])
def test_hear_a_reply_that_names_no_choice_is_the_first_at_confidence_0(reply):
    heard = TASK.hear(reply, INPUTS)
    assert (heard.index, heard.confidence) == (0, 0.0)
    assert sum(heard.scores) == 0.0


@given(st.lists(st.text(max_size=5), min_size=2, max_size=30), st.data())
def test_asked_and_answered_with_a_letter_is_heard(choices, data):
    index = data.draw(st.integers(0, min(len(choices), 26) - 1))
    inputs = ChoiceInput("", "q", tuple(choices))
    assert TASK.hear(f"{name_choice(index)}.", inputs).index == index


def test_show_gold_and_answer_as_text():
    assert TASK.show_gold(row(0)) == "red"
    assert TASK.show_gold(row(None)) == ""
    assert TASK.show_answer(TASK.hear("C", INPUTS)) == "blue"


def test_inputs_and_gold_as_fields_are_read_back(read):
    for gold in (0, 2):
        example = read(TASK, {**TASK.input_fields(INPUTS), **TASK.gold_fields(gold)})
        assert (example.inputs, example.gold) == (INPUTS, gold)


def test_task_through_json_is_the_same():
    task = TASK.with_columns({"choices": "options"})
    assert task_from_json(json.loads(json.dumps(task.to_json()))) == task


def test_inputs_of_a_bare_text_are_refused_and_the_row_shown_is_one_that_is_read():
    with pytest.raises(DataError, match="JSON object with question, choices") as caught:
        TASK.inputs_of("What does Ann like?")
    shown = sample_row(TASK.input_roles)
    assert shown in caught.value.hint
    assert len(TASK.inputs_of(shown).choices) == 2
