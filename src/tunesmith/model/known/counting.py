"""How many weights a model of given sizes has: the arithmetic, to hold stated counts against.

It counts matrices, embeddings and norms of transformer layers and leaves out biases, which are well
below one per cent; the tests hold it to transformers' own count. Convolutions are not counted.

Source: Vaswani et al. 2017, §3 (the layer); Shazeer 2020, arXiv:2002.05202 (gated feed-forward
networks); Ainslie et al. 2023, arXiv:2305.13245 (fewer heads of keys and values).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunesmith.model.known.entry import Entry

TOLERANCE = 0.01
"""The largest share by which the arithmetic may miss the exact count."""

GATED = frozenset(
    {
        "modernbert",
        "qwen2",
        "qwen3",
        "llama",
        "smollm3",
        "gemma2",
        "gemma3_text",
        "phi3",
        "internlm2",
        "internlm3",
        "glm",
        "glm4",
    }
)
"""Architectures whose feed-forward networks have three matrices."""

POOLED = frozenset({"bert", "roberta", "xlm-roberta", "ernie", "vit"})
"""Architectures that read the first token by one more matrix."""

ROTARY = GATED | {"phi", "deberta-v2", "t5", "mt5"}
"""Architectures without an embedding for each position."""


def count_parameters(entry: Entry) -> int | None:
    """Return the weights that an entry's sizes make, or None for an architecture of convolutions.

    Within `TOLERANCE` of what transformers builds, tied weights once.
    """
    if entry.heads is None:
        return None
    config = entry.config
    if entry.kind == "image-text":
        return _count_towers(config)
    width, inner = entry.hidden_size, entry.feed_forward or 4 * entry.hidden_size
    is_gated = entry.architecture in GATED or config.get("feed_forward_proj") == "gated-gelu"
    attention = _attention_weights(width, entry.heads, config)
    feed_forward = (3 if is_gated else 2) * width * inner
    layers = entry.layers * (attention + feed_forward)
    if entry.kind == "seq2seq":
        layers = entry.layers * (3 * attention + 2 * feed_forward)
    return layers + _embedding_weights(entry) + _other_weights(entry)


def _attention_weights(width: int, heads: int, config: Mapping[str, Any]) -> int:
    """Return the matrices of queries, keys, values and output of one layer."""
    head = config.get("head_dim") or config.get("d_kv") or width // heads
    keys = config.get("num_key_value_heads") or heads
    return 2 * width * heads * head + 2 * width * keys * head


def _embedding_weights(entry: Entry) -> int:
    """Return the embeddings of tokens and positions, and an output layer that is not tied."""
    config, vocabulary = entry.config, entry.vocabulary or 0
    width = config.get("embedding_size", entry.hidden_size)
    positions = 0
    if entry.architecture not in ROTARY:
        positions = config.get("max_position_embeddings") or entry.context or 0
    if entry.kind == "seq2seq":
        positions *= 2
    has_output = entry.kind == "causal" and config.get("tie_word_embeddings") is False
    return (vocabulary * (2 if has_output else 1) + positions) * width


def _other_weights(entry: Entry) -> int:
    width, config = entry.hidden_size, entry.config
    count = width * width if entry.architecture in POOLED else 0
    if entry.architecture == "deberta-v2":
        count += 2 * config["position_buckets"] * width
    if config.get("embedding_size", width) != width:
        count += config["embedding_size"] * width
    if entry.kind == "vision":
        count += _patch_weights(config, width)
    return count


def _patch_weights(config: Mapping[str, Any], width: int) -> int:
    """Return the projection of a patch's three colours, and a position for each patch."""
    patch = config["patch_size"]
    return width * (3 * patch**2 + (config["image_size"] // patch) ** 2 + 1)


def _count_towers(config: Mapping[str, Any]) -> int:
    """Return the weights of a tower that reads texts, of one that reads images, and their ends."""
    text, image = config["text_config"], config["vision_config"]
    count = 0
    for tower in (text, image):
        width, inner = tower["hidden_size"], tower["intermediate_size"]
        count += tower["num_hidden_layers"] * (4 * width**2 + 2 * width * inner)
    count += (text["vocab_size"] + text["max_position_embeddings"]) * text["hidden_size"]
    count += _patch_weights(image, image["hidden_size"])
    if size := config.get("projection_dim"):
        return count + size * (text["hidden_size"] + image["hidden_size"])
    return count + text["hidden_size"] ** 2 + _pooling_weights(image)


def _pooling_weights(image: Mapping[str, Any]) -> int:
    """Return the layer by which SigLIP's images ask their patches for one vector."""
    width, inner = image["hidden_size"], image["intermediate_size"]
    return 4 * width**2 + 2 * width * inner
