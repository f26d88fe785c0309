"""Distillation: the loss against its equation, and teachers whose labels are others."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from tunesmith.core.distillation import DistillationRecipe
from tunesmith.core.errors import SpecError
from tunesmith.stages.tune.distilling import SoftTargets, order_of_outputs, with_teachers
from tunesmith.stages.tune.loop import Feed
from tunesmith.stages.tune.objectives import binary_cross_entropy, cross_entropy
from tunesmith.stages.tune.rows import Rows
from tunesmith.tasks.classification import Classification
from tunesmith.tasks.matching import Matching
from tunesmith.tasks.ner import Ner
from tunesmith.tasks.qa import Qa


class Windows:
    """Three windows of two rows; the second row has two of them."""

    rows = np.array([0, 1, 1])


def recipe(**settings):
    return DistillationRecipe(teacher="bundle", **settings)


def feed_of(objective, targets, soft):
    rows = Rows((), Windows(), np.ones(3), targets, 0)
    inner = Feed(objective, lambda _: [], lambda at: {"targets": torch.from_numpy(targets[at])})
    return with_teachers(inner, rows, soft)


def test_loss_is_the_mix_of_the_task_and_the_softened_divergence():
    taught = np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3]], dtype=np.float32)
    soft = SoftTargets(taught, None, False, recipe(temperature=3.0, weight=0.25))
    feed = feed_of(cross_entropy(), np.array([0, 1, 1]), soft)
    batch = feed.load(np.array([2, 0]))
    assert torch.equal(batch["soft_targets"], torch.from_numpy(taught[[1, 0]]))
    logits = torch.tensor([[1.0, -2.0, 0.5], [0.3, 0.2, 2.0]])
    q = torch.softmax(logits / 3.0, dim=-1)
    p = batch["soft_targets"]
    divergence = (p * (p / q).log()).sum(dim=-1).mean()
    task = functional.cross_entropy(logits, torch.tensor([1, 0]))
    assert feed.objective(logits, batch) == pytest.approx(
        float(0.75 * task + 0.25 * 9.0 * divergence), rel=1e-5
    )


def test_labels_that_do_not_exclude_each_other_diverge_one_by_one():
    taught = np.array([[0.9, 0.2], [0.0, 1.0]], dtype=np.float32)
    soft = SoftTargets(taught, None, True, recipe(temperature=2.0, weight=1.0))
    targets = np.array([[1, 0], [0, 1], [0, 1]], dtype=np.float32)
    feed = feed_of(binary_cross_entropy(), targets, soft)
    batch = feed.load(np.array([0, 1]))
    logits = torch.tensor([[1.0, -2.0], [0.5, 3.0]])
    q, p = torch.sigmoid(logits / 2.0).double(), batch["soft_targets"].double()
    yes = torch.where(p > 0, p * (p / q).log(), 0.0)
    no = torch.where(p < 1, (1 - p) * ((1 - p) / (1 - q)).log(), 0.0)
    assert feed.objective(logits, batch) == pytest.approx(4.0 * float((yes + no).mean()), rel=1e-5)


def test_student_that_says_what_its_teacher_says_loses_nothing():
    logits = torch.tensor([[1.0, -2.0, 0.5]])
    taught = torch.softmax(logits / 2.0, dim=-1).numpy()
    soft = SoftTargets(taught, None, False, recipe(weight=1.0))
    feed = feed_of(cross_entropy(), np.array([0, 0, 0]), soft)
    assert feed.objective(logits, feed.load(np.array([0]))) == pytest.approx(0.0, abs=1e-6)


def test_no_teacher_leaves_the_feed_as_it_is():
    feed = Feed(cross_entropy(), lambda _: [], lambda _: {})
    assert with_teachers(feed, Rows((), Windows(), np.ones(3), np.zeros(3), 0), None) is feed


def test_outputs_of_a_teacher_are_found_by_their_names():
    student, teacher = Classification(("a", "b", "c")), Classification(("c", "a", "b"))
    assert order_of_outputs(teacher, student, where="x") == [1, 2, 0]


@pytest.mark.parametrize(
    ("teacher", "student", "found"),
    [
        (Classification(("a", "x")), Classification(("a", "b")), "b that it does not know and x"),
        (Ner(("PER",)), Classification(("a",)), "got one for ner"),
        (Qa(), Qa(), "qa read this way has none"),
        (
            Matching(scale=(0.0, 5.0), pairs="together"),
            Matching(scale=(0.0, 1.0), pairs="together"),
            "the scale",
        ),
    ],
)
def test_teacher_of_other_answers_is_refused(teacher, student, found):
    with pytest.raises(SpecError, match=found):
        order_of_outputs(teacher, student, where="x")
