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

NO_ATTENTION = -1e9
"""What stands for minus infinity at keys that are padding; a row is never padding alone."""


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
class Layout:
    """Where N packed tokens stand in B rows of T places.

    `places` (N,) is each token's index in the flattened (B * T); None where there is no padding.
    `key_bias` (B, 1, 1, T) float32 is 0 at tokens and `NO_ATTENTION` at padding; None likewise.
    """

    rows: int
    width: int
    places: torch.Tensor | None
    key_bias: torch.Tensor | None

    @classmethod
    def of(cls, mask: torch.Tensor) -> Layout:
        """Return the layout of a (B, T) mask of 0 and 1."""
        rows, width = mask.shape
        if bool(mask.all()):
            return cls(rows, width, None, None)
        key_bias = (1.0 - mask.to(torch.float32)) * NO_ATTENTION
        return cls(rows, width, mask.flatten().nonzero().flatten(), key_bias[:, None, None, :])

    def pack(self, padded: torch.Tensor) -> torch.Tensor:
        """Return (N, …) from (B * T, …)."""
        return padded if self.places is None else padded.index_select(0, self.places)

    def pad(self, packed: torch.Tensor) -> torch.Tensor:
        """Return (B * T, …) from (N, …), padding being 0."""
        if self.places is None:
            return packed
        padded = packed.new_zeros(self.rows * self.width, *packed.shape[1:])
        return padded.index_copy_(0, self.places, packed)


@dataclass(frozen=True, slots=True)
class LayerSettings:
    """What a layer's arithmetic depends on beside its weights.

    `precision` is the type of the matrix products; the dropout ratios are 0 outside training;
    `is_learning` tells whether a backward pass may follow, for which states are kept.
    """

    heads: int
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
    """(N, H) float32 → (N, H) float32."""

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
        query, key, value = _split_heads(layout.pad(joint), layout, settings.heads)
        scores = torch.bmm(query, key.transpose(1, 2)).float()
        if layout.key_bias is not None:
            scores.view(layout.rows, settings.heads, layout.width, layout.width).add_(
                layout.key_bias
            )
        attention = torch.softmax(scores, dim=-1).to(dtype)
        attention_mask = _mask(attention.shape, settings.attention_dropout, dtype)
        mixed = torch.bmm(_masked(attention, attention_mask), value)
        context = layout.pack(_merge_heads(mixed, layout))

        attended = torch.addmm(own.output_bias.to(dtype), context, out_proj.t())
        first_mask = _scaled_mask(hidden.shape, settings)
        first = _residual(hidden, attended, first_mask)
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
        ctx.masks = (attention_mask, first_mask, second_mask)
        ctx.cast = (in_proj, out_proj, up, down)
        ctx.save_for_backward(
            inputs, query, key, value, attention, context, first, first_mean, first_rstd,
            middle_inputs, raised, active, second, second_mean, second_rstd,
            own.attention_norm, own.attention_norm_bias, own.norm, own.norm_bias,
        )  # fmt: skip
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Return the gradients of the hidden states and of the sixteen weights."""
        (
            inputs, query, key, value, attention, context, first, first_mean, first_rstd,
            middle_inputs, raised, active, second, second_mean, second_rstd,
            attention_norm, attention_norm_bias, norm, norm_bias,
        ) = ctx.saved_tensors  # fmt: skip
        settings, layout = ctx.settings, ctx.layout
        attention_mask, first_mask, second_mask = ctx.masks
        in_proj, out_proj, up, down = ctx.cast
        (gradient,) = gradients

        second_g, norm_g, norm_bias_g = _norm_backward(
            gradient, second, (second_mean, second_rstd), (norm, norm_bias)
        )
        lowered_g = _dropped(second_g, second_mask, settings)
        down_g, down_bias_g = _weight_gradients(lowered_g, active)
        raised_g = torch.ops.aten.gelu_backward(lowered_g @ down, raised)
        up_g, up_bias_g = _weight_gradients(raised_g, middle_inputs)
        middle_g = second_g.add_(raised_g @ up)

        first_g, attention_norm_g, attention_norm_bias_g = _norm_backward(
            middle_g, first, (first_mean, first_rstd), (attention_norm, attention_norm_bias)
        )
        attended_g = _dropped(first_g, first_mask, settings)
        output_g, output_bias_g = _weight_gradients(attended_g, context)
        mixed_g = _head_rows(layout.pad(attended_g @ out_proj), layout, settings.heads)

        value_g = torch.bmm(_masked(attention, attention_mask).transpose(1, 2), mixed_g)
        attention_g = _masked(torch.bmm(mixed_g, value.transpose(1, 2)), attention_mask)
        scores_g = torch.ops.aten._softmax_backward_data(
            attention_g, attention, -1, attention.dtype
        )
        joint_g = layout.pack(
            _join_heads(
                torch.bmm(scores_g, key),
                torch.bmm(scores_g.transpose(1, 2), query),
                value_g,
                layout,
            )
        )
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
    weight = torch.cat([own.query * for_query, own.key, own.value * for_value])
    bias = torch.cat([own.query_bias * for_query, own.key_bias, own.value_bias * for_value])
    return weight.to(settings.precision), bias.to(settings.precision)


def _split_heads(
    joint: torch.Tensor, layout: Layout, heads: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return query, key and value (B * heads, T, D) from (B * T, 3H)."""
    shaped = joint.view(layout.rows, layout.width, 3, heads, -1).permute(2, 0, 3, 1, 4)
    query, key, value = shaped.reshape(3, layout.rows * heads, layout.width, -1)
    return query, key, value


def _join_heads(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, layout: Layout
) -> torch.Tensor:
    """Return (B * T, 3H) from three (B * heads, T, D): the reverse of `_split_heads`."""
    parts = torch.stack([query, key, value]).view(3, layout.rows, -1, layout.width, query.shape[-1])
    return parts.permute(1, 3, 0, 2, 4).reshape(layout.rows * layout.width, -1)


def _head_rows(padded: torch.Tensor, layout: Layout, heads: int) -> torch.Tensor:
    """Return (B * heads, T, D) from (B * T, H)."""
    shaped = padded.view(layout.rows, layout.width, heads, -1).transpose(1, 2)
    return shaped.reshape(layout.rows * heads, layout.width, -1)


def _merge_heads(mixed: torch.Tensor, layout: Layout) -> torch.Tensor:
    """Return (B * T, H) from (B * heads, T, D): the reverse of `_head_rows`."""
    shaped = mixed.view(layout.rows, -1, layout.width, mixed.shape[-1]).transpose(1, 2)
    return shaped.reshape(layout.rows * layout.width, -1)


def _mask(shape: torch.Size, ratio: float, dtype: torch.dtype) -> torch.Tensor | None:
    return draw_mask(tuple(shape), ratio, dtype=dtype) if ratio else None


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
