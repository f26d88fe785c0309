"""The dropout ratio of a model, set at once."""

from __future__ import annotations

from torch import nn


def set_dropout(model: nn.Module, ratio: float | None) -> None:
    """Give every dropout of a model the same ratio; None leaves them as they are."""
    if ratio is not None:
        for module in model.modules():
            if isinstance(module, nn.Dropout):
                module.p = ratio
