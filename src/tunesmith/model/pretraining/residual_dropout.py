"""Dropout for architectures that come without: on what each layer adds, and on the embeddings.

Decoders of the Llama kind were made for text that is read once. A small corpus is read ten times.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from tunesmith.model.dropout_masks import draw_mask


def add_residual_dropout(decoder: Any, ratio: float) -> None:
    """Drop `ratio` of the embeddings and of each branch's output while `decoder` trains.

    `decoder` has `embed_tokens` and `layers` of `self_attn` and `mlp`. Nothing is saved with the
    weights. Source: Srivastava et al. 2014; Vaswani et al. 2017, §5.4, for where.
    """
    if not ratio:
        return

    def drop(module: nn.Module, inputs: Any, output: Any) -> Any:  # noqa: ARG001 (a hook's signature)
        if not module.training:
            return output
        if isinstance(output, tuple):
            return (_dropped(output[0], ratio), *output[1:])
        return _dropped(output, ratio)

    branches = [module for layer in decoder.layers for module in (layer.self_attn, layer.mlp)]
    for module in (decoder.embed_tokens, *branches):
        module.register_forward_hook(drop)


def _dropped(hidden: torch.Tensor, ratio: float) -> torch.Tensor:
    if hidden.device.type != "cpu":
        return functional.dropout(hidden, ratio)
    kept = 1.0 / (1.0 - ratio)
    return hidden * draw_mask(tuple(hidden.shape), ratio, dtype=hidden.dtype, kept=kept)
