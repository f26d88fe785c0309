"""What every network that learns from text is: a transformers model, its backbone, its folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn


class WrappedModel(nn.Module):
    """A whole transformers model; what it is read at is the affair of each kind."""

    def __init__(self, whole: Any) -> None:
        """Wrap the model; its output layer is tied to the embeddings where its config says so."""
        super().__init__()
        self.whole = whole

    @property
    def encoder(self) -> Any:
        """The backbone below the output layer; of an encoder-decoder, both sides of it."""
        return self.whole.base_model

    def save(self, folder: Path) -> None:
        """Write a folder that `AutoModel`, and the class of the model's kind, load."""
        self.whole.save_pretrained(folder)
