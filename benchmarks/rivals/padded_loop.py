"""The loop of many tutorials: shuffle, pad every row to 128 tokens, float32, AdamW."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import torch
from compare import Slice
from torch.utils.data import DataLoader

from rivals.rows import RivalModel, count_real_tokens


def run_padded_loop(
    rival: RivalModel,
    rows: Sequence[dict[str, Any]],
    *,
    batch_rows: int,
    learning_rate: float,
    seed: int,
) -> Slice:
    """Train one epoch in place; return the real tokens read and the seconds of the loop.

    `rival` must have been loaded with `padding="max_length"`.
    """
    generator = torch.Generator().manual_seed(seed)
    loader = DataLoader(
        rows, batch_size=batch_rows, shuffle=True, generator=generator, collate_fn=rival.collator
    )
    optimizer = torch.optim.AdamW(rival.model.parameters(), lr=learning_rate)
    rival.model.train()
    started = time.perf_counter()
    for batch in loader:
        loss = rival.model(**batch).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return Slice(count_real_tokens(rows), time.perf_counter() - started)
