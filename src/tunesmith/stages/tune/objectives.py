"""What training minimises: functions (logits, batch) → mean loss.

Regularisers wrap them; no loop knows which one it minimises.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch.nn import functional

from tunesmith.model.batching import Batch

Objective: TypeAlias = Callable[[torch.Tensor, Batch], torch.Tensor]


def cross_entropy(
    *, label_smoothing: float = 0.0, class_weights: torch.Tensor | None = None
) -> Objective:
    """Return softmax cross-entropy over (N, C) logits and `targets` (N,).

    Its mean is weighted by `shares` (N,) where the batch has them, so the windows of a long text
    count as one row. `class_weights` is (C,).

    Source: label smoothing of Szegedy et al. 2016, the equation in §7.
    """

    def objective(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        losses = functional.cross_entropy(
            logits,
            batch["targets"],
            weight=class_weights,
            label_smoothing=label_smoothing,
            reduction="none",
        )
        return _weighted_mean(losses, batch)

    return objective


def binary_cross_entropy(
    *, label_smoothing: float = 0.0, class_weights: torch.Tensor | None = None
) -> Objective:
    """Return sigmoid cross-entropy over (N, C) logits and 0/1 `targets` (N, C).

    It is averaged over labels, then over rows, weighted by `shares` (N,) where the batch has them.
    `class_weights` (C,) weigh the positive side of each label; smoothing moves targets towards one
    half.
    """

    def objective(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        targets = batch["targets"] * (1 - label_smoothing) + label_smoothing / 2
        losses = functional.binary_cross_entropy_with_logits(
            logits, targets, pos_weight=class_weights, reduction="none"
        )
        return _weighted_mean(losses.mean(dim=-1), batch)

    return objective


def _weighted_mean(losses: torch.Tensor, batch: Batch) -> torch.Tensor:
    if "shares" not in batch:
        return losses.mean()
    return (losses * batch["shares"]).sum() / batch["shares"].sum()
