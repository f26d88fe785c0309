"""Masked language models: hidden tokens guessed from both sides.

The vocabulary is projected at the hidden places alone, about a third of the tokens. On a CPU the
BERT family is computed packed (`model/hidden.py`).
"""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import AutoModelForMaskedLM, BertConfig, BertForMaskedLM

from tunesmith.model.backbones import load_whole
from tunesmith.model.batching import Batch
from tunesmith.model.hidden import hidden_states
from tunesmith.model.pretraining.presets import Shape
from tunesmith.model.pretraining.vocabulary import Vocabulary
from tunesmith.model.pretraining.wrapped import WrappedModel


class MaskedModel(WrappedModel):
    """A transformers masked language model, read at `places` of the batch."""

    def forward(self, batch: Batch) -> torch.Tensor:
        """Return (N, V) float32 logits at `places` (N,), indices into the flattened (B * T)."""
        head = getattr(self.whole, "cls", None) or getattr(self.whole, "lm_head", None)
        if head is None:
            inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
            return self.whole(**inputs).logits.flatten(0, 1)[batch["places"]].float()
        hidden = hidden_states(self.encoder, batch).flatten(0, 1)
        return head(hidden.index_select(0, batch["places"])).float()


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
    whole = load_whole(AutoModelForMaskedLM, folder)
    return MaskedModel(whole)
