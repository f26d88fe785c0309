"""The relate family: the states before two marked stretches, one linear layer, one logit a label.

Source: entity starts, Baldini Soares et al. 2019, §3.3.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from tunesmith.model.backbones import Backbone
from tunesmith.model.batching import Batch
from tunesmith.model.heads.dropout import set_dropout
from tunesmith.model.heads.layer_beside import LayerBeside, load_with_layer
from tunesmith.model.hidden import hidden_states
from tunesmith.model.readers import reader_of

RELATION_FILE = "relation.safetensors"
DROPOUT = 0.1


class Relater(LayerBeside):
    """An encoder read at the marks before head and tail; both states go into one linear layer."""

    pooling = "marks"
    lacks: tuple[str, ...] = (RELATION_FILE,)

    file = RELATION_FILE
    widths = 2

    def __init__(self, encoder: Any, outputs: int, *, dropout: float = DROPOUT) -> None:
        """Put a random head of `outputs` logits on an encoder."""
        super().__init__(encoder, outputs, dropout=dropout)

    def vectors(self, batch: Batch) -> torch.Tensor:
        """Return (B, 2H) float32: the last hidden states at the marks of head and tail."""
        hidden = hidden_states(self.encoder, batch)
        rows = torch.arange(len(hidden), device=hidden.device).unsqueeze(1)
        return hidden[rows, batch["marks"]].float().flatten(1)


def new_relater(backbone: Backbone, *, outputs: int, dropout: float | None) -> Relater:
    """Return an untrained relation classifier on `backbone`."""
    reader = reader_of(backbone.model)
    set_dropout(reader, dropout)
    return Relater(reader, outputs, dropout=DROPOUT if dropout is None else dropout)


def load_relater(folder: Path) -> Relater:
    """Return the relation classifier that `save` wrote into `folder`."""
    return load_with_layer(folder, Relater, file=RELATION_FILE, what="the layer above the marks")
