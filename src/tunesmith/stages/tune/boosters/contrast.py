"""Supervised contrast: vectors of texts with one label are drawn together, others apart."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import torch

from tunesmith.core.boosters import SupervisedContrastive
from tunesmith.model.batching import Batch
from tunesmith.model.head_input import before_head
from tunesmith.stages.tune.job import Job
from tunesmith.stages.tune.loop import Feed
from tunesmith.stages.tune.objectives import supervised_contrastive


def contrast(feed: Feed, recipe: SupervisedContrastive, job: Job, hooks: ExitStack) -> Feed:
    """Return a feed with the contrast of what the head of `job.model` reads in its loss.

    Source: Gunel et al. 2021, eq. 1: (1 - λ) of the task's loss and λ of the contrastive one.
    """
    seen: list[torch.Tensor] = []

    def see(vectors: torch.Tensor, _: Batch) -> torch.Tensor:
        seen[:] = [vectors]
        return vectors

    def both(outputs: Any, batch: Batch) -> torch.Tensor:
        own = drawn_together(seen.pop(), batch)
        return (1.0 - recipe.weight) * objective(outputs, batch) + recipe.weight * own

    objective = feed.objective
    drawn_together = supervised_contrastive(temperature=recipe.temperature)
    hooks.enter_context(before_head(job.model, see))
    return replace(feed, objective=both)
