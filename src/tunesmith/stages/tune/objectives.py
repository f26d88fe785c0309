"""What training minimises: functions (logits, batch) → mean loss.

Regularisers wrap them; no loop knows which one it minimises.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch.nn import functional

from tunesmith.model.batching import Batch

Objective: TypeAlias = Callable[[Any, Batch], torch.Tensor]


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


def stretch_cross_entropy() -> Objective:
    """Return softmax cross-entropy over the tokens of each window, of beginning and of ending.

    Logits are (W, 2), window after window as `word_rows` (W,) says; `targets` (B, 2) are entries of
    the windows. The two losses are averaged. Source: Devlin et al. 2019, §4.2.
    """

    def objective(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        rows, targets = batch["word_rows"], batch["targets"]
        counts = torch.bincount(rows, minlength=len(targets))
        within = torch.arange(len(rows), device=rows.device) - (counts.cumsum(0) - counts)[rows]
        padded = logits.new_full((len(targets), int(counts.max()), 2), -torch.inf)
        padded[rows, within] = logits
        return functional.cross_entropy(padded, targets)

    return objective


def choice_cross_entropy() -> Objective:
    """Return softmax cross-entropy over the choices of each row.

    Logits are (N, 1), one a window; `rows` and `slots` (N,) say of which row and choice. Windows of
    a choice are averaged by their tokens, as answering does.
    """

    def objective(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        scores, is_there = _average_slots(logits, batch)
        offered = scores[..., 0].masked_fill(~is_there, -torch.inf)
        return functional.cross_entropy(offered, _row_targets(batch))

    return objective


def cosine_ranking(*, scale: float = 20.0) -> Objective:
    """Return how wrongly the cosines of a batch are ordered.

    Outputs are (N, H) vectors, one a window; `rows` and `slots` (N,) say of which row and text;
    `targets` (N, 1) are scores of 0..1. The loss is log(1 + Σ exp(scale·(cos_j − cos_i))) over all
    pairs of rows of which i has the higher score. Source: Su 2022 (CoSENT).
    """

    def objective(vectors: torch.Tensor, batch: Batch) -> torch.Tensor:
        texts, _ = _average_slots(vectors, batch)
        cosines = functional.cosine_similarity(texts[:, 0], texts[:, 1])
        targets = _row_targets(batch)[:, 0]
        differences = scale * (cosines[None, :] - cosines[:, None])
        ordered = differences[targets[:, None] > targets[None, :]]
        none = 0.0 * cosines.sum().reshape(1)  # so that a batch of equal scores has a gradient: 0
        return torch.logsumexp(torch.cat([none, ordered]), dim=0)

    return objective


def supervised_contrastive(*, temperature: float) -> Objective:
    """Return how far the vectors of a class lie from one another, among those of the others.

    Outputs are (N, H) vectors, `targets` (N,) their classes. For each text with company the loss is
    the mean over its class of -log softmax of the cosines / `temperature`, over all other texts of
    the batch. Source: Khosla et al. 2020, equation 2.
    """

    def objective(vectors: torch.Tensor, batch: Batch) -> torch.Tensor:
        units = functional.normalize(vectors.float(), dim=1)
        itself = torch.eye(len(units), dtype=torch.bool, device=units.device)
        cosines = (units @ units.T / temperature).masked_fill(itself, -torch.inf)
        logs = functional.log_softmax(cosines, dim=1).masked_fill(itself, 0.0)
        targets = batch["targets"]
        alike = (targets[:, None] == targets[None, :]) & ~itself
        company = alike.sum(dim=1)
        losses = -(logs * alike).sum(dim=1) / company.clamp(min=1)
        return losses[company > 0].sum() / (company > 0).sum().clamp(min=1)

    return objective


def _average_slots(outputs: torch.Tensor, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (R, S, C) the windows of each row's slots averaged by tokens, and (R, S) which are."""
    rows, slots = batch["rows"], batch["slots"]
    tokens = batch["attention_mask"].sum(dim=1).to(outputs.dtype)
    shape = (int(rows.max()) + 1, int(slots.max()) + 1)
    weights = outputs.new_zeros(shape).index_put((rows, slots), tokens, accumulate=True)
    sums = outputs.new_zeros((*shape, outputs.shape[1])).index_put(
        (rows, slots), outputs * tokens[:, None], accumulate=True
    )
    return sums / weights.clamp(min=1.0)[..., None], weights > 0


def _row_targets(batch: Batch) -> torch.Tensor:
    """Return the target of each row; all its windows have the same."""
    rows, targets = batch["rows"], batch["targets"]
    found = targets.new_zeros((int(rows.max()) + 1, *targets.shape[1:]))
    found[rows] = targets
    return found


def _weighted_mean(losses: torch.Tensor, batch: Batch) -> torch.Tensor:
    if "shares" not in batch:
        return losses.mean()
    return (losses * batch["shares"]).sum() / batch["shares"].sum()
