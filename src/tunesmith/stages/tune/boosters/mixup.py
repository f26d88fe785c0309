"""Mixup: what the head reads of a row is mixed with what it reads of another, and so are labels."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import torch

from tunesmith.core.boosters import Mixup
from tunesmith.model.batching import PARTNERS, Batch
from tunesmith.model.head_input import before_head
from tunesmith.stages.tune.job import Job
from tunesmith.stages.tune.loop import Feed
from tunesmith.stages.tune.objectives import Objective

SHARE = "mixing_share"
"""λ of a batch: the share that each row keeps of its own."""


def mix(feed: Feed, recipe: Mixup, job: Job, hooks: ExitStack) -> Feed:
    """Return a feed whose batches are mixed in what the head of `job.model` reads."""
    hooks.enter_context(before_head(job.model, mixed_vectors))
    return replace(
        feed, load=_with_partners(feed.load, recipe), objective=mixed_objective(feed.objective)
    )


def mixed_vectors(vectors: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Return (N, H): λ of each vector and 1 - λ of its partner's."""
    share = batch[SHARE].to(vectors.dtype)
    return share * vectors + (1.0 - share) * vectors[batch[PARTNERS]]


def mixed_objective(objective: Objective) -> Objective:
    """Return λ of the loss by the row's own label and 1 - λ of that by its partner's.

    Cross-entropies are linear in the labels, so this is the loss of the mixed ones. Source: Verma
    et al. 2019, eq. 1.
    """

    def mixed(outputs: Any, batch: Batch) -> torch.Tensor:
        share = batch[SHARE]
        partners = {**batch, "targets": batch["targets"][batch[PARTNERS]]}
        return share * objective(outputs, batch) + (1.0 - share) * objective(outputs, partners)

    return mixed


def _with_partners(load: Callable[[Any], Batch], recipe: Mixup) -> Callable[[Any], Batch]:
    beta = torch.distributions.Beta(recipe.alpha, recipe.alpha)

    def mixed(numbers: Any) -> Batch:
        batch = load(numbers)
        return {**batch, PARTNERS: torch.randperm(len(batch["targets"])), SHARE: beta.sample()}

    return mixed
