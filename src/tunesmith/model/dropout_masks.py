"""Dropout masks that cost next to nothing: windows into a pool of independent draws.

torch draws one Bernoulli number after another on a single core, which on a CPU takes longer than
the layer it regularises. Here a pool is drawn once, and each mask is a window of it at a random
offset. The numbers of one mask are independent; two masks of a run share numbers only where their
windows overlap, at shifted places.
"""

from __future__ import annotations

from functools import lru_cache

import torch

POOL_SIZE = 1 << 22
"""Numbers in the pool: a mask starts at one of millions of places."""

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
    if count > POOL_SIZE // 2:
        return torch.empty(shape).bernoulli_(1.0 - ratio).mul_(kept).to(dtype)
    offset = int(torch.randint(POOL_SIZE - count, ()))
    return _pool(ratio, dtype, kept)[offset : offset + count].view(shape)


@lru_cache(maxsize=8)
def _pool(ratio: float, dtype: torch.dtype, kept: float) -> torch.Tensor:
    generator = torch.Generator().manual_seed(POOL_SEED)
    draws = torch.empty(POOL_SIZE).bernoulli_(1.0 - ratio, generator=generator)
    return draws.mul_(kept).to(dtype)
