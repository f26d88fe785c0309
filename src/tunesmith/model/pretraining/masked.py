"""Masked language models: hidden tokens guessed from both sides.

The vocabulary is projected at the hidden places alone, a seventh of the tokens. On a CPU the BERT
family is computed packed (`model/hidden.py`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForMaskedLM, BertConfig, BertForMaskedLM

from tunesmith.model.backbones import translate_load_error
from tunesmith.model.batching import Batch
from tunesmith.model.hidden import hidden_states
from tunesmith.model.pretraining.presets import Shape
from tunesmith.model.pretraining.vocabulary import Vocabulary


class MaskedModel(nn.Module):
    """A transformers masked language model, read at `places` of the batch."""

    def __init__(self, whole: Any) -> None:
        """Wrap the model; its head is tied to the word embeddings where its config says so."""
        super().__init__()
        self.whole = whole

    @property
    def encoder(self) -> Any:
        """The backbone below the head."""
        return self.whole.base_model

    def forward(self, batch: Batch) -> torch.Tensor:
        """Return (N, V) float32 logits at `places` (N,), indices into the flattened (B * T)."""
        head = getattr(self.whole, "cls", None) or getattr(self.whole, "lm_head", None)
        if head is None:
            inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
            return self.whole(**inputs).logits.flatten(0, 1)[batch["places"]].float()
        hidden = hidden_states(self.encoder, batch).flatten(0, 1)
        return head(hidden.index_select(0, batch["places"])).float()

    def save(self, folder: Path) -> None:
        """Write a folder that `AutoModel` and `AutoModelForMaskedLM` load."""
        self.whole.save_pretrained(folder)


def new_masked(shape: Shape, vocabulary: Vocabulary, *, window_tokens: int) -> MaskedModel:
    """Return a BERT with random weights (Devlin et al. 2019)."""
    return MaskedModel(BertForMaskedLM(bert_config(shape, vocabulary, window_tokens)))


def bert_config(shape: Shape, vocabulary: Vocabulary, window_tokens: int) -> BertConfig:
    """Return the configuration of a BERT of this shape; no token types are told apart."""
    return BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=shape.hidden_size,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=4 * shape.hidden_size,
        max_position_embeddings=window_tokens,
        pad_token_id=vocabulary.pad_id,
        hidden_dropout_prob=shape.dropout,
        attention_probs_dropout_prob=shape.dropout,
    )


def load_masked(folder: Path) -> MaskedModel:
    """Return a pretrained encoder with its masked head; where it has none, with a new one."""
    try:
        whole = AutoModelForMaskedLM.from_pretrained(
            folder, dtype=torch.float32, trust_remote_code=False
        )
    except Exception as error:  # noqa: BLE001 (any file may be broken in any way)
        raise translate_load_error(folder, error) from error
    return MaskedModel(whole)
