"""Joined engines: the mean of probabilities in each head family, and tasks that do not agree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from tunesmith.core.errors import DataError
from tunesmith.core.examples import TextInput
from tunesmith.runtime import joining
from tunesmith.runtime.engine import Engine, Members
from tunesmith.runtime.joining import joined_task, mean_scores
from tunesmith.tasks.choice import Choice
from tunesmith.tasks.classification import Classification
from tunesmith.tasks.labels import sigmoid, softmax
from tunesmith.tasks.matching import Matching
from tunesmith.tasks.multilabel import MultiLabel
from tunesmith.tasks.ner import Ner


@dataclass(frozen=True)
class Fixed:
    """The raw outputs that an engine gives to whatever it is asked."""

    rows: np.ndarray


def joined(task, *rows, monkeypatch):
    """Return the mean of engines that answer one input by these raw outputs."""
    engines = tuple(Engine(Fixed(np.array(row)), None, task, None, None) for row in rows)
    monkeypatch.setattr(joining, "score", lambda engine, inputs: [engine.model.rows] * len(inputs))
    (found,) = mean_scores(Members(engines), [TextInput("text")])
    return found


def test_labels_have_the_mean_probability(monkeypatch):
    one, other = [2.0, 0.0, -1.0], [-3.0, 1.0, 0.5]
    found = joined(Classification(("a", "b", "c")), one, other, monkeypatch=monkeypatch)
    assert softmax(found) == pytest.approx((softmax(one) + softmax(other)) / 2)


def test_words_have_the_mean_probability_of_each_tag(monkeypatch):
    rows = np.random.default_rng(0).normal(size=(2, 4, 3))
    found = joined(Ner(("X",)), *rows, monkeypatch=monkeypatch)
    assert softmax(found) == pytest.approx(softmax(rows).mean(axis=0))
    assert (
        joined(Ner(("X",)), np.zeros((0, 3)), np.zeros((0, 3)), monkeypatch=monkeypatch).size == 0
    )


@pytest.mark.parametrize("task", [MultiLabel(("a", "b")), Matching(scale=(0, 1), pairs="together")])
def test_labels_that_do_not_exclude_each_other_are_joined_one_by_one(task, monkeypatch):
    one, other = [900.0, -1.0], [-900.0, 2.0]
    found = joined(task, one, other, monkeypatch=monkeypatch)
    assert np.isfinite(found).all()
    assert sigmoid(found) == pytest.approx((sigmoid(one) + sigmoid(other)) / 2)


def test_replies_have_the_mean_probability_among_those_offered(monkeypatch):
    one, other = [[1.0], [0.0], [3.0]], [[0.0], [2.0], [-1.0]]
    found = joined(Choice(), one, other, monkeypatch=monkeypatch)
    wanted = (softmax(np.ravel(one)) + softmax(np.ravel(other))) / 2
    assert found.shape == (3, 1)
    assert softmax(found[:, 0]) == pytest.approx(wanted)


def test_texts_read_apart_have_the_mean_cosine(monkeypatch):
    rows = np.random.default_rng(0).normal(size=(3, 2, 5))
    task = Matching(scale=(0.0, 1.0), pairs="apart")
    found = task.answer(joined(task, *rows, monkeypatch=monkeypatch), None)
    units = rows / np.linalg.norm(rows, axis=2, keepdims=True)
    assert found.score == pytest.approx(float((units[:, 0] * units[:, 1]).sum(axis=1).mean()))


def test_what_members_learned_of_their_task_is_averaged():
    tasks = [Ner(("X",), transitions=(1.0,) * 9), Ner(("X",)), Ner(("X",), transitions=(2.0,) * 9)]
    assert joined_task(tasks).transitions == (1.0,) * 9
    lines = [Matching(scale=(0, 1), line=(0.0, 1.0)), Matching(scale=(0, 1), line=(0.5, 2.0))]
    assert joined_task(lines).line == (0.25, 1.5)
    with pytest.raises(DataError, match="same labels"):
        joined_task([Classification(("a", "b")), Classification(("a", "c"))])
    with pytest.raises(DataError, match="scale"):
        joined_task([Matching(scale=(0, 1)), Matching(scale=(0, 5))])
