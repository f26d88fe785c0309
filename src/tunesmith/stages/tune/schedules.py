"""The course of the learning rate: warm-up, then one of three ways down."""

from __future__ import annotations

import math

import torch

from tunesmith.core.recipe import TrainingRecipe


def learning_rate_factor(step: int, total: int, recipe: TrainingRecipe) -> float:
    """Return the factor on the peak rate at 0-based `step` of `total`.

    It rises linearly to 1 over the warm-up, then falls linearly to 0, along a half cosine to 0
    (Loshchilov & Hutter 2017, eq. 5, without restarts), or stays.
    """
    warmup = int(total * recipe.warmup_ratio)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    left = max(0.0, (total - step) / max(1, total - warmup))
    match recipe.schedule:
        case "linear":
            return left
        case "cosine":
            return 0.5 * (1.0 + math.cos(math.pi * (1.0 - left)))
        case "constant":
            return 1.0


def make_schedule(
    optimizer: torch.optim.Optimizer, *, total: int, recipe: TrainingRecipe
) -> torch.optim.lr_scheduler.LambdaLR:
    """Return the schedule that scales every group's own peak rate."""
    return torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: learning_rate_factor(step, total, recipe)
    )
