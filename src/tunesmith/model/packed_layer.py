"""One post-norm encoder layer on packed tokens, with a backward pass written by hand.

The mathematics is that of BERT's layer (Devlin et al. 2019; Vaswani et al. 2017, §3, with the norm
after each residual). What differs from a module of transformers is the work around it: no padding
outside attention, one product for query, key and value, weights cast once a step, residuals in
float32, nothing saved that a cheap product gives back, and dropout from a pool.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch.nn import functional

from tunesmith.model.dropout_masks import draw_mask
from tunesmith.model.packed_attention import Kept, attend, attend_backward
from tunesmith.model.packed_layout import Layout


class LayerWeights(NamedTuple):
    """The sixteen tensors of a layer, in float32, as transformers names them.

    Linear weights are (out, in).
    """

    query: torch.Tensor
    query_bias: torch.Tensor
    key: torch.Tensor
    key_bias: torch.Tensor
    value: torch.Tensor
    value_bias: torch.Tensor
    output: torch.Tensor
    output_bias: torch.Tensor
    attention_norm: torch.Tensor
    attention_norm_bias: torch.Tensor
    up: torch.Tensor
    up_bias: torch.Tensor
    down: torch.Tensor
    down_bias: torch.Tensor
    norm: torch.Tensor
    norm_bias: torch.Tensor


@dataclass(frozen=True, slots=True)
class LayerSettings:
    """What a layer's arithmetic depends on beside its weights.

    `precision` is the type of the matrix products; the dropout ratios are 0 outside training;
    `is_learning` tells whether a backward pass may follow, for which states are kept.
    """

    head_size: int
    epsilon: float
    precision: torch.dtype
    dropout: float
    attention_dropout: float
    is_learning: bool

    @property
    def scales(self) -> tuple[float, float]:
        """Return what queries and values are multiplied by: 1 / sqrt(D), 1 / (1 - dropout)."""
        return self.head_size**-0.5, 1.0 / (1.0 - self.attention_dropout)


class PackedLayer(torch.autograd.Function):
    """(N, H) float32 → (N, H) float32, N being the layout's `size`: tokens, then idle rows."""

    @staticmethod
    def forward(
        ctx: Any, hidden: torch.Tensor, layout: Layout, settings: LayerSettings, *weights: Any
    ) -> torch.Tensor:
        """Compute the layer and keep what `backward` needs."""
        own = LayerWeights(*weights)
        dtype = settings.precision
        in_proj, in_bias = _joined(own, settings)
        out_proj, up, down = own.output.to(dtype), own.up.to(dtype), own.down.to(dtype)

        inputs = hidden.to(dtype)
        joint = torch.addmm(in_bias, inputs, in_proj.t())
        query, key, value = layout.split(joint, 3)
        mixed, kept = attend(
            query, key, value,
            bias=layout.head_bias,
            dropout=settings.attention_dropout,
            is_learning=settings.is_learning,
        )  # fmt: skip
        context = layout.join(mixed[None])

        projected = torch.addmm(own.output_bias.to(dtype), context, out_proj.t())
        first_mask = _scaled_mask(hidden.shape, settings)
        first = _residual(hidden, projected, first_mask)
        middle, first_mean, first_rstd = _norm(
            first, own.attention_norm, own.attention_norm_bias, settings
        )
        middle_inputs = middle.to(dtype)
        raised = torch.addmm(own.up_bias.to(dtype), middle_inputs, up.t())
        active = functional.gelu(raised)
        lowered = torch.addmm(own.down_bias.to(dtype), active, down.t())
        second_mask = _scaled_mask(hidden.shape, settings)
        second = _residual(middle, lowered, second_mask)
        result, second_mean, second_rstd = _norm(second, own.norm, own.norm_bias, settings)

        if not settings.is_learning:
            return result
        ctx.layout, ctx.settings = layout, settings
        ctx.masks = (kept.masks, first_mask, second_mask)
        ctx.cast = (in_proj, out_proj, up, down)
        ctx.save_for_backward(
            inputs, query, key, value, context, first, first_mean, first_rstd,
            middle_inputs, raised, active, second, second_mean, second_rstd,
            own.attention_norm, own.attention_norm_bias, own.norm, own.norm_bias, *kept.softmax,
        )  # fmt: skip
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Return the gradients of the hidden states and of the sixteen weights."""
        (
            inputs, query, key, value, context, first, first_mean, first_rstd,
            middle_inputs, raised, active, second, second_mean, second_rstd,
            attention_norm, attention_norm_bias, norm, norm_bias, *softmax,
        ) = ctx.saved_tensors  # fmt: skip
        settings, layout = ctx.settings, ctx.layout
        attention_masks, first_mask, second_mask = ctx.masks
        in_proj, out_proj, up, down = ctx.cast
        (gradient,) = gradients

        second_g, norm_g, norm_bias_g = _norm_backward(
            gradient, second, (second_mean, second_rstd), (norm, norm_bias)
        )
        lowered_g = _dropped(second_g, second_mask, settings)
        down_g, down_bias_g = _weight_gradients(lowered_g, active)
        raised_g = lowered_g @ down
        torch.ops.aten.gelu_backward.grad_input(raised_g, raised, grad_input=raised_g)
        up_g, up_bias_g = _weight_gradients(raised_g, middle_inputs)
        middle_g = second_g.add_(raised_g @ up)

        first_g, attention_norm_g, attention_norm_bias_g = _norm_backward(
            middle_g, first, (first_mean, first_rstd), (attention_norm, attention_norm_bias)
        )
        projected_g = _dropped(first_g, first_mask, settings)
        output_g, output_bias_g = _weight_gradients(projected_g, context)
        (mixed_g,) = layout.split(projected_g @ out_proj, 1)
        kept = Kept(softmax, attention_masks)
        joint_g = layout.join(attend_backward(mixed_g, query, key, value, kept))
        in_proj_g, in_bias_g = _weight_gradients(joint_g, inputs)
        hidden_g = first_g.add_(joint_g @ in_proj) if ctx.needs_input_grad[0] else None

        query_g, key_g, value_weight_g = in_proj_g.chunk(3)
        query_bias_g, key_bias_g, value_bias_g = in_bias_g.chunk(3)
        for_query, for_value = settings.scales
        torch._foreach_mul_([query_g, query_bias_g], for_query)
        torch._foreach_mul_([value_weight_g, value_bias_g], for_value)
        return (
            hidden_g, None, None,
            query_g, query_bias_g, key_g, key_bias_g, value_weight_g, value_bias_g,
            output_g, output_bias_g, attention_norm_g, attention_norm_bias_g,
            up_g, up_bias_g, down_g, down_bias_g, norm_g, norm_bias_g,
        )  # fmt: skip


def _joined(own: LayerWeights, settings: LayerSettings) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (3H, H) and (3H,): the weights of query, key and value as one product.

    The scale of the scores is in the query's weights and that of attention dropout in the value's,
    so that neither costs a pass over scores.
    """
    for_query, for_value = settings.scales
    side = len(own.query)
    weight = own.query.new_empty((3, *own.query.shape), dtype=settings.precision)
    bias = own.query.new_empty((3, side), dtype=settings.precision)
    torch.mul(own.query, for_query, out=weight[0])
    torch.mul(own.query_bias, for_query, out=bias[0])
    weight[1].copy_(own.key)
    bias[1].copy_(own.key_bias)
    torch.mul(own.value, for_value, out=weight[2])
    torch.mul(own.value_bias, for_value, out=bias[2])
    return weight.flatten(0, 1), bias.flatten()


def _masked(values: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    return values if mask is None else values * mask


def _scaled_mask(shape: torch.Size, settings: LayerSettings) -> torch.Tensor | None:
    """Return the float32 mask of a residual branch: 0, or 1 / (1 - dropout)."""
    ratio = settings.dropout
    if not ratio:
        return None
    return draw_mask(tuple(shape), ratio, dtype=torch.float32, kept=1.0 / (1.0 - ratio))


def _residual(below: torch.Tensor, added: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    return below + added if mask is None else torch.addcmul(below, added.float(), mask)


def _dropped(
    gradient: torch.Tensor, mask: torch.Tensor | None, settings: LayerSettings
) -> torch.Tensor:
    """Return what reaches the other side of a dropout, in the precision of the products."""
    return _masked(gradient, mask).to(settings.precision)


def _norm(
    hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, settings: LayerSettings
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return torch.native_layer_norm(hidden, hidden.shape[-1:], weight, bias, settings.epsilon)


def _norm_backward(
    gradient: torch.Tensor,
    hidden: torch.Tensor,
    moments: tuple[torch.Tensor, torch.Tensor],
    affine: tuple[torch.Tensor, torch.Tensor],
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return torch.ops.aten.native_layer_norm_backward(
        gradient.contiguous(), hidden, hidden.shape[-1:], *moments, *affine, [True, True, True]
    )


def _weight_gradients(
    gradient: torch.Tensor, inputs: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the float32 gradients of a linear layer's weight and bias."""
    return (gradient.t() @ inputs).float(), gradient.sum(dim=0).float()
