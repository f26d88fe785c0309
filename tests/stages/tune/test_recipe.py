"""Optimisers, schedules and objectives do what their settings say."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch

from tunesmith.core.recipe import ModelRecipe, TrainingRecipe
from tunesmith.model.backbones import load_backbone
from tunesmith.model.heads import head_parameters, new_head
from tunesmith.stages.tune.linear import Outputs, fit_linear
from tunesmith.stages.tune.objectives import binary_cross_entropy, cross_entropy
from tunesmith.stages.tune.optimizers import make_optimizer, parameter_groups
from tunesmith.stages.tune.schedules import learning_rate_factor

OPTIMIZERS = get_args(TrainingRecipe.model_fields["optimizer"].annotation)
SCHEDULES = get_args(TrainingRecipe.model_fields["schedule"].annotation)
RATES = {"sgd": 0.1}
"""Where a rate of 0.01 is not enough to see a fall in eight steps."""


@pytest.fixture
def model(tiny_model):
    backbone = load_backbone(str(tiny_model))
    return new_head("tag", backbone, outputs=3, recipe=ModelRecipe(), case_shape=True)


def _group_of(model, recipe, wanted):
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    for group in parameter_groups(model, recipe):
        for parameter in group["params"]:
            if names[id(parameter)].endswith(wanted):
                return group
    raise AssertionError(wanted)


def test_groups_hold_every_parameter_once(model):
    groups = parameter_groups(model, TrainingRecipe(layer_decay=0.9))
    held = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(held) == sorted(id(parameter) for parameter in model.parameters())


def test_biases_norms_and_case_shapes_do_not_decay(model):
    recipe = TrainingRecipe(weight_decay=0.1)
    assert _group_of(model, recipe, "query.weight")["weight_decay"] == 0.1
    for wanted in ("query.bias", "LayerNorm.weight", "case_shape.embedding.weight"):
        assert _group_of(model, recipe, wanted)["weight_decay"] == 0.0


def test_head_learns_at_its_own_rate(model):
    recipe = TrainingRecipe(learning_rate=1e-5, head_learning_rate=1e-3)
    assert _group_of(model, recipe, "classifier.weight")["lr"] == 1e-3
    assert _group_of(model, recipe, "case_shape.embedding.weight")["lr"] == 1e-3
    assert _group_of(model, recipe, "query.weight")["lr"] == 1e-5
    assert len(head_parameters(model)) == 3


def test_layer_decay_slows_the_lower_layers(model):
    recipe = TrainingRecipe(learning_rate=1.0, layer_decay=0.5)
    assert _group_of(model, recipe, "layer.1.attention.self.query.weight")["lr"] == 1.0
    assert _group_of(model, recipe, "layer.0.attention.self.query.weight")["lr"] == 0.5
    assert _group_of(model, recipe, "word_embeddings.weight")["lr"] == 0.25


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_optimizer_lowers_a_loss(model, name):
    rate = RATES.get(name, 1e-2)
    recipe = TrainingRecipe(optimizer=name, learning_rate=rate, head_learning_rate=rate)
    optimizer = make_optimizer(model, recipe)
    batch = {
        "input_ids": torch.tensor([[2, 8, 9, 3]]),
        "attention_mask": torch.ones(1, 4, dtype=torch.long),
        "shapes": torch.ones(1, 4, dtype=torch.long),
        "word_rows": torch.tensor([0, 0]),
        "word_positions": torch.tensor([1, 2]),
    }
    losses = []
    model.eval()  # dropout would hide a small gain
    for _ in range(8):
        loss = torch.nn.functional.cross_entropy(model(batch), torch.tensor([0, 2]))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("warmup_ratio", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_schedule_rises_to_one_over_the_warm_up(schedule, warmup_ratio):
    recipe = TrainingRecipe(schedule=schedule, warmup_ratio=warmup_ratio, decay_ratio=1.0)
    factors = _factors(recipe)
    peak = int(100 * warmup_ratio)
    assert all(a < b for a, b in zip(factors[:peak], factors[1 : peak + 1], strict=True))
    assert factors[0] == pytest.approx(1 / (peak + 1))
    assert factors[peak] == pytest.approx(1.0)
    assert max(factors) <= 1.0


@pytest.mark.parametrize("schedule", [name for name in SCHEDULES if name != "cosine_restarts"])
def test_schedule_never_rises_after_the_warm_up(schedule):
    factors = _factors(TrainingRecipe(schedule=schedule, warmup_ratio=0.1))
    assert all(a >= b for a, b in zip(factors[10:], factors[11:], strict=False))
    if schedule in {"constant", "inverse_sqrt"}:
        assert factors[-1] > 0.3
    else:
        assert factors[-1] == pytest.approx(0.0)


@pytest.mark.parametrize(
    ("settings", "step", "expected"),
    [
        ({"schedule": "cosine"}, 55, 0.5),
        ({"schedule": "polynomial", "schedule_power": 3.0}, 55, 0.125),
        ({"schedule": "inverse_sqrt"}, 40, 0.5),
        ({"schedule": "wsd", "decay_ratio": 0.2}, 80, 1.0),
        ({"schedule": "wsd", "decay_ratio": 0.2}, 90, 0.5),
        ({"schedule": "auto"}, 55, 0.5),
        ({"schedule": "auto", "optimizer": "schedule_free"}, 55, 1.0),
    ],
)
def test_schedule_takes_its_course(settings, step, expected):
    assert _factors(TrainingRecipe(**settings))[step] == pytest.approx(expected)


def test_cosine_restarts_falls_as_often_as_it_is_told():
    recipe = TrainingRecipe(schedule="cosine_restarts", schedule_cycles=3)
    factors = _factors(recipe)
    assert [step for step in range(10, 101) if factors[step] == pytest.approx(1.0)] == [10, 40, 70]
    assert factors[25] == pytest.approx(0.5)
    assert factors[39] < 0.01
    assert factors[100] == 0.0


@pytest.mark.parametrize("total", [1, 2, 3])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_schedule_of_a_few_steps_stays_between_0_and_1(schedule, total):
    recipe = TrainingRecipe(schedule=schedule)
    assert all(0 <= learning_rate_factor(step, total, recipe) <= 1 for step in range(total + 1))
    assert learning_rate_factor(0, total, recipe) > 0


def _factors(recipe):
    return [learning_rate_factor(step, 100, recipe) for step in range(101)]


def test_windows_of_one_text_weigh_as_one_row():
    logits = torch.tensor([[2.0, 0.0], [2.0, 0.0], [0.0, 1.0]])
    batch = {"targets": torch.tensor([0, 0, 0]), "shares": torch.tensor([0.5, 0.5, 1.0])}
    single = {"targets": torch.tensor([0, 0])}
    objective = cross_entropy()
    assert objective(logits, batch) == pytest.approx(objective(logits[1:], single).item())


def test_label_smoothing_and_class_weights_are_those_of_torch():
    logits, targets = torch.randn(6, 3), torch.tensor([0, 1, 2, 0, 1, 2])
    weights = torch.tensor([1.0, 2.0, 0.5])
    ours = cross_entropy(label_smoothing=0.1)(logits, {"targets": targets})
    theirs = torch.nn.functional.cross_entropy(logits, targets, label_smoothing=0.1)
    assert ours == pytest.approx(theirs.item())
    weighted = cross_entropy(class_weights=weights)(logits, {"targets": targets})
    each = torch.nn.functional.cross_entropy(logits, targets, weight=weights, reduction="none")
    assert weighted == pytest.approx(each.mean().item())


def test_binary_objective_smooths_towards_one_half():
    logits = torch.zeros(2, 3)
    targets = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
    loss = binary_cross_entropy(label_smoothing=0.2)(logits, {"targets": targets})
    assert loss == pytest.approx(np.log(2))


@pytest.mark.parametrize("classes", [2, 4])
def test_linear_head_separates_what_can_be_separated(classes):
    random = np.random.default_rng(0)
    targets = np.repeat(np.arange(classes), 30)
    centres = random.normal(size=(classes, 16)) * 4
    vectors = (centres[targets] + random.normal(size=(len(targets), 16))).astype(np.float32)
    weight, bias = fit_linear(
        vectors, targets, outputs=Outputs(classes), strength=10.0, max_iterations=200
    )
    assert weight.shape == (classes, 16)
    assert ((vectors @ weight.T + bias).argmax(-1) == targets).mean() > 0.95


def test_linear_head_never_gives_an_output_nobody_named():
    vectors = np.random.default_rng(0).normal(size=(40, 8)).astype(np.float32)
    targets = np.arange(40) % 2 * 2
    weight, bias = fit_linear(
        vectors, targets, outputs=Outputs(3), strength=1.0, max_iterations=100
    )
    assert set((vectors @ weight.T + bias).argmax(-1)) <= {0, 2}


def test_linear_sigmoids_answer_a_label_that_every_row_has():
    vectors = np.random.default_rng(0).normal(size=(20, 8)).astype(np.float32)
    targets = np.ones((20, 2), dtype=np.float32)
    targets[:10, 1] = 0.0
    weight, bias = fit_linear(
        vectors, targets, outputs=Outputs(2), strength=1.0, max_iterations=100
    )
    assert ((vectors @ weight.T + bias)[:, 0] > 0).all()
