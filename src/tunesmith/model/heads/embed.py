"""The embed family: one vector a text, the mean of its tokens; two texts match by their cosine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tunesmith.model.backbones import Backbone
from tunesmith.model.batching import Batch
from tunesmith.model.heads.dropout import set_dropout
from tunesmith.model.hidden import hidden_states
from tunesmith.model.readers import load_reader, reader_of

MODULES = (
    ("0", "", "sentence_transformers.models.Transformer"),
    ("1", "1_Pooling", "sentence_transformers.models.Pooling"),
)


class Embedder(nn.Module):
    """An encoder whose tokens are averaged. It has no weights of its own."""

    pooling = "mean"
    lacks: tuple[str, ...] = ()

    def __init__(self, encoder: Any) -> None:
        """Wrap an encoder."""
        super().__init__()
        encoder.pooler = None  # reads the first token alone; its weights would never be trained
        self.encoder = encoder

    def vectors(self, batch: Batch) -> torch.Tensor:
        """Return (N, H) float32: the mean of each window's tokens, special ones included."""
        hidden = hidden_states(self.encoder, batch).float()
        weights = batch["attention_mask"].unsqueeze(-1).to(hidden.dtype)
        kept = torch.where(weights > 0, hidden, torch.zeros_like(hidden))
        return kept.sum(dim=1) / weights.sum(dim=1).clamp(min=1.0)

    def forward(self, batch: Batch) -> torch.Tensor:
        """Return what `vectors` does: the objective compares them."""
        return self.vectors(batch)

    def save(self, folder: Path, *, id2label: dict[int, str], problem: str) -> None:  # noqa: ARG002
        """Write a folder that `AutoModel` and sentence-transformers load."""
        self.encoder.save_pretrained(folder)
        modules = [
            {"idx": int(number), "name": number, "path": path, "type": kind}
            for number, path, kind in MODULES
        ]
        pooling = {
            "word_embedding_dimension": self.encoder.config.hidden_size,
            "pooling_mode_mean_tokens": True,
        }
        (folder / "modules.json").write_text(json.dumps(modules, indent=1), encoding="utf-8")
        (folder / "1_Pooling").mkdir()
        (folder / "1_Pooling" / "config.json").write_text(
            json.dumps(pooling, indent=1), encoding="utf-8"
        )


def new_embedder(backbone: Backbone, *, dropout: float | None) -> Embedder:
    """Return the backbone as it is, its tokens averaged."""
    reader = reader_of(backbone.model)
    set_dropout(reader, dropout)
    return Embedder(reader)


def load_embedder(folder: Path) -> Embedder:
    """Return the encoder that `save` wrote into `folder`."""
    encoder = load_reader(folder)
    return Embedder(encoder)
