"""The numbers behind answers: which tasks have them, and rows that have none."""

import numpy as np
import pytest

from tunesmith.core.examples import ChoiceInput, Example, Place, TextInput
from tunesmith.measure.calibrators import Calibrator
from tunesmith.tasks import TASKS
from tunesmith.tasks.choice import Choice
from tunesmith.tasks.classification import Classification
from tunesmith.tasks.matching import Matching
from tunesmith.tasks.multilabel import MultiLabel
from tunesmith.tasks.odds import calibrated, link_of, odds_of
from tunesmith.tasks.relation import Relation

PLACE = Place("rows", 1)


def test_tasks_with_probabilities_are_known():
    labels = ("a", "b")
    assert link_of(Classification(labels=labels)) == "softmax"
    assert link_of(Relation(labels=labels)) == "softmax"
    assert link_of(Matching(labels=labels)) == "softmax"
    assert link_of(Choice()) == "softmax"
    assert link_of(MultiLabel(labels=labels)) == "sigmoid"
    assert link_of(Matching(scale=(0.0, 5.0))) is None
    others = {"classification", "relation", "matching", "choice", "multilabel"}
    without = [TASKS[kind]() for kind in TASKS if kind not in others]
    assert len(without) >= 6
    assert all(link_of(task) is None for task in without)


def test_rows_of_unknown_labels_are_left_out():
    task = Classification(labels=("坏", "好"))
    golds = ["好", "新", "坏"]
    examples = [Example(gold, TextInput(gold), gold, PLACE) for gold in golds]
    odds = odds_of(task, [np.array([number, 0.0]) for number in range(3)], examples)
    assert odds.gold == (1, 0)
    assert [row[0] for row in odds.logits] == [0.0, 2.0]
    assert len(odds.take([1])) == 1


def test_choices_may_differ_in_number():
    inputs = [ChoiceInput("", "q", ("x", "y")), ChoiceInput("", "q", ("x", "y", "z"))]
    examples = [Example(str(at), item, at + 1, PLACE) for at, item in enumerate(inputs)]
    odds = odds_of(Choice(), [np.zeros((2, 1)), np.zeros((3, 1))], examples)
    assert [len(row) for row in odds.logits] == [2, 3]
    assert [int(gold) for gold in odds.gold] == [1, 2]


def test_calibrated_scores_keep_their_shape():
    halved = calibrated(Calibrator("softmax", (2.0,)), np.array([[2.0], [4.0]]))
    assert halved.tolist() == [[1.0], [2.0]]


def test_task_without_probabilities_is_refused():
    with pytest.raises(ValueError, match="without probabilities"):
        odds_of(TASKS["qa"](), [], [])
