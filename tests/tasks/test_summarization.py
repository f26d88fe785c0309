"""Summarization: references in each form, answers with their offsets, marks beside the lead."""

from __future__ import annotations

import numpy as np
import pytest

from tunesmith.core.answers import TextAnswer
from tunesmith.core.errors import SpecError
from tunesmith.core.examples import Example, Place, SentencesInput
from tunesmith.tasks.extraction import FEATURES
from tunesmith.tasks.sentences import split_sentences
from tunesmith.tasks.summarization import Summarization, lead_summary

TEXT = "It rains. Ann lost her card. She is sad. A new card comes."
TASK = Summarization().fitted(most=2, redundancy=0.0, weights=[0.0] * len(FEATURES))


def row(text: str, *references: str) -> Example:
    inputs = SentencesInput(text, split_sentences(text))
    return Example("id", inputs, references, Place("rows.jsonl", 7))


@pytest.mark.parametrize(
    ("summary", "gold"),
    [
        ("Ann lost it.", ("Ann lost it.",)),
        (["One.", "Two."], ("One.", "Two.")),
        ('["One.", "Two."]', ("One.", "Two.")),
        (np.array(["One."], dtype=object), ("One.",)),
        ("[note] it is lost; soon | new", ("[note] it is lost; soon | new",)),
        (3, ("3",)),
    ],
)
def test_read_one_reference_or_several(read, summary, gold):
    assert read(Summarization(), {"document": TEXT, "summary": summary}).gold == gold


@pytest.mark.parametrize("fields", [{}, {"summary": None}, {"summary": ""}])
def test_read_without_summary_has_no_gold(read, fields):
    assert read(Summarization(), {"document": TEXT, **fields}).gold is None


@pytest.mark.parametrize("summary", ["  ", [], ["One.", ""], ["One.", None], {"text": "One."}])
def test_read_empty_summary_is_a_problem(faults, summary):
    (problem,) = faults(Summarization(), {"document": TEXT, "summary": summary})
    assert "column `summary` must hold a summary" in problem


def test_read_without_document_names_the_column(faults):
    (problem,) = faults(Summarization(), {"documents": TEXT, "summary": "One."})
    assert "`document` must be present" in problem
    assert "--column document=documents" in problem


def test_answer_is_the_best_sentences_in_their_order_with_their_places():
    inputs = TASK.inputs_of(TEXT)
    scores = np.array([[0.0, 1, 1], [1.0, 1, 1], [-1.0, 1, 1], [2.0, 1, 1]])
    answer = TASK.answer(scores, inputs)
    assert answer.text == "Ann lost her card. A new card comes."
    assert [TEXT[start:end] for start, end in answer.sentences] == [
        "Ann lost her card.",
        "A new card comes.",
    ]
    assert answer.to_json() == {"written": answer.text}
    places = [{"start": 10, "end": 28}, {"start": 41, "end": 58}]
    assert answer.to_json(all_scores=True)["sentences"] == places


def test_answer_to_an_empty_document_is_empty():
    assert TASK.answer(np.ones((1, 3)), TASK.inputs_of(" \n")).text.strip() == ""


def test_marks_stand_beside_those_of_the_lead():
    examples = [row(TEXT, "Ann lost her card. A new card comes.")]
    marks = TASK.mark(examples, [TextAnswer("Ann lost her card. A new card comes.")])
    assert marks.measures["rouge_1"].value == 1.0
    lead = lead_summary(examples[0].inputs).text
    assert lead == "It rains. Ann lost her card. She is sad."
    # 4 of the 9 words of the lead are among the 8 of the reference
    assert marks.measures["lead_rouge_1"].value == pytest.approx(2 * 4 / (9 + 8))
    assert marks.measures["rouge_1_over_lead"].value == pytest.approx(1 - 8 / 17)
    assert "mean_rouge_1" not in marks.measures


def test_marks_of_several_references_are_the_best_and_the_mean():
    examples = [row(TEXT, "xyz", "it rains"), row(TEXT, "it rains")]
    marks = TASK.mark(examples, [TextAnswer("It rains."), TextAnswer("")])
    assert marks.measures["rouge_1"].value == pytest.approx(0.5)
    assert marks.measures["mean_rouge_1"].value == pytest.approx(0.25)
    assert marks.wrong == (1,)


def test_other_methods_are_refused_with_the_one_that_serves():
    with pytest.raises(SpecError) as caught:
        Summarization().with_method("full")
    assert caught.value.hint == "--method extractive"
    assert Summarization().with_method("extractive") == Summarization()
