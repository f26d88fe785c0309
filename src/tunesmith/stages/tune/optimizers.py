"""Optimisers and their parameter groups, built from a recipe."""

from __future__ import annotations

import re

import torch
from torch import nn

from tunesmith.core.recipe import TrainingRecipe
from tunesmith.model.heads import HeadModel, head_parameters
from tunesmith.stages.tune.lion import Lion
from tunesmith.stages.tune.muon import MuonAdamW, hidden_matrices
from tunesmith.stages.tune.rowwise import RowwiseAdamW
from tunesmith.stages.tune.schedule_free import ScheduleFreeAdamW

_LAYER = re.compile(r"\.layers?\.(\d+)\.|\.h\.(\d+)\.|\.block\.(\d+)\.")


def make_optimizer(model: HeadModel, recipe: TrainingRecipe) -> torch.optim.Optimizer:
    """Return the recipe's optimiser over `parameter_groups`; frozen parameters are left out."""
    groups = parameter_groups(model, recipe)
    match recipe.optimizer:
        case "adamw":
            return RowwiseAdamW(groups, lr=recipe.learning_rate, fused=True)
        case "adam":
            return torch.optim.Adam(groups, lr=recipe.learning_rate, fused=True)
        case "sgd":
            return torch.optim.SGD(groups, lr=recipe.learning_rate, momentum=recipe.momentum)
        case "adafactor":
            return torch.optim.Adafactor(groups, lr=recipe.learning_rate)
        case "lion":
            return Lion(groups, lr=recipe.learning_rate)
        case "muon":
            return MuonAdamW(groups, lr=recipe.learning_rate)
        case "schedule_free":
            return ScheduleFreeAdamW(groups, lr=recipe.learning_rate)


def parameter_groups(model: HeadModel, recipe: TrainingRecipe) -> list[dict]:
    """Return optimiser groups that share learning rate and decay, and whether Muon moves them.

    Biases, norms and embeddings of case shape have no weight decay; the head has its own rate; with
    `layer_decay` d a layer k steps below the top learns at d^k of the rate (Howard & Ruder 2018,
    §3.2, discriminative tuning), and the embeddings below the lowest.
    """
    head = head_parameters(model)
    hidden = hidden_matrices(model) if recipe.optimizer == "muon" else set()
    layers = _layer_count(model.encoder)
    groups: dict[tuple[float, float, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        if id(parameter) in head:
            rate = recipe.head_learning_rate or recipe.learning_rate
        else:
            depth = layers - _layer_of(name, layers)
            rate = recipe.learning_rate * recipe.layer_decay**depth
        decay = 0.0 if parameter.dim() < 2 or "case_shape" in name else recipe.weight_decay
        groups.setdefault((rate, decay, id(parameter) in hidden), []).append(parameter)
    return [
        {"params": members, "lr": rate, "weight_decay": decay, "muon": muon}
        for (rate, decay, muon), members in groups.items()
    ]


def _layer_count(encoder: nn.Module) -> int:
    found = [
        number
        for name, _ in encoder.named_parameters()
        if (number := _layer_number(name)) is not None
    ]
    return max(found, default=-1) + 1


def _layer_of(name: str, layers: int) -> int:
    """Return 0 for embeddings, k for the k-th layer, `layers` for what stands above them."""
    number = _layer_number(name)
    if number is not None:
        return number + 1
    return 0 if "embed" in name or ".wte." in name or ".wpe." in name else layers


def _layer_number(name: str) -> int | None:
    match = _LAYER.search(f".{name}")
    return int(next(group for group in match.groups() if group is not None)) if match else None
