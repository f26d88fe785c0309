"""Models that write: a decoder that continues text, and an encoder-decoder that mends it.

Both run transformers' own forward pass.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    BartConfig,
    BartForConditionalGeneration,
    LlamaConfig,
    LlamaForCausalLM,
)

from tunesmith.model.backbones import load_whole
from tunesmith.model.batching import Batch
from tunesmith.model.pretraining.presets import Shape
from tunesmith.model.pretraining.residual_dropout import add_residual_dropout
from tunesmith.model.pretraining.vocabulary import Vocabulary
from tunesmith.model.pretraining.wrapped import WrappedModel

GATED_WIDTH = 8 / 3
"""Feed-forward width of a gated layer, in hidden sizes, that costs what a plain one of 4 does."""
WIDTH_STEP = 64


class CausalModel(WrappedModel):
    """A transformers decoder, read at every token that has another behind it."""

    def forward(self, batch: Batch) -> torch.Tensor:
        """Return (N, V) float32 logits at `places` (N,), indices into the flattened (B * T)."""
        logits = self.whole(batch["input_ids"], attention_mask=_needed(batch), use_cache=False)[0]
        return _at_places(logits, batch["places"])


class DenoisingModel(WrappedModel):
    """A transformers encoder-decoder that writes the text whose spans were masked."""

    def forward(self, batch: Batch) -> torch.Tensor:
        """Return (N, V) float32 logits at `places` (N,) of the flattened decoder input."""
        logits = self.whole(
            input_ids=batch["input_ids"],
            attention_mask=batch["attention_mask"],
            decoder_input_ids=batch["decoder_input_ids"],
            use_cache=False,
        )[0]
        return _at_places(logits, batch["places"])


def new_causal(shape: Shape, vocabulary: Vocabulary, *, window_tokens: int) -> CausalModel:
    """Return a Llama with random weights and tied embeddings.

    Source: Touvron et al. 2023, §2.2: norm before each layer, gated feed-forward, rotary positions.
    """
    width = round(GATED_WIDTH * shape.hidden_size / WIDTH_STEP) * WIDTH_STEP
    config = LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=shape.hidden_size,
        intermediate_size=width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        max_position_embeddings=window_tokens,
        tie_word_embeddings=True,
        pad_token_id=vocabulary.pad_id,
        bos_token_id=vocabulary.end_id,
        eos_token_id=vocabulary.end_id,
    )
    whole = LlamaForCausalLM(config)
    add_residual_dropout(whole.model, shape.dropout)
    return CausalModel(whole)


def new_denoising(shape: Shape, vocabulary: Vocabulary, *, window_tokens: int) -> DenoisingModel:
    """Return a BART with random weights (Lewis et al. 2020, §2.1)."""
    side = max(1, shape.layers // 2)
    config = BartConfig(
        vocab_size=len(vocabulary),
        d_model=shape.hidden_size,
        encoder_layers=side,
        decoder_layers=side,
        encoder_attention_heads=shape.heads,
        decoder_attention_heads=shape.heads,
        encoder_ffn_dim=shape.feed_forward or 4 * shape.hidden_size,
        decoder_ffn_dim=shape.feed_forward or 4 * shape.hidden_size,
        max_position_embeddings=window_tokens,
        pad_token_id=vocabulary.pad_id,
        bos_token_id=vocabulary.begin_id,
        eos_token_id=vocabulary.end_id,
        decoder_start_token_id=vocabulary.end_id,
        forced_eos_token_id=None,
        dropout=shape.dropout,
    )
    return DenoisingModel(BartForConditionalGeneration(config))


def load_causal(folder: Path) -> CausalModel:
    """Return a pretrained decoder."""
    return CausalModel(load_whole(AutoModelForCausalLM, folder))


def load_denoising(folder: Path) -> DenoisingModel:
    """Return a pretrained encoder-decoder."""
    return DenoisingModel(load_whole(AutoModelForSeq2SeqLM, folder))


def suit_attention(model: Any, device: torch.device) -> None:
    """Let a transformers model that writes compute attention in the way that is fastest there.

    On a processor the fused kernel's backward pass takes a third of a training step where rows are
    short; products written out take a tenth.
    """
    model.set_attn_implementation("eager" if device.type == "cpu" else "sdpa")


def _at_places(logits: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Return (N, V) float32 of (B, T, V); where all places are asked for, nothing is copied."""
    flat = logits.flatten(0, 1)
    return (flat if len(places) == len(flat) else flat[places]).float()


def _needed(batch: Batch) -> torch.Tensor | None:
    """Return the mask, or None where nothing is padding: the faster kernels take none."""
    mask = batch["attention_mask"]
    return None if bool(mask.all()) else mask
