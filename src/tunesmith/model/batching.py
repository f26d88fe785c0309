"""Windows to arrays: batches counted in tokens, so that little padding is computed.

Everything but `collate` and `move` works without torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from tunesmith.model.encoding import Window

if TYPE_CHECKING:
    import torch

Batch: TypeAlias = "dict[str, torch.Tensor]"
Arrays: TypeAlias = dict[str, np.ndarray]
LENGTH_JITTER = 0.15


def plan_batches(
    lengths: np.ndarray, *, batch_tokens: int, seed: tuple[int, ...] | None = None
) -> list[np.ndarray]:
    """Return batches of window indices, each of at most `batch_tokens` tokens, padding included.

    Windows of similar length share a batch; one longer than the budget stands alone. With a seed,
    lengths are jittered and the batches shuffled, the same way for the same seed; without one, long
    batches come first so that memory peaks at once.
    """
    if not len(lengths):
        return []
    if seed is None:
        order = np.argsort(-lengths, kind="stable")
    else:
        random = np.random.default_rng(seed)
        noise = random.random(len(lengths))
        order = np.argsort(-(lengths * (1 + LENGTH_JITTER * noise) + 2 * noise), kind="stable")
    batches: list[np.ndarray] = []
    start, longest = 0, 0
    for end, index in enumerate(order):
        widened = max(longest, int(lengths[index]))
        if end > start and widened * (end - start + 1) > batch_tokens:
            batches.append(order[start:end])
            start, widened = end, int(lengths[index])
        longest = widened
    batches.append(order[start:])
    if seed is not None:
        random.shuffle(batches)
    return batches


def collate(windows: Sequence[Window], *, pad_id: int) -> Batch:
    """Return what `collate_arrays` does, as tensors."""
    import torch  # noqa: PLC0415 (answering by ONNX Runtime does without it)

    arrays = collate_arrays(windows, pad_id=pad_id)
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def collate_arrays(windows: Sequence[Window], *, pad_id: int) -> Arrays:
    """Return the arrays of one batch of B windows padded to the longest, T tokens.

    `input_ids` and `attention_mask` (B, T) int64; for word inputs also `word_rows` and
    `word_positions` (W,), the batch row and token position of every word answered for, and `shapes`
    (B, T) where case shapes are used.
    """
    longest = max(len(window.ids) for window in windows)
    ids = np.full((len(windows), longest), pad_id, dtype=np.int64)
    mask = np.zeros((len(windows), longest), dtype=np.int64)
    for number, window in enumerate(windows):
        ids[number, : len(window.ids)] = window.ids
        mask[number, : len(window.ids)] = 1
    batch: Arrays = {"input_ids": ids, "attention_mask": mask}
    positions = [window.positions for window in windows if window.positions is not None]
    if positions:
        rows = np.repeat(np.arange(len(windows)), [window.answers for window in windows])
        batch["word_rows"] = rows
        batch["word_positions"] = np.concatenate(positions).astype(np.int64)
    window_shapes = [window.shapes for window in windows if window.shapes is not None]
    if window_shapes:
        shapes = np.zeros((len(windows), longest), dtype=np.int64)
        for number, row in enumerate(window_shapes):
            shapes[number, : len(row)] = row
        batch["shapes"] = shapes
    return batch


def move(batch: Batch, device: Any) -> Batch:
    """Return the batch on `device`."""
    return {name: tensor.to(device, non_blocking=True) for name, tensor in batch.items()}
