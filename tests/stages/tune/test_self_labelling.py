"""Rows that a teacher labels: what it is sure of, the surest of each class, no known text."""

from __future__ import annotations

import numpy as np
import pytest

from tunesmith.core.examples import Example, Place, TextInput
from tunesmith.core.self_training import SelfTrainingRecipe
from tunesmith.runtime.engine import Engine
from tunesmith.stages.tune import self_labelling
from tunesmith.stages.tune.self_labelling import label_rows
from tunesmith.tasks.classification import Classification
from tunesmith.tasks.multilabel import MultiLabel
from tunesmith.tasks.ner import Ner


def rows_of(texts, task=None):
    make = task.inputs_of if task else TextInput
    return [Example(t, make(t), None, Place("f", n)) for n, t in enumerate(texts, start=1)]


@pytest.fixture
def labelled(monkeypatch):
    """Return what a teacher, whose logits are given by text, labels of some rows."""

    def make(task, logits, *, known=(), texts=None, **settings):
        monkeypatch.setattr(
            self_labelling,
            "score",
            lambda _, inputs: [np.array(logits[item.text], dtype=float) for item in inputs],
        )
        engine = Engine(None, None, task, None, None)
        recipe = SelfTrainingRecipe(data="x", **settings)
        return label_rows(
            engine,
            rows_of(texts or logits, task),
            recipe,
            known=rows_of(known),
            emit=lambda _: None,
        ), recipe

    return make


def test_rows_below_the_confidence_are_left_and_classes_counted(labelled):
    logits = {"甲": [4, 0], "乙": [0, 4], "丙": [0.1, 0], "丁": [0, 5]}
    found, recipe = labelled(Classification(("a", "b")), logits, confidence=0.9)
    assert [(row.inputs.text, row.gold) for row in found.examples] == [
        ("甲", "a"),
        ("乙", "b"),
        ("丁", "b"),
    ]
    assert dict(found.classes) == {"a": 1, "b": 2}
    assert "3 of 4 rows without labels taken" in found.sentence(recipe)
    assert found.sentence(recipe).endswith(": a 1, b 2")


def test_surest_rows_of_each_class_are_taken_in_their_order(labelled):
    logits = {f"a{n}": [n, 0] for n in (1, 3, 2)} | {"b1": [0, 0.5]}
    found, _ = labelled(Classification(("a", "b")), logits, confidence=0, per_class=2)
    assert [row.inputs.text for row in found.examples] == ["a3", "a2", "b1"]


def test_known_texts_and_repeats_are_not_taken(labelled):
    logits = dict.fromkeys(["New text", "  new  TEXT ", "old text", " "], [5, 0])
    found, _ = labelled(Classification(("a", "b")), logits, known=["Old  Text"])
    assert [row.inputs.text for row in found.examples] == ["New text"]
    assert (found.read, found.known) == (4, 3)


def test_least_sure_label_counts_where_there_are_several(labelled):
    logits = {"both": [4, 4], "half": [4, 0.1], "none": [-4, -4]}
    found, _ = labelled(MultiLabel(("a", "b")), logits, confidence=0.9)
    assert [(row.inputs.text, row.gold) for row in found.examples] == [
        ("both", ("a", "b")),
        ("none", ()),
    ]
    assert dict(found.classes) == {"a": 1, "b": 1, "(none)": 1}


def test_least_sure_word_counts_and_tags_become_entities(labelled):
    logits = {"Ada 在": [[0, 6, 0], [6, 0, 0]], "Bo 在": [[0, 6, 0], [0.2, 0, 0]]}
    found, _ = labelled(Ner(("PER",)), logits, confidence=0.9)
    (row,) = found.examples
    (span,) = row.gold
    assert (span.start, span.end, span.type) == (0, 3, "PER")
    assert dict(found.classes) == {"PER": 1}


def test_nothing_sure_enough_is_said_to_be_nothing(labelled):
    found, recipe = labelled(Classification(("a", "b")), {"x": [0, 0]}, confidence=0.9)
    assert list(found.examples) == []
    assert found.sentence(recipe).endswith("none of any class")
