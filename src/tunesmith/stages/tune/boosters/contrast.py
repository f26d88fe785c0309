"""Supervised contrast: vectors of texts with one label are drawn together, others apart."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import torch
from torch.nn import functional

from tunesmith.core.boosters import SupervisedContrastive
from tunesmith.model.batching import Batch
from tunesmith.model.head_input import before_head
from tunesmith.stages.tune.job import Job
from tunesmith.stages.tune.loop import Feed


def contrast(feed: Feed, recipe: SupervisedContrastive, job: Job, hooks: ExitStack) -> Feed:
    """Return a feed with the contrast of what the head of `job.model` reads in its loss."""
    seen: list[torch.Tensor] = []

    def see(vectors: torch.Tensor, _: Batch) -> torch.Tensor:
        seen[:] = [vectors]
        return vectors

    def both(outputs: Any, batch: Batch) -> torch.Tensor:
        own = supervised_contrast(seen.pop(), batch["targets"], temperature=recipe.temperature)
        return (1.0 - recipe.weight) * objective(outputs, batch) + recipe.weight * own

    objective = feed.objective
    hooks.enter_context(before_head(job.model, see))
    return replace(feed, objective=both)


def supervised_contrast(
    vectors: torch.Tensor, labels: torch.Tensor, *, temperature: float
) -> torch.Tensor:
    """Return the mean over rows that share their label with others, 0 where none does.

    Vectors (N, H) are normalised; a row's loss is the mean over the others of its label of the
    cross-entropy of finding it among all others by cosine / `temperature`. Source: Khosla et al.
    2020, eq. 2.
    """
    unit = functional.normalize(vectors.float(), dim=-1)
    is_self = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    scores = (unit @ unit.T / temperature).masked_fill(is_self, torch.finfo(unit.dtype).min)
    is_alike = (labels[:, None] == labels[None, :]) & ~is_self
    counts = is_alike.sum(dim=1)
    sums = (scores.log_softmax(dim=1) * is_alike).sum(dim=1)
    return -(sums / counts.clamp(min=1)).sum() / (counts > 0).sum().clamp(min=1)
