"""R-Drop: a batch holds each row twice, and what dropout makes of the two is drawn together."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from tunesmith.core.boosters import RDrop
from tunesmith.core.errors import SpecError
from tunesmith.model.batching import Batch, double_batch
from tunesmith.stages.tune.job import Job
from tunesmith.stages.tune.loop import Feed
from tunesmith.stages.tune.objectives import Objective, weighted_mean


def read_twice(feed: Feed, recipe: RDrop, job: Job, hooks: ExitStack) -> Feed:  # noqa: ARG001
    """Return a feed of doubled batches. Raises `SpecError` where the model drops nothing."""
    if not _has_dropout(job.model):
        raise SpecError(
            "`boost.r_drop` compares two passes under dropout; this model has none",
            hint="--set boost.r_drop=false",
        )
    load = feed.load
    return replace(
        feed,
        load=lambda numbers: double_batch(load(numbers)),
        objective=drawn_together(feed.objective, weight=recipe.weight),
    )


def drawn_together(objective: Objective, *, weight: float) -> Objective:
    """Return the loss of doubled batches with the divergence of the two halves added.

    Logits are (2N, C). The divergence is that of softmax distributions or, where targets are (2N,
    C), of each label's own, averaged over labels as the cross-entropy is. Source: Liang et al.
    2021, eq. 4: -log P1 - log P2 + α/2 (KL(P1, P2) + KL(P2, P1)), here divided by 2.
    """

    def both(outputs: Any, batch: Batch) -> torch.Tensor:
        first, second = outputs.chunk(2)
        diverge = _bernoulli if batch["targets"].dim() > 1 else _categorical
        half = {name: batch[name].chunk(2)[0] for name in ("shares",) if name in batch}
        divergence = weighted_mean(diverge(first, second), half)
        return objective(outputs, batch) + weight / 2 * divergence

    return both


def _categorical(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Return (N,) half the sum of both divergences: Σ (p - q)(log p - log q) / 2."""
    log_p, log_q = first.log_softmax(dim=-1), second.log_softmax(dim=-1)
    return ((log_p.exp() - log_q.exp()) * (log_p - log_q)).sum(dim=-1) / 2


def _bernoulli(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Return (N,) the same of each label's yes and no, averaged over labels.

    (p - q)(log p - log q) + (q - p)(log(1 - p) - log(1 - q)) is (p - q) times the difference of the
    logits.
    """
    difference = functional.sigmoid(first) - functional.sigmoid(second)
    return (difference * (first - second)).mean(dim=-1) / 2


def _has_dropout(model: Any) -> bool:
    """Tell whether something is dropped: by modules, or by numbers that forward passes read."""
    for module in model.modules():
        if isinstance(module, nn.Dropout) and module.p > 0:
            return True
        ratios = (getattr(module, name, 0.0) for name in ("dropout", "attention_dropout"))
        if any(isinstance(ratio, float) and ratio > 0 for ratio in ratios):
            return True
    return False
