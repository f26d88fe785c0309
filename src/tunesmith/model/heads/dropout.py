"""The dropouts of a model: one ratio for all, and masks from the pool."""

from __future__ import annotations

import torch
from torch import nn

from tunesmith.model.dropout_masks import draw_mask


class PooledDropout(nn.Dropout):
    """Dropout whose masks come from the pool on a CPU, where drawing them takes long."""

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Return what is kept of `hidden`, of any shape, scaled by 1 / (1 - ratio)."""
        if not self.training or not 0.0 < self.p < 1.0 or hidden.device.type != "cpu":
            return super().forward(hidden)
        kept = 1.0 / (1.0 - self.p)
        return hidden * draw_mask(tuple(hidden.shape), self.p, dtype=hidden.dtype, kept=kept)


def set_dropout(model: nn.Module, ratio: float | None) -> None:
    """Give every dropout of a model the same ratio and the pool; None leaves the ratios."""
    for parent in list(model.modules()):
        for name, module in parent.named_children():
            if type(module) is nn.Dropout:
                pooled = PooledDropout(module.p if ratio is None else ratio)
                setattr(parent, name, pooled.train(module.training))
            elif isinstance(module, nn.Dropout) and ratio is not None:
                module.p = ratio
