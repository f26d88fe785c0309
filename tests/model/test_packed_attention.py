"""Attention a few heads at a time is attention: its values, its gradients, what it keeps."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from tunesmith.model import packed_attention
from tunesmith.model.packed_attention import attend, attend_backward

HEADS, WIDTH, SIZE = 6, 20, 8


@pytest.fixture
def states() -> list[torch.Tensor]:
    torch.manual_seed(0)
    return [torch.randn(HEADS, WIDTH, SIZE) for _ in range(4)]


@pytest.fixture(params=[1, 2, 4, HEADS], ids=lambda heads: f"{heads} at once")
def at_once(request, monkeypatch):
    monkeypatch.setattr(packed_attention, "AT_ONCE", request.param * WIDTH * WIDTH)
    return request.param


@pytest.mark.parametrize("padding", [0, 7])
def test_values_and_gradients_are_those_of_torch(states, at_once, padding):
    *inputs, gradient = states
    bias = None
    if padding:
        bias = torch.zeros(HEADS, 1, WIDTH)
        bias[..., -padding:] = -1e9
    query, key, value = (state.clone().requires_grad_() for state in inputs)
    expected = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias, scale=1.0)
    expected.backward(gradient)
    found, kept = attend(*inputs, bias=bias, dropout=0.0, is_learning=True)
    assert len(kept.softmax) == -(-HEADS // at_once)
    torch.testing.assert_close(found, expected.detach())
    slopes = attend_backward(gradient, *inputs, kept)
    for slope, state in zip(slopes, (query, key, value), strict=True):
        torch.testing.assert_close(slope, state.grad, atol=1e-5, rtol=1e-5)


@pytest.mark.usefixtures("at_once")
def test_gradients_meet_the_dropout_that_the_values_met(states):
    *inputs, gradient = states
    found, kept = attend(*inputs, bias=None, dropout=0.5, is_learning=True)
    mask = torch.cat(list(kept.masks))
    assert 0.3 < mask.mean() < 0.7
    query, key, value = (state.clone().requires_grad_() for state in inputs)
    expected = (torch.softmax(query @ key.transpose(1, 2), dim=-1) * mask) @ value
    expected.backward(gradient)
    torch.testing.assert_close(found, expected.detach())
    slopes = attend_backward(gradient, *inputs, kept)
    for slope, state in zip(slopes, (query, key, value), strict=True):
        torch.testing.assert_close(slope, state.grad, atol=1e-5, rtol=1e-5)


def test_nothing_is_kept_where_nothing_is_learned(states):
    _, kept = attend(*states[:3], bias=None, dropout=0.0, is_learning=False)
    assert kept == ([], [])
