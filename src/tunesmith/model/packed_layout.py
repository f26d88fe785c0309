"""Where packed tokens stand in their rows, and the way to the heads of attention and back."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch.nn import functional

NO_ATTENTION = -1e9
"""What stands for minus infinity at keys that are padding; a row is never padding alone."""


SAME_SIZES = 32
"""Counts of tokens are multiples of this in bf16. oneDNN builds each product anew for every count
that it has not met, which takes a third of the product's own time (docs/speed.md)."""


@dataclass(frozen=True)
class Layout:
    """Where N packed tokens stand in B rows of T places, to be read by `heads` heads.

    Packed, they are the first `count` of `size` rows; the others are idle. What is read of those is
    finite and counts for nothing, and their gradients are 0. `places` (N,) is each token's index in
    the flattened (B * T); None where there is no padding. `key_bias` (B, 1, 1, T) float32 is 0 at
    tokens and `NO_ATTENTION` at padding; None likewise.
    """

    rows: int
    width: int
    heads: int
    count: int
    size: int
    places: torch.Tensor | None
    key_bias: torch.Tensor | None

    @classmethod
    def of(cls, mask: torch.Tensor, *, heads: int, precision: torch.dtype) -> Layout:
        """Return the layout of a (B, T) mask of 0 and 1; padding needs an idle row at least."""
        rows, width = mask.shape
        multiple = 1 if precision is torch.float32 else SAME_SIZES
        if bool(mask.all()):
            count = rows * width
            return cls(rows, width, heads, count, _round_up(count, multiple), None, None)
        key_bias = (1.0 - mask.to(torch.float32)) * NO_ATTENTION
        places = mask.flatten().nonzero().flatten()
        count = len(places)
        size = _round_up(count + 1, multiple)
        return cls(rows, width, heads, count, size, places, key_bias[:, None, None, :])

    def pack(self, padded: torch.Tensor) -> torch.Tensor:
        """Return (N, …) from (B * T, …)."""
        return padded if self.places is None else padded.index_select(0, self.places)

    def extend(self, packed: torch.Tensor) -> torch.Tensor:
        """Return (size, W) from (N, W), idle rows being 0."""
        return functional.pad(packed, (0, 0, 0, self.size - self.count))

    def pad(self, packed: torch.Tensor) -> torch.Tensor:
        """Return (B * T, …) from (size, …), padding being 0."""
        if self.places is None:
            return packed[: self.count]
        padded = packed.new_zeros(self.rows * self.width, *packed.shape[1:])
        return padded.index_copy_(0, self.places, packed[: self.count])

    def split(self, rows: torch.Tensor, parts: int) -> torch.Tensor:
        """Return (parts, B * heads, T, D) from (size, parts * heads * D).

        Padding is what the first idle row holds. It is one pass over memory, where padding first
        and parting the heads then would be two.
        """
        index = self._split_three if parts == 3 else self._split_one  # noqa: PLR2004
        size = rows.shape[1] // (parts * self.heads)
        found = rows.view(-1, size).index_select(0, index)
        return found.view(parts, self.rows * self.heads, self.width, size)

    def join(self, split: torch.Tensor) -> torch.Tensor:
        """Return (size, parts * heads * D) from (parts, B * heads, T, D), idle rows being 0."""
        parts, size = len(split), split.shape[-1]
        index = self._join_three if parts == 3 else self._join_one  # noqa: PLR2004
        found = split.new_empty(self.size, parts * self.heads * size)
        taken = found[: self.count].view(-1, size)
        torch.index_select(split.view(-1, size), 0, index, out=taken)
        found[self.count :].zero_()
        return found

    @cached_property
    def head_bias(self) -> torch.Tensor | None:
        """(B * heads, 1, T) float32: what `key_bias` adds to the scores of each head."""
        if self.key_bias is None:
            return None
        return self.key_bias[:, 0].repeat_interleave(self.heads, dim=0)

    @cached_property
    def _tokens(self) -> torch.Tensor:
        """(B * T,): which token stands at each place; the first idle row at padding."""
        if self.places is None:
            return torch.arange(self.count)
        tokens = torch.full((self.rows * self.width,), self.count)
        tokens[self.places] = torch.arange(self.count)
        return tokens

    @cached_property
    def _split_three(self) -> torch.Tensor:
        return self._split_index(3)

    @cached_property
    def _split_one(self) -> torch.Tensor:
        return self._split_index(1)

    @cached_property
    def _join_three(self) -> torch.Tensor:
        return self._join_index(3)

    @cached_property
    def _join_one(self) -> torch.Tensor:
        return self._join_index(1)

    def _split_index(self, parts: int) -> torch.Tensor:
        """Return where (parts, B, heads, T) find their D numbers in (size, parts, heads)."""
        pieces = torch.arange(parts * self.heads).view(parts, 1, self.heads, 1)
        tokens = self._tokens.view(1, self.rows, 1, self.width)
        return (tokens * (parts * self.heads) + pieces).flatten()

    def _join_index(self, parts: int) -> torch.Tensor:
        """Return where (N, parts, heads) find their D numbers in (parts, B, heads, T)."""
        count = self.rows * self.width
        places = torch.arange(count) if self.places is None else self.places
        row, place = places // self.width, places % self.width
        starts = row * (self.heads * self.width) + place
        pieces = (
            torch.arange(parts)[:, None] * (count * self.heads)
            + torch.arange(self.heads) * self.width
        )
        return (starts[:, None] + pieces.flatten()).flatten()


def _round_up(count: int, multiple: int) -> int:
    return -(-count // multiple) * multiple
