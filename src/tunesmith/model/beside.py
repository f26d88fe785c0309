"""Modules beside a backbone's layers: bottlenecks behind them, and prefixes of their attention.

They stand in a list of the model that a head makes, never in the backbone, whose weights and files
stay as they are. Layers see them through a hook, or through the attention they call.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from tunesmith.core.deltas import Adapter, Prefix
from tunesmith.core.errors import SpecError

SEEN = "beside"
"""The attribute by which a layer, or an attention, finds what stands beside it."""

ATTENTION = "tunesmith_prefix"
"""The name of the attention that looks for a prefix."""


class Bottleneck(nn.Module):
    """(…, H) → (…, H): what was read, and a narrow function of it. It begins as the identity.

    Source: Houlsby et al. 2019, §2.1.
    """

    def __init__(self, width: int, size: int) -> None:
        """Make both projections; the second one is 0."""
        super().__init__()
        self.down = nn.Linear(width, size)
        self.up = nn.Linear(size, width)
        nn.init.normal_(self.down.weight, std=width**-0.5)
        nn.init.zeros_(self.down.bias)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Return (…, H) in the type of `hidden`."""
        added = self.up(functional.gelu(self.down(hidden)))
        return hidden + added.to(hidden.dtype)


class PrefixStates(nn.Module):
    """Keys and values, (heads, P, D) each, that every query sees before those of the text.

    Source: Li & Liang 2021, §4.2, without the network that makes them.
    """

    def __init__(self, heads: int, tokens: int, size: int) -> None:
        """Make small random keys and values."""
        super().__init__()
        self.keys = nn.Parameter(torch.randn(heads, tokens, size) * 0.02)
        self.values = nn.Parameter(torch.randn(heads, tokens, size) * 0.02)


def add_bottlenecks(root: Any, method: Adapter) -> nn.ModuleList:
    """Return a bottleneck for each layer of a transformers model; the layers use it from now on."""
    layers = list(_layers(root))
    if not layers:
        raise _refusal(root, method.name)
    made = nn.ModuleList(Bottleneck(_width(root.config), method.size) for _ in layers)
    return _connect(root, made)


def add_prefixes(root: Any, method: Prefix) -> nn.ModuleList:
    """Return a prefix for each self-attention of a model, whose attention looks for it from now on.

    Raises `SpecError` where the architecture's attention cannot be replaced.
    """
    attentions = list(_attentions(root))
    if not attentions or not getattr(root, "_supports_sdpa", False):
        raise _refusal(root, method.name)
    made = nn.ModuleList(
        PrefixStates(*_attention_shape(root.config, tokens=method.tokens)) for _ in attentions
    )
    return _connect(root, made)


def _connect(root: Any, modules: nn.ModuleList) -> nn.ModuleList:
    """Let the layers of a model see the modules that were made for them; return these."""
    is_prefix = isinstance(modules[0], PrefixStates)
    places = _attentions(root) if is_prefix else _layers(root)
    for place, module in zip(places, modules, strict=True):
        setattr(place, SEEN, [module])  # in a list: the backbone must not own it
        if not is_prefix:
            place.register_forward_hook(_add_bottleneck)
    if is_prefix:
        root.set_attn_implementation(ATTENTION)
        root.is_plain = True
    return modules


def beside(place: Any) -> Any:
    """Return what stands beside a layer or an attention, or None."""
    found = getattr(place, SEEN, None)
    return found[0] if found else None


def _add_bottleneck(layer: nn.Module, _: Any, output: Any) -> Any:
    bottleneck = beside(layer)
    if isinstance(output, tuple):
        return (bottleneck(output[0]), *output[1:])
    return bottleneck(output)


def prefixed_attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **settings: Any,
) -> tuple[torch.Tensor, None]:
    """Return what torch's own attention does with the prefix of `module` before its keys.

    Tensors are (B, heads, T, D); a mask is (B, 1, T, S), True or 0 where a key is seen.
    """
    prefix = beside(module)
    if prefix is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **settings)
    rows, tokens = key.shape[0], prefix.keys.shape[1]
    if attention_mask is None and _is_causal(module, settings) and query.shape[2] > 1:
        attention_mask = _causal_mask(query.shape[2], key.shape[2], device=query.device)
    if attention_mask is not None:
        is_flag = attention_mask.dtype == torch.bool
        shape = (*attention_mask.shape[:-1], tokens)
        seen = attention_mask.new_ones(shape) if is_flag else attention_mask.new_zeros(shape)
        attention_mask = torch.cat([seen, attention_mask], dim=-1)
    key = torch.cat([prefix.keys.to(key.dtype).expand(rows, -1, -1, -1), key], dim=2)
    value = torch.cat([prefix.values.to(value.dtype).expand(rows, -1, -1, -1), value], dim=2)
    settings["is_causal"] = False
    return sdpa_attention_forward(module, query, key, value, attention_mask, **settings)


AttentionInterface.register(ATTENTION, prefixed_attention)
AttentionMaskInterface.register(ATTENTION, sdpa_mask)


def _is_causal(module: nn.Module, settings: dict[str, Any]) -> bool:
    stated = settings.get("is_causal")
    return bool(getattr(module, "is_causal", True) if stated is None else stated)


def _causal_mask(queries: int, keys: int, *, device: torch.device) -> torch.Tensor:
    """Return (1, 1, T, S): the last of T queries sees all of S keys."""
    ones = torch.ones(queries, keys, dtype=torch.bool, device=device)
    return ones.tril(diagonal=keys - queries)[None, None]


def _layers(root: nn.Module) -> Iterator[nn.Module]:
    """Yield the layers of a model: members of its outermost lists of modules with weights."""
    inside: set[int] = set()
    for module in root.modules():
        if isinstance(module, nn.ModuleList) and id(module) not in inside:
            inside |= {id(part) for layer in module for part in layer.modules()}
            yield from (layer for layer in module if any(True for _ in layer.parameters()))


def _attentions(root: nn.Module) -> Iterator[nn.Module]:
    """Yield the self-attentions of a model: what calls transformers' attention functions."""
    for path, module in root.named_modules():
        name = path.rpartition(".")[2]
        is_whole = any(
            hasattr(module, part) for part in ("q_proj", "query", "c_attn", "q_lin", "Wqkv")
        )
        if is_whole and "cross" not in name and "encoder_attn" not in name:
            yield module


def _attention_shape(config: Any, *, tokens: int) -> tuple[int, int, int]:
    """Return key heads, prefix tokens and head size."""
    heads = config.num_attention_heads
    own = getattr(config, "num_key_value_heads", None) or heads
    return own, tokens, getattr(config, "head_dim", None) or _width(config) // heads


def _width(config: Any) -> int:
    return config.hidden_size


def _refusal(root: Any, name: str) -> SpecError:
    return SpecError(
        f"the method `{name}` must find its layers in the model; a {root.config.model_type} has "
        "none that it knows",
        hint="--method lora",
    )
