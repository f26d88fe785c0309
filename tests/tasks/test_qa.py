"""Questions: answers that must stand in the context, no answer, marks by hand, replies."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tunesmith.core.answers import StretchAnswer
from tunesmith.core.errors import DataError
from tunesmith.core.examples import Example, Place, QuestionInput, Span
from tunesmith.tasks import task_from_json
from tunesmith.tasks.qa import ANSWERED, UNANSWERABLE, Qa

PLACE = Place("rows.jsonl", 7)
CONTEXT = "Ann met Bo in Rome. Bo left."
INPUTS = QuestionInput("Who left?", CONTEXT)
SURE = Qa(labels=(ANSWERED,))
CAREFUL = Qa(labels=(ANSWERED, UNANSWERABLE))


def fields(answers: object) -> dict:
    return {"context": CONTEXT, "question": "Who left?", "answers": answers}


def row(*spans: tuple[int, int], context: str = CONTEXT) -> Example:
    gold = tuple(Span(start, end, "") for start, end in spans)
    return Example("id", QuestionInput("Who?", context), gold, PLACE)


def said(text: str, confidence: float = 0.5) -> StretchAnswer:
    return StretchAnswer(text, 0, len(text), confidence, 0.0)


@pytest.mark.parametrize(
    ("answers", "spans"),
    [
        ([{"text": "Ann", "start": 0}], [(0, 3)]),
        ([{"text": "Bo", "start": 20}, {"text": "Bo", "start": 8}], [(20, 22), (8, 10)]),
        ([{"text": "Rome", "answer_start": 14}], [(14, 18)]),
        ({"text": ["Bo", "Ann"], "answer_start": [8, 0]}, [(8, 10), (0, 3)]),
        ('{"text": ["Bo"], "answer_start": [8]}', [(8, 10)]),
        ({"text": ["Bo"], "start": [8]}, [(8, 10)]),
        ({"text": [], "answer_start": []}, []),
        ([{"start": 14, "end": 18}], [(14, 18)]),
        ([{"text": "Rome"}], [(14, 18)]),
        (["Rome"], [(14, 18)]),
        ('[{"text": "Ann", "start": 0}]', [(0, 3)]),
        ([], []),
        ("", []),
    ],
)
def test_read_answers_in_each_common_form(read, answers, spans):
    example = read(Qa(), fields(answers))
    assert example.inputs == INPUTS
    assert [(span.start, span.end) for span in example.gold] == spans


@pytest.mark.parametrize("answers", [None, ...])
def test_read_without_answers_has_no_gold(read, answers):
    given_fields = fields(answers)
    if answers is ...:
        del given_fields["answers"]
    assert read(Qa(), given_fields).gold is None


@pytest.mark.parametrize(
    ("answers", "parts"),
    [
        ([{"text": "Bob", "start": 8}], ("`Bob` at 8", "stands nowhere in the context")),
        ([{"text": "Bo", "start": 9}], ("`Bo` at 9, where there is `o `", "it stands at 8")),
        ([{"text": "Bo", "start": 900}], ("`Bo` at 900, where there is ``",)),
        ([{"text": "left", "start": -5}], ("at -5, where there is ``", "it stands at 23")),
        ([{"text": "Bo"}], ("without `start`", "exactly once", "`Bo`, 2 times")),
        (["Carl"], ("exactly once", "`Carl`, 0 times")),
        ([{"text": "Bo", "start": "8"}], ("must have a `text` and its `start`",)),
        ([{"text": "Bo", "start": True}], ("must have a `text` and its `start`",)),
        ([{"text": "Bo", "start": 8.0}], ("must have a `text` and its `start`",)),
        ([{"text": "", "start": 8}], ("must have a `text` and its `start`",)),
        ([{"text": 3, "start": 8}], ("must have a `text` and its `start`",)),
        ([{"start": 8, "end": 99}], ("must have a `text` and its `start`",)),
        ([{"start": 8, "end": 8}], ("must have a `text` and its `start`",)),
        ([None], ("must have a `text` and its `start`",)),
        ([3], ("must have a `text` and its `start`",)),
        (3, ("column `answers` must hold a list; got 3",)),
        ({"text": "Bo", "start": 8}, ("column `answers` must hold a list",)),
        ({"text": ["Bo"], "answer_start": []}, ("column `answers` must hold a list",)),
    ],
)
def test_read_bad_answers_say_what_must_hold_and_what_was_found(faults, answers, parts):
    line = faults(Qa(), fields(answers))[0]
    for part in parts:
        assert part in line


def test_read_every_bad_answer_of_a_row_is_named(faults):
    assert len(faults(Qa(), fields([{"text": "Al", "start": 0}, {"text": "Bo"}, 4]))) == 3


def test_read_long_answers_are_shown_shortened(faults):
    (line,) = faults(Qa(), {**fields([{"text": "x" * 9000, "start": 0}]), "context": "y" * 9000})
    assert len(line) < 300


def test_read_missing_columns_are_both_named(faults):
    lines = faults(Qa(), {"contexts": "a", "answers": []})
    assert len(lines) == 2
    assert "--column context=contexts" in lines[0]
    assert "column `question` must be present" in lines[1]


@given(st.text("ab ", max_size=12), st.text("ab ", min_size=1, max_size=3), st.integers(-14, 14))
def test_read_takes_an_answer_exactly_where_it_stands(context, text, start):
    answers = [{"text": text, "start": start}]
    read_row = {"context": context, "question": "q", "answers": answers}
    example, problems = Qa().read(read_row, place=PLACE)
    stands = start >= 0 and context.startswith(text, start)
    assert (example is not None) == stands == (not problems)
    if stands:
        (span,) = example.gold
        assert context[span.start : span.end] == text


def test_labels_tell_whether_some_questions_have_no_answer():
    assert Qa().with_labels_of([row((0, 3)), Example("i", INPUTS, None, PLACE)]).labels == (
        ANSWERED,
    )
    assert Qa().with_labels_of([row((0, 3)), row()]).labels == (ANSWERED, UNANSWERABLE)
    assert CAREFUL.outputs() == SURE.outputs() == ("start", "end")


def test_target_is_the_first_answer_without_white_space_around_it():
    assert SURE.target(row((8, 10), (0, 3))) == (8, 10)
    assert SURE.target(row((3, 11))) == (4, 10)
    assert SURE.target(row()) == (-1, -1)
    assert SURE.target(row((1, 2), context="a b")) == (1, 1)


def test_strata_are_whether_there_is_an_answer():
    assert CAREFUL.strata(row((0, 3))) == (ANSWERED,)
    assert CAREFUL.strata(row()) == (UNANSWERABLE,)
    assert CAREFUL.strata(Example("i", INPUTS, None, PLACE)) == ()


SCORES = np.array([[-1, -1, 3.0], [8, 10, 2.0], [0, 3, 1.0]])


def test_answer_may_be_none_only_where_that_was_taught():
    refused = CAREFUL.answer(SCORES, INPUTS)
    powers = np.exp([3.0, 2.0, 1.0])
    assert (refused.text, refused.start, refused.end) == ("", 0, 0)
    assert refused.confidence == refused.null_probability == pytest.approx(powers[0] / powers.sum())
    answered = SURE.answer(SCORES, INPUTS)
    assert (answered.text, answered.start, answered.end) == ("Bo", 8, 10)
    assert answered.confidence == pytest.approx(powers[1] / powers[1:].sum())
    assert answered.null_probability == 0.0


@pytest.mark.parametrize("task", [SURE, CAREFUL])
def test_answer_to_an_empty_context_is_none(task):
    answer = task.answer(np.array([[-1, -1, 0.5]]), QuestionInput("q", ""))
    assert answer == StretchAnswer("", 0, 0, 1.0, 1.0)


def test_answer_to_json_has_the_probability_of_none_only_when_asked():
    answer = CAREFUL.answer(SCORES[::-1] * [1, 1, -1], INPUTS)
    assert list(answer.to_json()) == ["answer", "start", "end", "confidence"]
    assert list(answer.to_json(all_scores=True))[-1] == "null_probability"


def test_mark_by_hand_takes_the_best_of_several_answers():
    examples = [row((14, 18), (8, 18)), row((0, 3)), row(), row()]
    answers = [said("Bo in Rome"), said("Ann met", 0.9), said(""), said("Ann", 0.7)]
    marked = CAREFUL.mark(examples, answers)
    measured = {name: measure.value for name, measure in marked.measures.items()}
    assert measured["exact_match"] == pytest.approx(2 / 4)
    assert measured["f1"] == pytest.approx((1 + 2 / 3 + 1 + 0) / 4)
    assert marked.headline == ("f1", "exact_match")
    assert marked.wrong == (1, 3)
    score = CAREFUL.selection_score(examples, answers)
    assert score == pytest.approx(measured["f1"])
    assert CAREFUL.selection_score([], []) == 0.0


def test_mark_counts_chinese_by_character():
    example = row((0, 4), context="北京大学在北京")
    assert SURE.selection_score([example], [said("北京")]) == pytest.approx(2 / 3)


def test_ask_has_context_and_question_and_may_offer_none():
    assert CONTEXT in SURE.ask(INPUTS)
    assert "Who left?" in SURE.ask(INPUTS)
    assert "say none" in CAREFUL.ask(INPUTS)
    assert "say none" not in SURE.ask(INPUTS)


@given(st.integers(0, len(CONTEXT)), st.integers(0, len(CONTEXT)))
def test_asked_and_answered_in_the_words_of_the_text_is_heard(one, other):
    start, end = sorted((one, other))
    wanted = CONTEXT[start:end].strip(" .")
    assume(wanted)
    heard = SURE.hear(f' "{wanted}." ', INPUTS)
    assert heard.text == wanted == CONTEXT[heard.start : heard.end]
    assert heard.null_probability == 0.0


@pytest.mark.parametrize("reply", ["", "none", " . ", "Carl", "“”"])
def test_hear_a_reply_that_is_not_in_the_context_is_no_answer(reply):
    assert SURE.hear(reply, INPUTS) == StretchAnswer("", 0, 0, 1.0, 1.0)


def test_hear_does_not_mind_case():
    heard = SURE.hear("rome", INPUTS)
    assert (heard.text, heard.start) == ("Rome", 14)


def test_show_gold_and_answer_as_text():
    assert SURE.show_gold(row((8, 10), (20, 22), (0, 3))) == ["Bo", "Ann"]
    assert SURE.show_gold(row()) == []
    assert SURE.show_answer(said("Bo")) == "Bo"


def test_inputs_and_gold_as_fields_are_read_back(read):
    example = row((8, 10), (0, 3))
    back = read(SURE, {**SURE.input_fields(example.inputs), **SURE.gold_fields(example.gold)})
    assert (back.inputs, back.gold) == (example.inputs, example.gold)
    assert read(SURE, {**SURE.input_fields(INPUTS), **SURE.gold_fields(())}).gold == ()


def test_task_through_json_is_the_same():
    for task in (SURE, CAREFUL):
        assert task_from_json(json.loads(json.dumps(task.to_json()))) == task


def test_inputs_of_a_bare_text_are_refused_with_a_row_to_fill_in():
    with pytest.raises(DataError, match="JSON object with context, question") as caught:
        SURE.inputs_of("Who left?")
    assert "tunesmith predict BUNDLE" in caught.value.hint
    assert SURE.inputs_of(json.dumps(SURE.input_fields(INPUTS))) == INPUTS
