"""What a recommender minimises: the item that came next against others that did not."""

from __future__ import annotations

import torch
from torch.nn import functional

from tunesmith.model.batching import Batch
from tunesmith.stages.tune.objectives import Objective


def sampled_softmax() -> Objective:
    """Return softmax cross-entropy over the candidates of a batch, corrected for their sampling.

    Logits are (B, C); `targets` (B,) say which candidate came next; `log_chances` (C,) is the log
    of how likely each candidate is in a batch and is taken off, so that popular items, which stand
    in most batches, are not pushed down; `had` (B, C) marks what a user had before, which is no
    negative. Source: Yi et al. 2019, equation 3.
    """

    def objective(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        corrected = (logits - batch["log_chances"]).masked_fill(batch["had"], -torch.inf)
        return functional.cross_entropy(corrected, batch["targets"])

    return objective


def bayesian_ranking() -> Objective:
    """Return the mean of -log sigmoid of how far the next item stands above each other candidate.

    The batch is that of `sampled_softmax`, but for `log_chances`. Source: Rendle et al. 2009 (BPR),
    with all candidates of a batch as negatives.
    """

    def objective(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        targets = batch["targets"].unsqueeze(1)
        losses = functional.softplus(logits - logits.gather(1, targets))
        is_other = ~batch["had"]
        is_other = is_other.scatter(1, targets, torch.zeros_like(targets, dtype=torch.bool))
        return (losses * is_other).sum() / is_other.sum().clamp(min=1)

    return objective
