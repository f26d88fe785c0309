"""The choose family: how a choice meets what is asked and read, one linear layer, one logit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from tunesmith.model.averaging import normalised_mean
from tunesmith.model.backbones import Backbone
from tunesmith.model.batching import Batch
from tunesmith.model.heads.dropout import set_dropout
from tunesmith.model.heads.layer_beside import LayerBeside, load_with_layer
from tunesmith.model.hidden import hidden_states
from tunesmith.model.readers import reader_of

CHOICE_FILE = "choice.safetensors"
DROPOUT = 0.1


class Chooser(LayerBeside):
    """An encoder over a pair of texts, whose two means are compared by one linear layer.

    The mean of all tokens would hardly tell choices apart: those of a choice are few among those of
    the context, which is the same for all (docs/log.md). Source: the features u, v, |u - v| and
    u * v, Conneau et al. 2017, §3.1.
    """

    pooling = "parts"
    lacks: tuple[str, ...] = (CHOICE_FILE,)

    file = CHOICE_FILE
    widths = 4

    def __init__(self, encoder: Any, outputs: int = 1, *, dropout: float = DROPOUT) -> None:
        """Put a random head on an encoder."""
        super().__init__(encoder, outputs, dropout=dropout)

    def vectors(self, batch: Batch) -> torch.Tensor:
        """Return (B, 4H) float32: the normalised means of both texts, and how they meet.

        `token_type_ids` (B, T) of the batch are 1 in the second text.
        """
        hidden, mask = hidden_states(self.encoder, batch), batch["attention_mask"]
        second = mask * batch.get("token_type_ids", mask)
        read, choice = normalised_mean(hidden, mask - second), normalised_mean(hidden, second)
        return torch.cat([read, choice, (read - choice).abs(), read * choice], dim=1)


def new_chooser(backbone: Backbone, *, dropout: float | None) -> Chooser:
    """Return an untrained chooser on `backbone`."""
    reader = reader_of(backbone.model)
    set_dropout(reader, dropout)
    return Chooser(reader, dropout=DROPOUT if dropout is None else dropout)


def load_chooser(folder: Path) -> Chooser:
    """Return the chooser that `save` wrote into `folder`."""
    return load_with_layer(folder, Chooser, file=CHOICE_FILE, what="the layer above the two means")
