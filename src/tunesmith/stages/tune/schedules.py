"""The course of the learning rate: warm-up, then one of seven ways on."""

from __future__ import annotations

import math

import torch

from tunesmith.core.recipe import TrainingRecipe


def learning_rate_factor(step: int, total: int, recipe: TrainingRecipe) -> float:
    """Return the factor on the peak rate at 0-based `step` of `total`.

    It rises linearly to 1 over the warm-up, then takes the recipe's course: along a line, a half
    cosine, several of them, or a power down to 0; as the inverse root of the step; at 1 until the
    last steps; or at 1 throughout.

    Source: cosine and its restarts, Loshchilov & Hutter 2017, equation 5; inverse root, Vaswani et
    al. 2017, equation 3; warm-up, stable, decay, Hu et al. 2024, §4, here with a linear decay.
    """
    warmup = int(total * recipe.warmup_ratio)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    left = max(0.0, (total - step) / max(1, total - warmup))
    match course_of(recipe):
        case "linear":
            return left
        case "cosine":
            return _half_cosine(left)
        case "cosine_restarts":
            cycles = left * recipe.schedule_cycles
            return _half_cosine(cycles - math.ceil(cycles) + 1) if left else 0.0
        case "polynomial":
            return left**recipe.schedule_power
        case "inverse_sqrt":
            rise = max(1, warmup)
            return math.sqrt(rise / (rise + step - warmup))
        case "wsd":
            fall = min(recipe.decay_ratio, (total - warmup) / total) * total
            return min(1.0, left * (total - warmup) / max(1.0, fall))
        case _:
            return 1.0


def course_of(recipe: TrainingRecipe) -> str:
    """Return the schedule, with "auto" resolved."""
    if recipe.schedule == "auto":
        return "constant" if recipe.optimizer == "schedule_free" else "linear"
    return recipe.schedule


def _half_cosine(left: float) -> float:
    return 0.5 * (1.0 + math.cos(math.pi * (1.0 - left)))


def make_schedule(
    optimizer: torch.optim.Optimizer, *, total: int, recipe: TrainingRecipe
) -> torch.optim.lr_scheduler.LambdaLR:
    """Return the schedule that scales every group's own peak rate."""
    return torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: learning_rate_factor(step, total, recipe)
    )
