"""Classification: rows, targets and answers, marks by hand and against scikit-learn, replies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from tunesmith.core.answers import LabelAnswer
from tunesmith.core.examples import Example, Place, TextInput
from tunesmith.tasks.classification import Classification
from tunesmith.tasks.labelled import UNKNOWN

PLACE = Place("rows.csv", 2)
TASK = Classification(labels=("a", "b", "c"))
LABELS = st.sampled_from("abc")


def row(gold: str | None) -> Example:
    return Example("id", TextInput("text"), gold, PLACE)


def said(label: str, confidence: float = 0.5) -> LabelAnswer:
    return LabelAnswer(label, confidence, {})


def marks(gold: Sequence[str], predicted: Sequence[str], task: Classification = TASK):
    return task.mark([row(label) for label in gold], [said(label) for label in predicted])


@pytest.mark.parametrize(
    ("fields", "gold"),
    [
        ({"text": "hi", "label": "a"}, "a"),
        ({"text": "hi", "label": 3}, "3"),
        ({"text": "hi", "label": 3.0}, "3"),
        ({"text": "hi", "label": 0}, "0"),
        ({"text": "hi", "label": None}, None),
        ({"text": "hi"}, None),
    ],
)
def test_read_row_gives_text_and_label(read, fields, gold):
    example = read(TASK, fields)
    assert example.inputs == TextInput("hi")
    assert example.gold == gold
    assert example.place == PLACE or example.place.line == 7


def test_read_number_as_text_is_the_text(read):
    assert read(TASK, {"text": 42, "label": "a"}).inputs.text == "42"


def test_read_mapped_columns(read):
    task = TASK.with_columns({"text": "body", "label": "category"})
    example = read(task, {"body": "hi", "category": "a", "id": "r1", "group": "d1"})
    assert (example.inputs.text, example.gold) == ("hi", "a")
    assert (example.id, example.group) == ("r1", "d1")


@pytest.mark.parametrize(
    ("fields", "said_in_problem"),
    [
        ({"txt": "hi", "label": "a"}, "--column text=txt"),
        ({"text": None, "label": "a"}, "column `text` must hold text; got null"),
        ({"text": "hi", "label": True}, "column `label` must hold text; got true"),
        ({"text": "hi", "label": ["a"]}, 'column `label` must hold text; got ["a"]'),
        ({"text": "hi", "label": float("nan")}, "column `label` must hold text; got NaN"),
    ],
)
def test_read_bad_row_names_the_column_and_what_it_holds(faults, fields, said_in_problem):
    assert said_in_problem in faults(TASK, fields)[0]


def test_read_row_with_two_faults_names_both(faults):
    assert len(faults(TASK, {"text": ["x"], "label": {}})) == 2


def test_read_same_content_gives_the_same_id(read):
    first, again = (read(TASK, {"text": "hi", "label": "a"}) for _ in range(2))
    assert first.id == again.id
    assert first.id != read(TASK, {"text": "hi", "label": "b"}).id


def test_labels_of_rows_are_in_natural_order():
    task = Classification().with_labels_of(map(row, ["10", "2", "1", "2", None]))
    assert task.labels == ("1", "2", "10")
    assert task.outputs() == task.labels


@given(LABELS)
def test_target_and_answer_agree(gold):
    scores = np.zeros(3)
    scores[TASK.target(row(gold))] = 5.0
    answer = TASK.answer(scores, TextInput("text"))
    assert answer.label == gold
    assert answer.confidence == max(answer.scores.values())
    assert sum(answer.scores.values()) == pytest.approx(1.0)
    assert list(answer.scores) == list(TASK.labels)


def test_answer_to_json_has_all_scores_only_when_asked():
    answer = TASK.answer(np.array([0.0, 1.0, 0.0]), TextInput("text"))
    assert list(answer.to_json()) == ["label", "confidence"]
    assert list(answer.to_json(all_scores=True)["scores"]) == ["a", "b", "c"]


def test_mark_by_hand():
    """Gold a a b b c against a b b b a: hits a 1, b 2; F1 1/2, 4/5, 0."""
    marked = marks("aabbc", "abbba")
    measured = {name: measure.value for name, measure in marked.measures.items()}
    assert measured["accuracy"] == pytest.approx(3 / 5)
    assert measured["macro_f1"] == pytest.approx((1 / 2 + 4 / 5 + 0) / 3)
    assert measured["weighted_f1"] == pytest.approx((2 * 1 / 2 + 2 * 4 / 5 + 0) / 5)
    assert marked.confusion.tolist() == [[1, 1, 0], [0, 2, 0], [1, 0, 0]]
    assert [score.support for score in marked.classes] == [2, 2, 1]
    assert marked.wrong == (1, 4)
    accuracy = marked.measures["accuracy"]
    assert accuracy.count == 5
    assert 0 <= accuracy.low <= accuracy.value <= accuracy.high <= 1


def test_mark_wrong_rows_stand_with_the_most_confident_first():
    answers = [said("b", 0.6), said("a", 0.9), said("b", 0.8)]
    assert TASK.mark([row("a")] * 3, answers).wrong == (2, 0)


@settings(max_examples=12)  # each example is 1,000 bootstrap resamples
@given(st.lists(st.tuples(LABELS, LABELS), min_size=1, max_size=30))
def test_mark_equals_scikit_learn(pairs):
    gold, predicted = zip(*pairs, strict=True)
    marked = marks(gold, predicted)
    measured = {name: measure.value for name, measure in marked.measures.items()}
    assert measured["accuracy"] == pytest.approx(metrics.accuracy_score(gold, predicted))
    for average in ("macro", "micro", "weighted"):
        wanted = metrics.f1_score(gold, predicted, average=average, zero_division=0)
        assert measured[f"{average}_f1"] == pytest.approx(wanted)
    wanted_confusion = metrics.confusion_matrix(gold, predicted, labels=list("abc"))
    assert marked.confusion.tolist() == wanted_confusion.tolist()
    score = TASK.selection_score([row(g) for g in gold], [said(p) for p in predicted])
    assert score == pytest.approx(measured[TASK.selection])


def test_mark_label_the_model_never_learned_is_a_class_that_is_always_missed():
    marked = marks(["a", "new"], ["a", "b"])
    assert marked.confusion_labels == ("a", "b", "c", "new")
    assert marked.measures["accuracy"].value == pytest.approx(0.5)
    new = next(score for score in marked.classes if score.label == "new")
    assert (new.recall, new.support, new.predicted) == (0.0, 1, 0)


def test_mark_reply_that_names_no_label_is_wrong_in_a_class_of_its_own():
    marked = marks(["a", "b"], ["a", ""])
    assert marked.confusion_labels == ("a", "b", "c", UNKNOWN)
    assert marked.measures["accuracy"].value == pytest.approx(0.5)


def test_mark_without_rows_gives_zeros_with_a_count_of_zero():
    marked = marks([], [])
    assert {measure.count for measure in marked.measures.values()} == {0}
    assert marked.measures["accuracy"].value == 0.0
    assert marked.wrong == ()
    assert TASK.selection_score([], []) == 0.0


@pytest.mark.parametrize("label", TASK.labels)
def test_asked_and_answered_with_a_label_is_heard(label):
    question = TASK.ask(TextInput("the text"))
    assert "the text" in question
    assert all(name in question for name in TASK.labels)
    answer = TASK.hear(f" {label.upper()}.\n", TextInput("the text"))
    assert answer.label == label
    assert answer.confidence == 1.0
    assert answer.scores[label] == 1.0


def test_hear_a_reply_that_names_none_is_the_empty_answer():
    answer = TASK.hear("I do not know", TextInput("x"))
    assert (answer.label, answer.confidence) == ("", 0.0)


def test_show_gold_and_answer_as_text():
    assert TASK.show_gold(row("a")) == "a"
    assert TASK.show_gold(row(None)) == ""
    assert TASK.show_answer(said("b")) == "b"
