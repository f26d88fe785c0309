"""AdaLoRA's part of the loop: its second loss, and ranks that move after each step."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from tunesmith.model import low_rank
from tunesmith.model.batching import Batch
from tunesmith.model.deltas import Delta
from tunesmith.stages.tune.loop import Tuning
from tunesmith.stages.tune.objectives import Objective


def move_ranks(tuning: Tuning, delta: Delta) -> None:
    """Let the ranks of a delta move after each step of `tuning`, and hold its directions apart."""
    method: Any = delta.method
    low_rank.set_steps(delta.tuner, method, tuning.total_steps)
    tuning.after_step = delta.tuner.update_and_allocate
    objective = _held_apart(tuning.feed.objective, delta.tuner.model, method.orthogonality)
    tuning.feed = replace(tuning.feed, objective=objective)


def _held_apart(objective: Objective, root: torch.nn.Module, weight: float) -> Objective:
    """Return `objective` with the loss of directions that are not at right angles added."""

    def both(outputs: Any, batch: Batch) -> torch.Tensor:
        return objective(outputs, batch) + weight * low_rank.orthogonality(root)

    return both
