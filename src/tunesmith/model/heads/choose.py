"""The choose family: how a choice meets what is asked and read, one linear layer, one logit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from tunesmith.model.averaging import normalised_mean
from tunesmith.model.backbones import Backbone
from tunesmith.model.batching import Batch
from tunesmith.model.heads.dropout import set_dropout
from tunesmith.model.heads.layer_beside import load_with_layer, save_with_layer
from tunesmith.model.hidden import hidden_states

CHOICE_FILE = "choice.safetensors"
DROPOUT = 0.1


class Chooser(nn.Module):
    """An encoder over a pair of texts, whose two means are compared by one linear layer.

    The mean of all tokens would hardly tell choices apart: those of a choice are few among those of
    the context, which is the same for all (docs/log.md). Source: the features u, v, |u - v| and
    u * v, Conneau et al. 2017, §3.1.
    """

    pooling = "parts"
    lacks: tuple[str, ...] = (CHOICE_FILE,)

    def __init__(self, encoder: Any, outputs: int = 1, *, dropout: float = DROPOUT) -> None:
        """Put a random head on an encoder."""
        super().__init__()
        encoder.pooler = None  # reads the first token alone; its weights would never be trained
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(4 * encoder.config.hidden_size, outputs)
        nn.init.normal_(self.linear.weight, std=encoder.config.initializer_range)
        nn.init.zeros_(self.linear.bias)

    def vectors(self, batch: Batch) -> torch.Tensor:
        """Return (B, 4H) float32: the normalised means of both texts, and how they meet.

        `token_type_ids` (B, T) of the batch are 1 in the second text.
        """
        hidden, mask = hidden_states(self.encoder, batch), batch["attention_mask"]
        second = mask * batch.get("token_type_ids", mask)
        read, choice = normalised_mean(hidden, mask - second), normalised_mean(hidden, second)
        return torch.cat([read, choice, (read - choice).abs(), read * choice], dim=1)

    def forward(self, batch: Batch) -> torch.Tensor:
        """Return (B, 1) logits in float32."""
        return self.linear(self.dropout(self.vectors(batch)))

    def save(self, folder: Path, *, id2label: dict[int, str], problem: str) -> None:  # noqa: ARG002
        """Write an encoder that `AutoModel` loads, and the linear layer in a file beside it."""
        save_with_layer(self, folder, file=CHOICE_FILE, id2label=id2label)


def new_chooser(backbone: Backbone, *, dropout: float | None) -> Chooser:
    """Return an untrained chooser on `backbone`."""
    set_dropout(backbone.model, dropout)
    return Chooser(backbone.model, dropout=DROPOUT if dropout is None else dropout)


def load_chooser(folder: Path) -> Chooser:
    """Return the chooser that `save` wrote into `folder`."""
    return load_with_layer(folder, Chooser, file=CHOICE_FILE, what="the layer above the two means")
