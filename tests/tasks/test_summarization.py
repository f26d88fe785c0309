"""Summarization: references in each form, answers with their offsets, marks beside the lead."""

from __future__ import annotations

import numpy as np
import pytest

from tunesmith.core.answers import TextAnswer
from tunesmith.core.errors import SpecError
from tunesmith.core.examples import Example, Place, SentencesInput, TextInput
from tunesmith.tasks import task_from_json
from tunesmith.tasks.extraction import FEATURES
from tunesmith.tasks.sentences import split_sentences
from tunesmith.tasks.summarization import Summarization, WrittenSummarization, lead_summary

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


def test_method_says_how_a_summary_is_made():
    task = Summarization(columns={"summary": "abstract"})
    assert task.with_method("extractive") is task
    written = task.with_method("full")
    assert written == WrittenSummarization(columns={"summary": "abstract"})
    assert (written.head, written.selection) == ("generate", "log_probability")
    assert written.with_method("full") is written
    assert isinstance(written.inputs_of(TEXT), TextInput)


def test_probe_is_refused_with_the_methods_that_serve():
    with pytest.raises(SpecError, match="makes no summary") as caught:
        Summarization().with_method("probe")
    assert "--method extractive" in caught.value.hint


def test_bundle_of_an_older_version_is_extractive():
    fields = {"kind": "summarization", "labels": [], "columns": {}, "most": 2, "redundancy": 0.0}
    assert task_from_json(fields) == Summarization(most=2, redundancy=0.0)


def test_both_ways_are_marked_alike():
    gold = "Ann lost her card. A new card comes."
    own, written = row(TEXT, gold), WrittenSummarization()
    plain = Example("id", written.inputs_of(TEXT), (gold,), Place("rows.jsonl", 7))
    answers = [TextAnswer("A card comes.", -0.5)]
    assert written.mark([plain], answers).measures == TASK.mark([own], answers).measures


@pytest.mark.parametrize("method", ["extractive", "full"])
def test_swapped_columns_are_noted_where_most_summaries_are_longer(method):
    columns = {"document": "talk", "summary": "gist"}
    task = Summarization(columns=columns).with_method(method)
    turned = [
        Example("id", task.inputs_of("Ann lost it."), (TEXT,), Place("rows.jsonl", line))
        for line in range(3)
    ]
    answers = [TextAnswer("Ann.")] * 3
    (note,) = task.mark(turned, answers).notes
    assert "3 of 3 rows look as if `document` and `summary` were swapped" in note
    assert "--column document=gist --column summary=talk" in note
    assert task.mark([row(TEXT, "Ann lost it.")], answers[:1]).notes == ()
