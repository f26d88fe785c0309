"""The last hidden states of an encoder: packed where the architecture allows, else as it comes.

On a CPU the BERT family is computed by `packed_layer`, on the weights of the transformers module
itself; everything else runs transformers' own forward pass.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from tunesmith.model.backbones import writing_of
from tunesmith.model.batching import Batch
from tunesmith.model.bert_family import first_position, is_bert_encoder
from tunesmith.model.dropout_masks import draw_mask
from tunesmith.model.packed_layer import LayerSettings, LayerWeights, PackedLayer
from tunesmith.model.packed_layout import Layout


def can_pack(encoder: Any) -> bool:
    """Tell whether `packed_layer` computes this encoder: its family, on a CPU, with GELU.

    A delta that is more than another weight makes its encoder `is_plain`.
    """
    config = encoder.config
    return (
        is_bert_encoder(config)
        and config.hidden_act == "gelu"
        and getattr(config, "position_embedding_type", "absolute") in {None, "absolute"}
        and encoder.embeddings.word_embeddings.weight.device.type == "cpu"
        and not getattr(encoder, "is_plain", False)
    )


def hidden_states(encoder: Any, batch: Batch, *, added: torch.Tensor | None = None) -> torch.Tensor:
    """Return (B, T, H) float32 or autocast's type; what stands at padding is undefined.

    `input_ids` and `attention_mask` of the batch are (B, T), padded on the right. Of a model with a
    decoder they are the states of that, which reads the same text once more. Two things only work
    where `can_pack` says so: `added` (B, T, H) joins the input embeddings, and where the batch has
    `states`, packed as `lower_states` gives them, the layers below `first_layer` are not computed.
    """
    ids, mask = batch["input_ids"], batch["attention_mask"]
    if not can_pack(encoder):
        more = type_inputs(encoder, batch) | _decoder_inputs(encoder, ids)
        return encoder(input_ids=ids, attention_mask=mask, **more)[0]
    first = 0
    with _own_precision() as precision:
        layout = _layout(encoder, mask, precision)
        if "states" in batch:
            hidden = layout.extend(batch["states"].float())
            first = int(batch["first_layer"])
        else:
            hidden = _embed(encoder, batch, layout, added)
        hidden = _climb(encoder, hidden, layout, range(first, _depth(encoder)), precision)
        return layout.pad(hidden).view(layout.rows, layout.width, -1)


def type_inputs(encoder: Any, batch: Batch) -> Batch:
    """Return the batch's `token_type_ids`, where it has them and the encoder tells types apart.

    A tokenizer may mark the second text though its model cannot (DistilBERT).
    """
    can_tell = getattr(encoder.config, "type_vocab_size", 0) > 1
    return {name: batch[name] for name in ("token_type_ids",) if can_tell and name in batch}


def has_decoder(encoder: Any) -> bool:
    """Tell whether a bare model has an encoder and a decoder."""
    return all(getattr(encoder, name, None) is not None for name in ("encoder", "decoder"))


def _decoder_inputs(encoder: Any, ids: torch.Tensor) -> dict[str, Any]:
    """Return what a model that could also write is given beside (B, T) ids to read them."""
    if has_decoder(encoder):
        start = ids.new_full((len(ids), 1), encoder.config.decoder_start_token_id)
        return {"decoder_input_ids": torch.cat([start, ids[:, :-1]], dim=1), "use_cache": False}
    return {"use_cache": False} if writing_of(encoder.config) == "causal" else {}


def lower_states(encoder: Any, batch: Batch, layers: int) -> torch.Tensor:
    """Return (N, H) float32: the states of a batch's N tokens after the lowest `layers` layers.

    Tokens stand in the order of the rows, without padding. Only for what `can_pack` accepts.
    """
    with _own_precision() as precision:
        layout = _layout(encoder, batch["attention_mask"], precision)
        hidden = _embed(encoder, batch, layout, None)
        return _climb(encoder, hidden, layout, range(layers), precision)[: layout.count]


def average_states(encoder: Any, batch: Batch) -> torch.Tensor:
    """Return (B, T, H) float32: the mean of each token's states behind every layer.

    The embeddings are left out; what stands at padding is undefined. Of a model with a decoder the
    encoder alone is asked.
    """
    ids, mask = batch["input_ids"], batch["attention_mask"]
    if has_decoder(encoder):
        encoder = encoder.get_encoder()
    if not can_pack(encoder):
        types = type_inputs(encoder, batch)
        found = encoder(ids, attention_mask=mask, output_hidden_states=True, **types)
        states = found.hidden_states[1:]
        return torch.stack([state.float() for state in states]).mean(dim=0)
    depth = _depth(encoder)
    with _own_precision() as precision:
        layout = _layout(encoder, mask, precision)
        hidden = _embed(encoder, batch, layout, None)
        total = torch.zeros_like(hidden, dtype=torch.float32)
        for number in range(depth):
            hidden = _climb(encoder, hidden, layout, range(number, number + 1), precision)
            total += hidden
        return layout.pad(total / depth).view(layout.rows, layout.width, -1)


@contextlib.contextmanager
def _own_precision() -> Iterator[torch.dtype]:
    """Give the type of matrix products, and keep autocast from casting once more."""
    precision = torch.float32
    if torch.is_autocast_enabled("cpu"):
        precision = torch.get_autocast_dtype("cpu")
    with torch.autocast("cpu", enabled=False):
        yield precision


def _climb(
    encoder: Any, hidden: torch.Tensor, layout: Layout, layers: range, precision: torch.dtype
) -> torch.Tensor:
    for number in layers:
        layer = encoder.encoder.layer[number]
        settings = _settings(encoder, layer, precision)
        hidden = PackedLayer.apply(hidden, layout, settings, *_weights(layer))
        if hasattr(layer, "beside"):
            hidden = layer.beside[0](hidden)
    return hidden


def _layout(encoder: Any, mask: torch.Tensor, precision: torch.dtype) -> Layout:
    return Layout.of(mask, heads=encoder.config.num_attention_heads, precision=precision)


def _depth(encoder: Any) -> int:
    return len(encoder.encoder.layer)


def _embed(encoder: Any, batch: Batch, layout: Layout, added: torch.Tensor | None) -> torch.Tensor:
    """Return the layout's rows: word, position and segment embeddings, normalised, dropped out."""
    tables = encoder.embeddings
    positions = torch.arange(layout.width).repeat(layout.rows) + first_position(encoder.config)
    words = tables.word_embeddings(layout.pack(batch["input_ids"].flatten()))
    places = tables.position_embeddings(layout.pack(positions))
    if types := type_inputs(encoder, batch):
        segments = tables.token_type_embeddings(layout.pack(types["token_type_ids"].flatten()))
    else:
        segments = tables.token_type_embeddings.weight[0]
    hidden = words + places + segments
    if added is not None:
        hidden = hidden + layout.pack(added.flatten(0, 1))
    return layout.extend(_drop(tables.LayerNorm(hidden), tables.dropout))


def _drop(hidden: torch.Tensor, dropout: nn.Dropout) -> torch.Tensor:
    if not dropout.training or not dropout.p:
        return hidden
    kept = 1.0 / (1.0 - dropout.p)
    return hidden * draw_mask(tuple(hidden.shape), dropout.p, dtype=hidden.dtype, kept=kept)


def _settings(encoder: Any, layer: Any, precision: torch.dtype) -> LayerSettings:
    hidden, attention = layer.output.dropout, layer.attention.self.dropout
    return LayerSettings(
        head_size=encoder.config.hidden_size // encoder.config.num_attention_heads,
        epsilon=encoder.config.layer_norm_eps,
        precision=precision,
        dropout=hidden.p if hidden.training else 0.0,
        attention_dropout=attention.p if attention.training else 0.0,
        is_learning=torch.is_grad_enabled(),
    )


def _weights(layer: Any) -> LayerWeights:
    attention = layer.attention
    linears = (attention.self.query, attention.self.key, attention.self.value)
    parts = [
        *linears,
        attention.output.dense,
        attention.output.LayerNorm,
        layer.intermediate.dense,
        layer.output.dense,
        layer.output.LayerNorm,
    ]
    return LayerWeights._make(tensor for part in parts for tensor in _affine(part))


def _affine(linear: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Return weight and bias of a linear layer or norm, with what a delta makes of them."""
    if not hasattr(linear, "base_layer"):
        return linear.weight, linear.bias
    from tunesmith.model.low_rank import effective  # noqa: PLC0415 (imports peft)

    return effective(linear)
