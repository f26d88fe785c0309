"""The extract family: a vector a sentence, and one linear layer that says how much it matters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional

from tunesmith.core.errors import DataError
from tunesmith.model.backbones import Backbone
from tunesmith.model.batching import Batch
from tunesmith.model.heads.dropout import set_dropout
from tunesmith.model.heads.embed import Embedder
from tunesmith.model.readers import load_reader, reader_of

SALIENCE_FILE = "salience.safetensors"


class Extractor(nn.Module):
    """An embedder whose vectors, at length 1, are kept beside one logit each.

    The layer that makes the logits begins at zero: until it is fitted it says nothing.
    """

    pooling = "mean"
    lacks: tuple[str, ...] = (SALIENCE_FILE,)

    def __init__(self, encoder: Any) -> None:
        """Put a layer of zeros on an encoder."""
        super().__init__()
        self.embedder = Embedder(encoder)
        self.linear = nn.Linear(encoder.config.hidden_size, 1)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    @property
    def encoder(self) -> Any:
        """The backbone below the head."""
        return self.embedder.encoder

    def vectors(self, batch: Batch) -> torch.Tensor:
        """Return (N, H) float32: the mean of each window's tokens, at length 1."""
        return functional.normalize(self.embedder.vectors(batch), dim=-1)

    def forward(self, batch: Batch) -> torch.Tensor:
        """Return (N, 1 + H) float32: the logit of each window, then its vector."""
        units = self.vectors(batch)
        return torch.cat([self.linear(units).float(), units], dim=-1)

    def save(self, folder: Path, *, id2label: dict[int, str], problem: str) -> None:  # noqa: ARG002
        """Write an encoder that `AutoModel` loads, and the linear layer in a file beside it."""
        self.encoder.config.id2label = id2label
        self.encoder.config.label2id = {label: index for index, label in id2label.items()}
        self.encoder.save_pretrained(folder)
        save_file(self.linear.state_dict(), folder / SALIENCE_FILE)


def new_extractor(backbone: Backbone, *, dropout: float | None) -> Extractor:
    """Return the backbone with a layer that weighs all sentences alike."""
    reader = reader_of(backbone.model)
    set_dropout(reader, dropout)
    return Extractor(reader)


def load_extractor(folder: Path) -> Extractor:
    """Return the extractor that `save` wrote into `folder`."""
    model = Extractor(load_reader(folder))
    try:
        model.linear.load_state_dict(load_file(folder / SALIENCE_FILE))
    except Exception as error:  # noqa: BLE001
        raise DataError(
            f"`model/{SALIENCE_FILE}` must hold the layer that weighs sentences; {error}",
            hint="tune again",
        ) from error
    return model
