"""A head whose linear layer stands in a file beside an encoder that `AutoModel` loads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from tunesmith.core.errors import DataError
from tunesmith.model.batching import Batch
from tunesmith.model.readers import load_reader

Head = TypeVar("Head", bound=nn.Module)


class LayerBeside(nn.Module):
    """An encoder and one linear layer above what a subclass makes of its states."""

    file = ""
    """The file of the layer."""

    widths = 1
    """How many widths of the encoder that layer reads."""

    def __init__(self, encoder: Any, outputs: int, *, dropout: float) -> None:
        """Put a random head of `outputs` logits on an encoder."""
        super().__init__()
        encoder.pooler = None  # reads the first token alone; its weights would never be trained
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(self.widths * encoder.config.hidden_size, outputs)
        nn.init.normal_(self.linear.weight, std=getattr(encoder.config, "initializer_range", 0.02))
        nn.init.zeros_(self.linear.bias)

    def vectors(self, batch: Batch) -> torch.Tensor:
        """Return (B, widths * H) float32: what the layer reads."""
        raise NotImplementedError

    def forward(self, batch: Batch) -> torch.Tensor:
        """Return (B, C) logits in float32."""
        return self.linear(self.dropout(self.vectors(batch)))

    def save(self, folder: Path, *, id2label: dict[int, str], problem: str) -> None:  # noqa: ARG002
        """Write an encoder that `AutoModel` loads, and the linear layer in a file beside it."""
        self.encoder.config.id2label = id2label
        self.encoder.config.label2id = {label: index for index, label in id2label.items()}
        self.encoder.save_pretrained(folder)
        save_file(self.linear.state_dict(), folder / self.file)


def load_with_layer(
    folder: Path, make: Callable[[Any, int], Head], *, file: str, what: str
) -> Head:
    """Return what `make` gives of the encoder and the count of outputs, with the saved layer.

    Raises `DataError` where `file` does not hold it; `what` says what that layer is.
    """
    encoder = load_reader(folder)
    try:
        state = load_file(folder / file)
        model: Any = make(encoder, len(state["bias"]))
        model.linear.load_state_dict(state)
    except Exception as error:  # noqa: BLE001
        raise DataError(f"`model/{file}` must hold {what}; {error}", hint="tune again") from error
    return model
