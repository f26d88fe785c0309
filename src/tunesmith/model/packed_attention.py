"""Attention over the heads of packed rows, a few heads at a time, with its backward pass.

Scores of a head are (T, T), so those of long texts outgrow every cache, and glibc maps and clears
the pages of so large a tensor anew each time. A few heads at a time, scores pass through softmax,
dropout and products while they are in cache, and only their softmax is kept (docs/speed.md).
Source: Vaswani et al. 2017, §3.2; the mathematics is the same for any count of heads at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch

from tunesmith.model.dropout_masks import draw_mask

AT_ONCE = 1 << 20
"""Scores that are computed at once, at least those of one head: 4 MiB in float32."""

VECTOR = 16
"""Float32 numbers that AVX-512 takes at once."""


class Kept(NamedTuple):
    """What the backward pass needs: a tensor for each few heads; a mask is None without dropout."""

    softmax: Sequence[torch.Tensor]
    masks: Sequence[torch.Tensor | None]


def attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    *,
    bias: torch.Tensor | None,
    dropout: float,
    is_learning: bool,
) -> tuple[torch.Tensor, Kept]:
    """Return the values that each query mixes by its scores, and what `is_learning` keeps.

    All are (heads, T, D), heads being those of all rows. `query` is scaled already, and so is
    `value` by what dropout takes. `bias` (heads, 1, T) float32 joins the scores. Softmax is
    computed in float32.
    """
    mixed, softmaxes, masks = torch.empty_like(value), [], []
    for part in _parts(query):
        scores = torch.bmm(query[part], key[part].transpose(1, 2)).float()
        if bias is not None:
            scores.add_(bias[part])
        softmax = softmax_of(scores).to(value.dtype)
        mask = draw_mask(tuple(softmax.shape), dropout, dtype=value.dtype) if dropout else None
        torch.bmm(_masked(softmax, mask), value[part], out=mixed[part])
        if is_learning:
            softmaxes.append(softmax)
            masks.append(mask)
    return mixed, Kept(softmaxes, masks)


def attend_backward(
    gradient: torch.Tensor, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, kept: Kept
) -> torch.Tensor:
    """Return (3, heads, T, D): the gradients of query, key and value from that of the mix."""
    found = torch.empty((3, *gradient.shape), dtype=gradient.dtype)
    of_query, of_key, of_value = found
    for part, softmax, mask in zip(_parts(query), *kept, strict=True):
        own = gradient[part]
        torch.bmm(_masked(softmax, mask).transpose(1, 2), own, out=of_value[part])
        of_softmax = _masked(torch.bmm(own, value[part].transpose(1, 2)), mask)
        of_scores = softmax_gradient(of_softmax, softmax)
        torch.bmm(of_scores, key[part], out=of_query[part])
        torch.bmm(of_scores.transpose(1, 2), query[part], out=of_key[part])
    return found


def softmax_of(scores: torch.Tensor) -> torch.Tensor:
    """Return the softmax of each row of float32 scores, which may be overwritten.

    torch takes rows shorter than a vector number by number, four times as long as this.
    """
    if scores.shape[-1] >= VECTOR:
        return torch.softmax(scores, dim=-1)
    powers = scores.sub_(scores.amax(dim=-1, keepdim=True)).exp_()
    return powers.div_(powers.sum(dim=-1, keepdim=True))


def softmax_gradient(gradient: torch.Tensor, softmax: torch.Tensor) -> torch.Tensor:
    """Return the gradient of the scores from that of their softmax, which may be overwritten.

    In float32 and whole passes: torch's own takes four times as long in bf16 or on short rows.
    """
    values = softmax.float()
    weighted = gradient.float().mul_(values)
    total = weighted.sum(dim=-1, keepdim=True)
    return torch.addcmul(weighted, values, total, value=-1.0).to(gradient.dtype)


def _parts(query: torch.Tensor) -> Iterator[slice]:
    """Yield slices of (heads, T, D) of which each has at most `AT_ONCE` scores, or one head."""
    heads, width, _ = query.shape
    few = max(1, AT_ONCE // (width * width))
    for start in range(0, heads, few):
        yield slice(start, start + few)


def _masked(values: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    return values if mask is None else values * mask
