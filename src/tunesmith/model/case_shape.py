"""The case shape of a word, for vocabularies that fold case.

With it `Apple`, `apple` and `APPLE` are three inputs.

Source: case features of CoNLL-era taggers (Collobert et al. 2011, §6.1), here as an embedding that
is added to the input embeddings and starts at zero, so an untrained shape changes nothing.
"""

from __future__ import annotations

import torch
from torch import nn

from tunesmith.core.examples import WordsInput

SHAPES = ("none", "lower", "Title", "UPPER", "digits", "mixed")
NONE, LOWER, TITLE, UPPER, DIGITS, MIXED = range(len(SHAPES))


def word_shapes(inputs: WordsInput) -> list[int]:
    """Return one shape index a word; punctuation and scripts without case have none."""
    return [_shape(inputs.text[start:end]) for start, end in inputs.words]


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


def _shape(word: str) -> int:
    if word.isdigit():
        return DIGITS
    if word.islower():
        return LOWER
    if word.isupper():
        return UPPER if len(word) > 1 else TITLE
    if word[:1].isupper() and word[1:].islower():
        return TITLE
    has_case = any(letter.isupper() or letter.islower() for letter in word)
    return MIXED if has_case else NONE
