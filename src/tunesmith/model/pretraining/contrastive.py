"""Sentence vectors without labels: a text read twice under dropout finds itself among others.

Source: Gao et al. 2021 (SimCSE), equation 4, with the mean of the token vectors.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import AutoModel, BertModel

from tunesmith.model.averaging import normalised_mean
from tunesmith.model.backbones import load_whole
from tunesmith.model.batching import Batch
from tunesmith.model.hidden import hidden_states
from tunesmith.model.pretraining.masked import bert_config
from tunesmith.model.pretraining.presets import Shape
from tunesmith.model.pretraining.vocabulary import Vocabulary


class ContrastiveModel(nn.Module):
    """An encoder whose text vectors are compared with those of a second reading."""

    def __init__(self, encoder: Any, *, temperature: float) -> None:
        """Wrap the encoder; a pooler, which reads the first token alone, is dropped."""
        super().__init__()
        encoder.pooler = None
        self.encoder = encoder
        self.temperature = temperature

    def vectors(self, batch: Batch) -> torch.Tensor:
        """Return (B, H) float32: the mean of each text's token vectors, of length 1."""
        hidden = hidden_states(self.encoder, batch)
        return functional.normalize(normalised_mean(hidden, batch["attention_mask"]), dim=-1)

    def forward(self, batch: Batch) -> torch.Tensor:
        """Return (B, B) cosines of first and second reading over the temperature.

        The readings differ by their dropout; `targets` of the batch are 0 … B - 1.
        """
        twice = {
            name: torch.cat([batch[name], batch[name]]) for name in ("input_ids", "attention_mask")
        }
        first, second = self.vectors(twice).chunk(2)
        return first @ second.t() / self.temperature

    def save(self, folder: Path) -> None:
        """Write a folder that `AutoModel` loads."""
        self.encoder.save_pretrained(folder)


def new_contrastive(
    shape: Shape, vocabulary: Vocabulary, *, window_tokens: int, temperature: float
) -> ContrastiveModel:
    """Return a BERT with random weights."""
    encoder = BertModel(bert_config(shape, vocabulary, window_tokens), add_pooling_layer=False)
    return ContrastiveModel(encoder, temperature=temperature)


def load_contrastive(folder: Path, *, temperature: float) -> ContrastiveModel:
    """Return a pretrained encoder."""
    encoder = load_whole(AutoModel, folder)
    return ContrastiveModel(encoder, temperature=temperature)
