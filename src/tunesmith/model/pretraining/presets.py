"""The sizes that a network may be made in, named by what they cost.

Parameters count everything, embeddings too, with the preset's own vocabulary: 1, 5 and 15 million.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shape:
    """Width, depth and what goes with them; `vocabulary` and `window_tokens` are defaults.

    Feed-forward layers are four times as wide, unless `feed_forward` gives their width. An
    encoder-decoder gives half of the layers to each
    side, so that it costs about the same. `dropout` is the ratio while training.
    """

    hidden_size: int
    layers: int
    heads: int
    vocabulary: int
    window_tokens: int
    dropout: float = 0.1
    feed_forward: int | None = None


SHAPES = {
    "tiny": Shape(hidden_size=96, layers=3, heads=3, vocabulary=6_000, window_tokens=128),
    "mini": Shape(hidden_size=256, layers=4, heads=4, vocabulary=7_000, window_tokens=256),
    "small": Shape(hidden_size=384, layers=6, heads=6, vocabulary=11_000, window_tokens=256),
}
DEFAULT_SIZE = "mini"
