"""The case shape of a word as an input: one vector a shape, added to the word embeddings.

It starts at zero, so an untrained shape changes nothing.
"""

from __future__ import annotations

import torch
from torch import nn

from tunesmith.model.word_shapes import NONE, SHAPES


class CaseShape(nn.Module):
    """An embedding of the shape index: (B, T) int → (B, T, H), zero at the start."""

    def __init__(self, hidden_size: int) -> None:
        """Make one zero vector a shape."""
        super().__init__()
        self.embedding = nn.Embedding(len(SHAPES), hidden_size, padding_idx=NONE)
        nn.init.zeros_(self.embedding.weight)

    def forward(self, shapes: torch.Tensor) -> torch.Tensor:
        """Return what is added to the word embeddings."""
        return self.embedding(shapes)
