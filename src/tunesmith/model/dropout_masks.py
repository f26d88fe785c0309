"""Dropout masks that cost next to nothing: windows into a pool of independent draws.

torch draws one Bernoulli number after another on a single core, which on a CPU takes longer than
the layer it regularises. Here a pool is drawn once, and each mask is a window of it at a random
offset. The numbers of one window are independent; two windows of a run share numbers only where
they overlap, at shifted places. A mask too large for the pool is made of several windows.
"""

from __future__ import annotations

from functools import lru_cache

import torch

POOL_SIZE = 1 << 22
"""Numbers in the pool: a mask starts at one of millions of places."""

MOST_OF_A_WINDOW = POOL_SIZE // 2
"""Numbers of the longest window, which still begins at one of two million places."""

POOL_SEED = 20_140_615
"""The pool is the same in every process, so that only the offsets are state; they come from torch's
own generator, which checkpoints save."""


def draw_mask(
    shape: tuple[int, ...], ratio: float, *, dtype: torch.dtype, kept: float = 1.0
) -> torch.Tensor:
    """Return a mask of 0 (with probability `ratio`) and `kept`, that must not be written to.

    Source: Srivastava et al. 2014, §4, where `kept` is 1 / (1 - ratio) while training.
    """
    count = 1
    for side in shape:
        count *= side
    pool = _pool(ratio, dtype, kept)
    if count <= MOST_OF_A_WINDOW:
        return _window(pool, count).view(shape)
    mask = torch.empty(count, dtype=dtype)
    for part in mask.split(MOST_OF_A_WINDOW):
        part.copy_(_window(pool, len(part)))
    return mask.view(shape)


def _window(pool: torch.Tensor, count: int) -> torch.Tensor:
    offset = int(torch.randint(POOL_SIZE - count, ()))
    return pool[offset : offset + count]


@lru_cache(maxsize=8)
def _pool(ratio: float, dtype: torch.dtype, kept: float) -> torch.Tensor:
    generator = torch.Generator().manual_seed(POOL_SEED)
    draws = torch.empty(POOL_SIZE).bernoulli_(1.0 - ratio, generator=generator)
    return draws.mul_(kept).to(dtype)
