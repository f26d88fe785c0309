"""Losses that boosters make, against what one computes by hand."""

from __future__ import annotations

import math
from contextlib import ExitStack
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn import functional

from tunesmith.core.boosters import SupervisedContrastive
from tunesmith.core.recipe import ModelRecipe
from tunesmith.model.backbones import load_backbone
from tunesmith.model.batching import double_batch
from tunesmith.model.heads import new_head
from tunesmith.stages.tune.boosters.contrast import contrast
from tunesmith.stages.tune.boosters.mixup import SHARE, mixed_objective, mixed_vectors
from tunesmith.stages.tune.boosters.r_drop import drawn_together
from tunesmith.stages.tune.boosters.sampling import row_chances
from tunesmith.stages.tune.loop import Feed
from tunesmith.stages.tune.objectives import (
    binary_cross_entropy,
    cross_entropy,
    supervised_contrastive,
)

LOGITS = torch.tensor([[2.0, 0.0, -1.0], [0.5, 0.5, 3.0]])
CLASSES = torch.tensor([0, 1])


def divergence(p, q):
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))


def test_r_drop_of_classes_is_the_loss_and_half_of_both_divergences():
    first, second = [0.7, 0.2, 0.1], [0.5, 0.3, 0.2]
    logits = torch.tensor([first, second]).log()
    batch = {"targets": torch.tensor([0, 0])}
    nll = -(math.log(0.7) + math.log(0.5))
    both = (divergence(first, second) + divergence(second, first)) / 2
    loss = drawn_together(cross_entropy(), weight=3.0)(logits, batch)
    assert loss.item() == pytest.approx((nll + 3.0 * both) / 2, rel=1e-5)


def test_r_drop_of_labels_takes_the_divergence_of_each_yes_and_no():
    yes = torch.tensor([[0.9, 0.3], [0.6, 0.2]])
    batch = {"targets": torch.tensor([[1.0, 0.0], [1.0, 0.0]])}
    both = np.mean(
        [
            (divergence([p, 1 - p], [q, 1 - q]) + divergence([q, 1 - q], [p, 1 - p])) / 2
            for p, q in ((0.9, 0.6), (0.3, 0.2))
        ]
    )
    plain = binary_cross_entropy()(yes.logit(), batch)
    loss = drawn_together(binary_cross_entropy(), weight=2.0)(yes.logit(), batch)
    assert (loss - plain).item() == pytest.approx(both, rel=1e-4)


def test_r_drop_counts_the_windows_of_a_text_as_one_row():
    logits = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    shares = torch.tensor([0.25, 0.75, 1.0])
    batch = {"targets": torch.tensor([1, 1, 2]), "shares": shares}
    zero = drawn_together(lambda *_: torch.tensor(0.0), weight=2.0)
    rows = [zero(logits[[at, at + 3]], {"targets": torch.tensor([0, 0])}) for at in range(3)]
    expected = sum(share * row for share, row in zip(shares, rows, strict=True)) / 2
    doubled = {name: tensor.repeat(2) for name, tensor in batch.items()}
    assert zero(logits, doubled).item() == pytest.approx(expected.item(), rel=1e-5)


def test_r_drop_of_equal_answers_is_the_loss_itself():
    batch = {"targets": CLASSES}
    doubled = {"targets": CLASSES.repeat(2)}
    both = drawn_together(cross_entropy(), weight=5.0)(LOGITS.repeat(2, 1), doubled)
    assert both.item() == pytest.approx(cross_entropy()(LOGITS, batch).item(), rel=1e-6)


def test_doubled_batch_points_into_its_own_half():
    batch = {
        "input_ids": torch.arange(6).view(2, 3),
        "attention_mask": torch.ones(2, 3, dtype=torch.long),
        "word_rows": torch.tensor([0, 1, 1]),
        "word_positions": torch.tensor([1, 0, 2]),
        "targets": torch.tensor([4, 5, 6]),
        "partners": torch.tensor([2, 0, 1]),
        "places": torch.tensor([0, 4]),
        "rows": torch.tensor([0, 1]),
        "first_layer": torch.tensor(1),
    }
    doubled = double_batch(batch)
    assert doubled["input_ids"].tolist() == [[0, 1, 2], [3, 4, 5], [0, 1, 2], [3, 4, 5]]
    assert doubled["word_rows"].tolist() == [0, 1, 1, 2, 3, 3]
    assert doubled["word_positions"].tolist() == [1, 0, 2, 1, 0, 2]
    assert doubled["targets"].tolist() == [4, 5, 6, 4, 5, 6]
    assert doubled["partners"].tolist() == [2, 0, 1, 5, 3, 4]
    assert doubled["places"].tolist() == [0, 4, 6, 10]
    assert doubled["rows"].tolist() == [0, 1, 2, 3]
    assert doubled["first_layer"].item() == 1
    assert double_batch({**batch, "written_ids": torch.zeros(2, 5)})["places"].tolist() == [
        *(0, 4, 10, 14)
    ]
    assert batch["word_rows"].tolist() == [0, 1, 1]


def test_mixed_loss_is_that_of_the_mixed_labels():
    batch = {"targets": CLASSES, "partners": torch.tensor([1, 0]), SHARE: torch.tensor(0.7)}
    soft = torch.tensor([[0.7, 0.3, 0.0], [0.3, 0.7, 0.0]])
    loss = mixed_objective(cross_entropy())(LOGITS, batch)
    assert loss.item() == pytest.approx(functional.cross_entropy(LOGITS, soft).item(), rel=1e-6)
    vectors = mixed_vectors(torch.tensor([[1.0, 0.0], [0.0, 10.0]]), batch)
    assert vectors.flatten().tolist() == pytest.approx([0.7, 3.0, 0.3, 7.0])


def test_focal_loss_of_classes_is_equation_5():
    weights = torch.tensor([0.25, 2.0, 1.0])
    p = LOGITS.softmax(dim=-1)
    expected = np.mean(
        [
            -weights[at].item() * (1 - p[row, at].item()) ** 2 * math.log(p[row, at].item())
            for row, at in enumerate(CLASSES.tolist())
        ]
    )
    loss = cross_entropy(gamma=2.0, class_weights=weights)(LOGITS, {"targets": CLASSES})
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_focal_loss_of_labels_is_equation_5():
    yes, targets = torch.tensor([[0.9, 0.2]]), torch.tensor([[1.0, 1.0]])
    targets[0, 1] = 0.0
    expected = -(0.1**3 * math.log(0.9) * 4.0 + 0.2**3 * math.log(0.8)) / 2
    alpha = torch.tensor([4.0, 4.0])
    objective = binary_cross_entropy(gamma=3.0, class_weights=alpha)
    loss = objective(yes.logit(), {"targets": targets})
    assert loss.item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
def test_focal_loss_of_what_is_certain_has_a_finite_slope(gamma):
    logits = torch.tensor([[200.0, 0.0]], requires_grad=True)
    cross_entropy(gamma=gamma)(logits, {"targets": torch.tensor([0])}).backward()
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize(
    ("power", "of_labels"), [(0.0, [1 / 2, 1 / 2]), (1.0, [9 / 10, 1 / 10]), (0.5, [3 / 4, 1 / 4])]
)
def test_chance_of_a_label_goes_with_the_power_of_its_rows(power, of_labels):
    labels = np.array([2] * 9 + [5])
    chances = row_chances(labels, power=power)
    assert chances.sum() == pytest.approx(1.0)
    assert [chances[labels == label].sum() for label in (2, 5)] == pytest.approx(of_labels)


def test_contrast_is_mixed_with_the_loss_of_the_task(tiny_model):
    recipe = ModelRecipe(pooling="mean", dropout=0.0)
    backbone = load_backbone(str(tiny_model))
    model = new_head("classify", backbone, outputs=2, recipe=recipe, case_shape=False).train()
    batch = {
        "input_ids": torch.tensor([[2, 8, 3], [2, 20, 3], [2, 31, 3]]),
        "attention_mask": torch.ones(3, 3, dtype=torch.long),
        "targets": torch.tensor([0, 1, 0]),
    }
    job = SimpleNamespace(model=model)
    plain = Feed(cross_entropy(), lambda _: [0], lambda _: batch)
    settings = SupervisedContrastive(weight=0.25, temperature=0.5)
    with ExitStack() as hooks:
        feed = contrast(plain, settings, job, hooks)
        loss = feed.objective(model(batch), batch)
    own = supervised_contrastive(temperature=0.5)(model.vectors(batch), batch)
    expected = 0.75 * plain.objective(model(batch), batch) + 0.25 * own
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
