"""The learning-rate range finder: the loss over a rate that grows with each step, and what follows.

The steps are real ones of the loop; weights and random numbers are then put back, so that a run
that found its rate is the very run that was given it.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from tunesmith.core.errors import ResourceError
from tunesmith.core.events import Event, Progress
from tunesmith.core.recipe import TrainingRecipe
from tunesmith.stages.tune.loop import Position, Tuning, train

LOWEST_RATE, HIGHEST_RATE = 1e-6, 1.0
SWEEP_STEPS = 100
"""Sixteen to a decade; a divergence ends the sweep earlier."""

SPAN = 9
"""Losses in each mean of the smoothed curve: half a decade, centred, so that no fall is shifted."""

_INNER = slice(SPAN // 2, -(SPAN // 2))
"""The steps that have a mean around them."""

DIVERGENCE = 4.0
"""A mean this many times the lowest, and above the first, ends the sweep."""

BELOW_LIMIT = 10.0
"""The suggestion lies this factor below the limit: an order of magnitude from breaking down."""


@dataclass(frozen=True, slots=True)
class RateSweep:
    """Rates tried and the losses there, raw and smoothed, and where learning breaks down.

    `limit` is the highest rate whose smoothed loss is, within its noise, still the lowest; None
    where the sweep did not get beyond it. `recipe` has the rates suggested, or without a limit the
    old ones. Rates are those of the backbone; every group keeps its proportion to it.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]
    limit: float | None
    recipe: TrainingRecipe

    @property
    def reason(self) -> str:
        """Say which rate is taken, and why."""
        rate, head = self.recipe.learning_rate, self.recipe.head_learning_rate
        if self.limit is None:
            return (
                f"learning rate: {rate:g} kept, for nothing broke down in the "
                f"{len(self.rates)} steps of the sweep"
            )
        beside = f" and {head:g} for the head" if head else ""
        return (
            f"learning rate: {rate:g}{beside}, a tenth of where the loss began to break down "
            f"in a sweep of {len(self.rates)} steps"
        )

    def to_json(self) -> dict[str, Any]:
        """Return the curve, a record a step, and what was made of it."""
        return {
            "steps": [
                {"learning_rate": rate, "loss": loss, "smoothed": smoothed}
                for rate, loss, smoothed in zip(self.rates, self.losses, self.smoothed, strict=True)
            ],
            "limit": self.limit,
            "suggestion": None if self.limit is None else self.recipe.learning_rate,
        }


def sweep_rates(
    tuning: Tuning, optimizer: torch.optim.Optimizer, *, emit: Callable[[Event], None]
) -> RateSweep:
    """Return the sweep of `optimizer`, a fresh one over the weights that `tuning` turns.

    `tuning` is as it was afterwards: weights bit for bit, random generators, position. Source:
    Smith 2017, §3.3 (there the rate grows linearly; over decades it must grow exponentially).
    """
    rates = np.geomspace(LOWEST_RATE, HIGHEST_RATE, SWEEP_STEPS)
    peak, last = tuning.recipe.learning_rate, SWEEP_STEPS - 1
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: float(rates[min(step, last)]) / peak
    )
    sweep = replace(
        tuning,
        optimizer=optimizer,
        schedule=schedule,
        total_steps=SWEEP_STEPS,
        position=Position(),
        average=None,
    )
    losses: list[float] = []
    with _restored(tuning), contextlib.suppress(ResourceError):  # a loss beyond all numbers
        for step in train(sweep):
            losses.append(_over_processes(step.loss, tuning))
            emit(Progress("sweeping the learning rate", step.index, SWEEP_STEPS, "steps"))
            if _diverges(losses):
                break
    return conclude(rates[: len(losses)], losses, tuning.recipe)


@contextlib.contextmanager
def _restored(tuning: Tuning) -> Any:
    """Put weights and random generators back at the end."""
    weights = {name: weight.clone() for name, weight in tuning.model.state_dict().items()}
    device = tuning.accelerator.device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield
    tuning.model.load_state_dict(weights)
    tuning.model.zero_grad(set_to_none=True)


def _over_processes(loss: float, tuning: Tuning) -> float:
    """Return the mean over all processes, so that all draw the same conclusion."""
    own = torch.tensor(loss, device=tuning.accelerator.device, dtype=torch.float64)
    return float(tuning.accelerator.reduce(own, reduction="mean"))


def _diverges(losses: Sequence[float]) -> bool:
    """Tell whether the last losses are far above the lowest and above the first."""
    means = _means(losses)
    if len(means) < 2:
        return False
    return means[-1] > DIVERGENCE * means.min() and means[-1] > means[0]


def conclude(rates: np.ndarray, losses: Sequence[float], recipe: TrainingRecipe) -> RateSweep:
    """Return the sweep with its limit, and a recipe with two digits of what follows."""
    means = _means(losses)
    smoothed = np.pad(means, SPAN // 2, mode="edge") if len(means) else np.asarray(losses)
    limit = _limit(rates, losses, means)
    if limit is not None:
        factor = limit / BELOW_LIMIT / recipe.learning_rate
        head = recipe.head_learning_rate
        found = {
            "learning_rate": _two_digits(recipe.learning_rate * factor),
            "head_learning_rate": None if head is None else _two_digits(head * factor),
        }
        recipe = recipe.model_copy(update=found)
    return RateSweep(
        rates=tuple(float(f"{rate:.6g}") for rate in rates),
        losses=tuple(round(loss, 6) for loss in losses),
        smoothed=tuple(round(float(mean), 6) for mean in smoothed),
        limit=limit,
        recipe=recipe,
    )


def _limit(rates: np.ndarray, losses: Sequence[float], means: np.ndarray) -> float | None:
    """Return the highest rate whose mean lies within two standard errors of the lowest.

    The error of a difference of two means is told by the scatter of the losses around them: its
    median, which a divergence at the end does not move.
    """
    if not len(means):
        return None
    scatter = 1.4826 * float(np.median(np.abs(np.asarray(losses)[_INNER] - means)))
    near = np.flatnonzero(means <= means.min() + 2.0 * scatter * math.sqrt(2.0 / SPAN))
    last = int(near[-1])
    return float(rates[_INNER][last]) if last < len(means) - 1 else None


def _means(losses: Sequence[float]) -> np.ndarray:
    """Return (n - SPAN + 1,) the mean of each SPAN neighbours; empty where there are fewer."""
    if len(losses) < SPAN:
        return np.empty(0)
    return np.convolve(losses, np.full(SPAN, 1.0 / SPAN), mode="valid")


def _two_digits(rate: float) -> float:
    return float(f"{rate:.2g}")
