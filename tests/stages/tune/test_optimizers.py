"""Lion, Muon and schedule-free AdamW against their equations, and what each is given to move."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from tunesmith.core.recipe import ModelRecipe, TrainingRecipe
from tunesmith.model.backbones import load_backbone
from tunesmith.model.heads import new_head
from tunesmith.stages.tune.lion import Lion
from tunesmith.stages.tune.muon import hidden_matrices
from tunesmith.stages.tune.optimizers import make_optimizer, parameter_groups
from tunesmith.stages.tune.schedule_free import ScheduleFreeAdamW, averaged


@pytest.fixture
def model(tiny_model):
    backbone = load_backbone(str(tiny_model))
    return new_head("tag", backbone, outputs=3, recipe=ModelRecipe(), case_shape=True)


def _parameter(*values: float) -> nn.Parameter:
    return nn.Parameter(torch.tensor(values))


def _step(optimizer, parameter, gradient):
    parameter.grad = torch.tensor(gradient)
    optimizer.step()


def test_lion_moves_by_the_sign_of_the_interpolated_momentum():
    weight = _parameter(1.0, 1.0, 1.0)
    optimizer = Lion([{"params": [weight], "weight_decay": 0.5}], lr=0.1)
    _step(optimizer, weight, [3.0, -0.001, 0.0])
    torch.testing.assert_close(weight.data, torch.tensor([0.85, 1.05, 0.95]))
    # Momentum 0.03 · 0.9 against a gradient of −0.2 · 0.1: the momentum wins.
    _step(optimizer, weight, [-0.2, 0.0, 0.0])
    torch.testing.assert_close(weight.data, torch.tensor([0.7075, 1.0975, 0.9025]))


def test_lion_leaves_rows_alone_that_a_sparse_gradient_does_not_name():
    torch.manual_seed(0)
    dense = nn.Embedding(6, 4)
    sparse = copy.deepcopy(dense)
    sparse.sparse = True
    ids = torch.tensor([1, 4, 4])
    before = dense.weight.detach().clone()
    for table in (dense, sparse):
        optimizer = Lion([{"params": [table.weight]}], lr=0.1)
        for _ in range(3):
            table(ids).pow(2).sum().backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
    torch.testing.assert_close(sparse.weight, dense.weight)
    moved = (sparse.weight != before).any(dim=1)
    assert moved.tolist() == [False, True, False, False, True, False]


def test_muon_moves_the_hidden_matrices_alone(model):
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    hidden = {names[found] for found in hidden_matrices(model)}
    assert len(hidden) == 2 * 6  # queries, keys, values, and three dense matrices a layer
    assert all(".layer." in name and name.endswith(".weight") for name in hidden)
    groups = parameter_groups(model, TrainingRecipe(optimizer="muon"))
    marked = {names[id(p)] for group in groups if group["muon"] for p in group["params"]}
    assert marked == hidden
    plain = parameter_groups(model, TrainingRecipe(optimizer="adamw"))
    assert not any(group["muon"] for group in plain)


def test_muon_never_takes_a_table_that_the_output_shares(model):
    table = model.encoder.get_input_embeddings().weight
    model.encoder.decoder = nn.Linear(32, table.shape[0], bias=False)
    model.encoder.decoder.weight = table
    assert id(table) not in hidden_matrices(model)


def test_muon_and_adamw_move_by_about_the_same_at_one_rate(model):
    recipe = TrainingRecipe(optimizer="muon", learning_rate=1e-3, weight_decay=0.0)
    optimizer = make_optimizer(model, recipe)
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    torch.manual_seed(0)
    for parameter in model.parameters():
        parameter.grad = torch.randn_like(parameter)
    optimizer.step()
    sizes = {
        name.rpartition("query.")[2]: float((weight.detach() - before[name]).pow(2).mean().sqrt())
        for name, weight in model.named_parameters()
        if "layer.0.attention.self.query" in name
    }
    assert sizes["bias"] == pytest.approx(1e-3, rel=1e-3)  # AdamW's first step
    # Later ones are 0.2 to 0.4 of the rate (Liu et al. 2025, §2.2), and Muon's are meant to be.
    assert 0.1e-3 < sizes["weight"] < 0.4e-3


def test_muon_without_anything_else_to_move_needs_no_adamw(model):
    for parameter in model.parameters():
        parameter.requires_grad_(id(parameter) in hidden_matrices(model))
    optimizer = make_optimizer(model, TrainingRecipe(optimizer="muon"))
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    assert len(optimizer.state) == 12


def test_schedule_free_follows_its_equations():
    """Three steps written out for one weight, with a rate that rises and falls."""
    weight = _parameter(1.0)
    decay, beta1, beta2 = 0.1, 0.9, 0.999
    optimizer = ScheduleFreeAdamW([{"params": [weight], "weight_decay": decay}], lr=0.1)
    base = average = between = 1.0
    square = total = peak = 0.0
    for number, (rate, gradient) in enumerate([(0.05, 2.0), (0.1, -1.0), (0.02, 0.5)], start=1):
        optimizer.param_groups[0]["lr"] = rate
        _step(optimizer, weight, [gradient])
        square = beta2 * square + (1 - beta2) * gradient**2
        scale = (square / (1 - beta2**number)) ** 0.5 + 1e-8
        base -= rate * (gradient / scale + decay * between)
        peak = max(peak, rate)
        total += peak**2
        average += peak**2 / total * (base - average)
        between = (1 - beta1) * base + beta1 * average
        assert weight.item() == pytest.approx(between, abs=1e-6)
    with averaged(optimizer):
        assert weight.item() == pytest.approx(average, abs=1e-6)


def test_averaged_weights_leave_no_trace_on_training():
    torch.manual_seed(0)
    weight = nn.Parameter(torch.randn(50))
    optimizer = ScheduleFreeAdamW([{"params": [weight]}], lr=0.1)
    with averaged(optimizer):  # before the first step there is nothing to average
        pass
    for _ in range(3):
        weight.grad = torch.randn(50)
        optimizer.step()
    trained = weight.detach().clone()
    with averaged(optimizer):
        assert not torch.equal(weight, trained)
    assert torch.equal(weight, trained)


def test_weights_of_other_optimisers_are_their_own_average():
    weight = _parameter(1.0)
    optimizer = torch.optim.AdamW([weight])
    _step(optimizer, weight, [1.0])
    trained = weight.detach().clone()
    with averaged(optimizer):
        assert torch.equal(weight, trained)
