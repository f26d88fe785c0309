"""What is added to the word embeddings of a text that a network reads: where adversaries work.

Padding is never touched, and each row of a batch has a norm of its own: that of all its tokens.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch

from tunesmith.core.errors import SpecError
from tunesmith.model.batching import Batch
from tunesmith.model.heads import HeadModel


class WordShift:
    """A tensor added to the word embeddings of each text that `model` reads, while it is on.

    It has the shape that the architecture looks its words up in: (B, T, H), or (N, H) of packed
    tokens. Each pass reads it as a new leaf, `shift`, whose gradient is that of the embeddings.
    What a decoder writes, and what other networks on the same encoder read, stays as it is.
    """

    def __init__(self, model: HeadModel) -> None:
        """Make a shift for `model`, not yet attached."""
        self.model: Any = model
        self.table = _word_table(model)
        self.shift: torch.Tensor | None = None
        self.noise = 0.0
        self._is_on = False
        self._mask: torch.Tensor | None = None
        self._lengths = torch.empty(0, dtype=torch.long)
        self._is_text = torch.empty(0)

    @contextlib.contextmanager
    def attached(self) -> Iterator[None]:
        """Watch what the model reads."""
        handles = [
            self.model.register_forward_pre_hook(self._begin_reading),
            self.table.register_forward_hook(self._add),
            self.model.register_forward_hook(self._end_reading),
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    @contextlib.contextmanager
    def on(self, *, noise: float = 0.0) -> Iterator[None]:
        """Add to the words that are read: first nothing, or uniform noise of norm below `noise`.

        The noise is drawn in each pass, used in the first, so that passes draw the same numbers.
        """
        self.shift, self.noise, self._is_on = None, noise, True
        try:
            yield
        finally:
            self.shift, self._is_on, self._mask = None, False, None

    def leaf(self) -> torch.Tensor:
        """Return what was added in the last pass. Raises `SpecError` where no words were read."""
        if self.shift is None:
            raise SpecError(
                "`boost.adversarial` needs word embeddings that are looked up in a table; "
                f"{self.model.encoder.config.model_type} has others",
                hint="--set boost.adversarial=false",
            )
        return self.shift

    @torch.no_grad()
    def climb(self, gradient: torch.Tensor, *, size: float, most: float) -> None:
        """Move each row by `size` along its gradient, and back into the ball of radius `most`."""
        slope = gradient.float() * self._is_text
        moved = self.leaf().float() + size * slope / self._norms(slope).clamp(min=1e-30)
        factor = (most / self._norms(moved).clamp(min=1e-30)).clamp(max=1.0)
        self.shift = (moved * factor).to(gradient.dtype)

    def _begin_reading(self, _: Any, inputs: tuple[Batch, ...]) -> None:
        self._mask = inputs[0]["attention_mask"] if self._is_on else None

    def _end_reading(self, *_: Any) -> None:
        self._mask = None

    def _add(self, _: Any, __: Any, words: torch.Tensor) -> torch.Tensor:
        """Return the words with the shift added, where they are those of the text."""
        if self._mask is None:
            return words
        mask, self._mask = self._mask, None
        if words.dim() == 2:  # noqa: PLR2004 (packed: tokens of all rows end to end)
            self._lengths = mask.sum(dim=1)
            self._is_text = words.new_ones(len(words), 1)
        else:
            self._lengths = mask.new_full((len(mask),), mask.shape[1])
            self._is_text = mask.unsqueeze(-1).to(words.dtype)
        first = self._first(words, mask)
        self.shift = (first if self.shift is None else self.shift).detach().requires_grad_()
        return words + self.shift

    def _first(self, words: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return where the climb begins. Source: Zhu et al. 2020, algorithm 1, line 4."""
        if not self.noise:
            return torch.zeros_like(words)
        sizes = self.noise / (mask.sum(dim=1) * words.shape[-1]).to(words.dtype).sqrt()
        drawn = torch.empty_like(words).uniform_(-1.0, 1.0) * self._is_text
        return drawn * self._spread(sizes, words)

    def _norms(self, values: torch.Tensor) -> torch.Tensor:
        """Return the norm of each token's row, in a shape that divides (…, H)."""
        squares = values.pow(2).sum(dim=-1).flatten()
        sums = torch.segment_reduce(squares, "sum", lengths=self._lengths, axis=0)
        return self._spread(sums.sqrt(), values)

    def _spread(self, of_rows: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        """Return (…, 1) for each token the value of its row."""
        return of_rows.repeat_interleave(self._lengths).view(*like.shape[:-1], 1)


def _word_table(model: HeadModel) -> Any:
    """Return the module that looks up the words that a model reads."""
    encoder: Any = model.encoder
    if getattr(encoder.config, "is_encoder_decoder", False):
        encoder = encoder.get_encoder()
    return encoder.get_input_embeddings()
