"""Multi-label: rows with lists in every spelling, marks against scikit-learn, replies."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from tunesmith.core.answers import LabelsAnswer
from tunesmith.core.examples import Example, Place, TextInput
from tunesmith.tasks.multilabel import MultiLabel

PLACE = Place("rows.csv", 2)
TASK = MultiLabel(labels=("a", "b", "c"))
SETS = st.sets(st.sampled_from("abc"))


def row(gold: Iterable[str]) -> Example:
    return Example("id", TextInput("text"), tuple(gold), PLACE)


def said(labels: Iterable[str], confidence: float = 0.75) -> LabelsAnswer:
    chosen = tuple(labels)
    return LabelsAnswer(chosen, {n: confidence if n in chosen else 0.25 for n in TASK.labels})


def marks(gold: Sequence[Iterable[str]], predicted: Sequence[Iterable[str]]):
    return TASK.mark([row(names) for names in gold], [said(names) for names in predicted])


@pytest.mark.parametrize(
    ("labels", "gold"),
    [
        (["b", "a"], ("b", "a")),
        (["a", "a"], ("a",)),
        ('["a", "b, c"]', ("a", "b, c")),
        ("a|b", ("a", "b")),
        ("a; b", ("a", "b")),
        ("a", ("a",)),
        ([1, 2.0, "x"], ("1", "2", "x")),
        ("[1, 2]", ("1", "2")),
        ([], ()),
        ("", ()),
        ("[]", ()),
        (None, None),
    ],
)
def test_read_labels_in_every_spelling(read, labels, gold):
    assert read(TASK, {"text": "hi", "labels": labels}).gold == gold


def test_read_row_without_the_column_has_no_answer(read):
    assert read(TASK, {"text": "hi"}).gold is None


@pytest.mark.parametrize(
    ("labels", "count"),
    [([None, "a"], 1), ([True], 1), ([["a"], {}], 2), (["", "a"], 1), (3, 1), ("[a, b", 1)],
)
def test_read_labels_that_are_no_texts_are_each_named(faults, labels, count):
    lines = faults(TASK, {"text": "hi", "labels": labels})
    assert len(lines) == count
    assert all("`labels`" in line for line in lines)


def test_labels_of_rows_are_in_natural_order():
    task = MultiLabel().with_labels_of([row(["10", "9"]), row([]), row(["x", "9"])])
    assert task.labels == ("9", "10", "x")


@given(SETS)
def test_target_and_answer_agree(gold):
    target = np.array(TASK.target(row(gold)))
    answer = TASK.answer(10 * (target - 0.5), TextInput("text"))
    assert set(answer.labels) == gold
    assert list(answer.scores) == list(TASK.labels)


def test_answer_label_is_given_where_its_probability_reaches_the_threshold():
    scores = np.array([0.0, -0.1, 3.0])
    assert TASK.answer(scores, TextInput("x")).labels == ("a", "c")
    strict = MultiLabel(labels=TASK.labels, threshold=0.9)
    assert strict.answer(scores, TextInput("x")).labels == ("c",)


def test_mark_by_hand():
    """Hits 3, wrongly given 1, missed 1; b is found once of two."""
    marked = marks(["ab", "b", ""], ["ab", "a", ""])
    measured = {name: measure.value for name, measure in marked.measures.items()}
    assert measured["micro_f1"] == pytest.approx(2 * 2 / (2 * 2 + 1 + 1))
    assert measured["subset_accuracy"] == pytest.approx(2 / 3)
    assert measured["hamming_loss"] == pytest.approx(2 / 9)
    assert marked.wrong == (1,)
    assert marked.confusion is None


@settings(max_examples=12)  # each example is 1,000 bootstrap resamples
@given(st.lists(st.tuples(SETS, SETS), min_size=1, max_size=25))
def test_mark_equals_scikit_learn(pairs):
    gold, predicted = ([pair[side] for pair in pairs] for side in (0, 1))
    measured = {name: measure.value for name, measure in marks(gold, predicted).measures.items()}
    y, z = (np.array([[name in names for name in "abc"] for names in x]) for x in (gold, predicted))
    assert measured["subset_accuracy"] == pytest.approx(metrics.accuracy_score(y, z))
    assert measured["hamming_loss"] == pytest.approx(metrics.hamming_loss(y, z))
    for average in ("micro", "weighted"):
        wanted = metrics.f1_score(y, z, average=average, zero_division=0)
        assert measured[f"{average}_f1"] == pytest.approx(wanted)
    occurs = (y | z).any(axis=0)
    by_label = metrics.f1_score(y, z, average=None, zero_division=0)
    wanted = by_label[occurs].mean() if occurs.any() else 0.0
    assert measured["macro_f1"] == pytest.approx(wanted)
    score = TASK.selection_score([row(g) for g in gold], [said(p) for p in predicted])
    assert score == pytest.approx(measured[TASK.selection])


def test_mark_label_the_model_never_learned_counts_as_missed():
    marked = marks([["a", "new"]], [["a"]])
    assert [score.label for score in marked.classes] == ["a", "b", "c", "new"]
    assert marked.classes[-1].recall == 0.0
    assert marked.measures["micro_f1"].value == pytest.approx(2 / 3)
    assert marked.wrong == (0,)


def test_mark_without_rows_gives_zeros_with_a_count_of_zero():
    marked = marks([], [])
    assert {measure.count for measure in marked.measures.values()} == {0}
    assert marked.measures["micro_f1"].value == 0.0
    assert TASK.selection_score([], []) == 0.0


def test_mark_wrong_rows_stand_with_the_surest_first():
    answers = [said("b", 0.6), said("a"), said("b", 0.9)]
    assert TASK.mark([row("a")] * 3, answers).wrong == (2, 0)


@given(SETS)
def test_asked_and_answered_with_the_labels_is_heard(chosen):
    question = TASK.ask(TextInput("the text"))
    assert "the text" in question
    assert all(f"- {name}" in question for name in TASK.labels)
    reply = ", ".join(sorted(chosen)) or "none"
    assert set(TASK.hear(reply, TextInput("the text")).labels) == chosen


@pytest.mark.parametrize(
    ("reply", "heard"),
    [
        ("A, C.", ("a", "c")),
        ("- a\n- c\n", ("a", "c")),
        ("c、a", ("a", "c")),
        ("a，c。", ("a", "c")),
        ('["a", "c"]', ("a", "c")),
        ("a; c", ("a", "c")),
        ("abc", ()),
        ("none", ()),
        ("", ()),
    ],
)
def test_hear_labels_between_commas_and_lines(reply, heard):
    answer = TASK.hear(reply, TextInput("x"))
    assert answer.labels == heard
    assert [name for name, score in answer.scores.items() if score] == list(heard)


def test_show_gold_and_answer_as_lists():
    assert TASK.show_gold(row("ab")) == ["a", "b"]
    assert TASK.show_answer(said("c")) == ["c"]
