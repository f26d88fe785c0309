"""Packed tokens find their heads and come back; idle rows count for nothing."""

from __future__ import annotations

import pytest
import torch

from tunesmith.model.packed_attention import softmax_gradient, softmax_of
from tunesmith.model.packed_layout import SAME_SIZES, Layout

HEADS = 3
PADDED = torch.tensor([[1, 1, 1, 0], [1, 0, 0, 0], [1, 1, 1, 1]])
WHOLE = torch.ones(2, 5, dtype=torch.long)


def layout_of(mask: torch.Tensor, precision: torch.dtype = torch.bfloat16) -> Layout:
    return Layout.of(mask, heads=HEADS, precision=precision)


@pytest.mark.parametrize("mask", [PADDED, WHOLE], ids=["padded", "whole"])
@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16], ids=str)
def test_what_is_split_for_the_heads_stands_where_padding_and_permuting_put_it(
    mask, parts, precision
):
    layout = layout_of(mask, precision)
    packed = torch.randn(layout.size, parts * HEADS * 2)
    packed[layout.count :] = 0
    rows, width = mask.shape
    expected = (
        layout.pad(packed)
        .view(rows, width, parts, HEADS, 2)
        .permute(2, 0, 3, 1, 4)
        .reshape(parts, rows * HEADS, width, 2)
    )
    split = layout.split(packed, parts)
    torch.testing.assert_close(split, expected, rtol=0, atol=0)
    torch.testing.assert_close(layout.join(split), packed, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("mask", "precision", "count", "size"),
    [
        (PADDED, torch.float32, 8, 9),
        (PADDED, torch.bfloat16, 8, SAME_SIZES),
        (WHOLE, torch.float32, 10, 10),
        (torch.ones(1, SAME_SIZES), torch.bfloat16, SAME_SIZES, SAME_SIZES),
        (torch.ones(1, SAME_SIZES + 1), torch.bfloat16, SAME_SIZES + 1, 2 * SAME_SIZES),
    ],
)
def test_bf16_knows_few_sizes_and_padding_has_an_idle_row(mask, precision, count, size):
    layout = layout_of(mask, precision)
    assert (layout.count, layout.size) == (count, size)
    extended = layout.extend(torch.ones(count, 4))
    assert extended.shape == (size, 4)
    assert extended.sum() == 4 * count


@pytest.mark.parametrize("width", [1, 5, 15, 16, 40])
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.bfloat16, 1e-2)], ids=str
)
def test_softmax_and_its_gradient_are_those_of_torch(width, dtype, tolerance):
    torch.manual_seed(width)
    scores = torch.randn(6, 3, width) * 4
    scores[..., width // 2 + 1 :] -= 1e9
    gradient = torch.randn(6, 3, width).to(dtype)
    plain = scores.clone().requires_grad_()
    expected = torch.softmax(plain, dim=-1)
    expected.backward(gradient.float())
    found = softmax_of(scores.clone())
    torch.testing.assert_close(found, expected.detach(), atol=1e-6, rtol=1e-5)
    slope = softmax_gradient(gradient, found.to(dtype))
    assert slope.dtype is dtype
    torch.testing.assert_close(slope.float(), plain.grad, atol=tolerance, rtol=tolerance)
