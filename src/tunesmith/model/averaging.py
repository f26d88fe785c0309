"""Mean pooling, and how a plain transformers model is made to do it.

transformers' BERT-family classifiers read the first token only, while sentence encoders average
their token vectors. `fold` builds the mean from the architecture's own parts: one more layer
whose attention is uniform (queries and keys are zero, values the identity), whose feed-forward
block is silent, and a pooler that stays in the linear part of tanh. The result loads with
`AutoModelForSequenceClassification` and gives the same labels; `unfold` takes the layer off again,
so we never pay for it. Decision record 0003 has the arithmetic.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import AutoModelForSequenceClassification

LOUDNESS = 2.0**20
"""Gain on the mean, so that the residual beside it drowns: a relative error of 1e-6 before the
layer norm."""
SOFTNESS = 2.0**-10
"""Scale into the pooler's tanh, which is linear to 1e-5 there; a power of two, so that undoing
it is exact."""


def normalised_mean(hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return (B, H) float32: the layer-normalised mean of (B, T, H) over the (B, T) mask.

    The norm has no weights. A row whose mask is all 0 gives zeros.
    """
    weights = mask.unsqueeze(-1).to(torch.float32)
    mean = (hidden.float() * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1.0)
    return functional.layer_norm(mean, mean.shape[-1:], eps=1e-12)


def fold(encoder: Any, linear: nn.Linear, *, id2label: dict[int, str], problem: str) -> Any:
    """Return a transformers sequence classifier that averages token vectors and applies `linear`.

    It holds a copy of the encoder, which stays as it was, and one layer more.
    """
    config = copy.deepcopy(encoder.config)
    config.num_hidden_layers += 1
    config.id2label = id2label
    config.label2id = {label: index for index, label in id2label.items()}
    config.problem_type = problem
    whole = AutoModelForSequenceClassification.from_config(config).float()
    base = whole.base_model
    base.load_state_dict(encoder.state_dict(), strict=False)
    with torch.no_grad():
        _make_averaging(base.encoder.layer[-1])
        dense, out = _pooler(whole)
        _set_identity(dense, SOFTNESS)
        out.weight.copy_(linear.weight / SOFTNESS)
        out.bias.copy_(linear.bias)
    return whole


def unfold(whole: Any) -> tuple[nn.Module, nn.Linear]:
    """Return the encoder and linear layer that `fold` was given, bit for bit."""
    _, out = _pooler(whole)
    linear = nn.Linear(out.in_features, out.out_features)
    with torch.no_grad():
        linear.weight.copy_(out.weight * SOFTNESS)
        linear.bias.copy_(out.bias)
    encoder = whole.base_model
    encoder.encoder.layer = encoder.encoder.layer[:-1]
    encoder.config.num_hidden_layers -= 1
    if getattr(encoder, "pooler", None) is not None:
        encoder.pooler = None
    return encoder, linear


def _make_averaging(layer: Any) -> None:
    attention = layer.attention
    for projection in (attention.self.query, attention.self.key):
        nn.init.zeros_(projection.weight)
        nn.init.zeros_(projection.bias)
    _set_identity(attention.self.value, 1.0)
    _set_identity(attention.output.dense, LOUDNESS)
    for silent in (layer.intermediate.dense, layer.output.dense):
        nn.init.zeros_(silent.weight)
        nn.init.zeros_(silent.bias)
    for norm in (attention.output.LayerNorm, layer.output.LayerNorm):
        nn.init.ones_(norm.weight)
        nn.init.zeros_(norm.bias)


def _pooler(whole: Any) -> tuple[nn.Linear, nn.Linear]:
    """Return the dense layer before tanh and the layer that makes the logits."""
    if whole.config.model_type == "bert":
        return whole.bert.pooler.dense, whole.classifier
    return whole.classifier.dense, whole.classifier.out_proj


def _set_identity(linear: nn.Linear, scale: float) -> None:
    linear.weight.copy_(torch.eye(linear.in_features) * scale)
    nn.init.zeros_(linear.bias)
