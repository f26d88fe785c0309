"""Several short texts in one row of a batch, without padding, none of which sees another.

Positions begin anew with each text; transformers reads from them where one ends (its
`masking_utils.find_packed_sequence_indices`), where a model passes them on.
"""

from __future__ import annotations

import inspect
from bisect import bisect_left, insort
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from tunesmith.model.batching import LENGTH_JITTER, Batch
from tunesmith.model.framing import Window
from tunesmith.model.heads.generate import Writer

LARGEST_DIFFERENCE = 1e-3
"""Logits that a trial may differ by: rounding gives 1e-5, a text that sees another far more."""

TRIAL = (3, 5, 4)
"""Lengths of the texts of that trial."""


def plan_packed(
    lengths: np.ndarray, *, row_tokens: int, batch_tokens: int, seed: tuple[int, ...]
) -> list[list[np.ndarray]]:
    """Return batches of rows, each row the indices of windows that share it.

    A row has at most `row_tokens` tokens, a batch `batch_tokens`; a longer window stands alone. The
    longest come first, each to the row that it leaves the least room in (best fit; Johnson 1974);
    lengths are jittered and rows shuffled, the same way for the same seed.
    """
    random = np.random.default_rng(seed)
    noise = random.random(len(lengths))
    order = np.argsort(-(lengths * (1 + LENGTH_JITTER * noise)), kind="stable")
    rows: list[list[int]] = []
    rooms: list[tuple[int, int]] = []
    for index in order.tolist():
        length = int(lengths[index])
        at = bisect_left(rooms, (length, -1))
        if at < len(rooms):
            room, row = rooms.pop(at)
        else:
            room, row = row_tokens, len(rows)
            rows.append([])
        rows[row].append(index)
        if room > length:
            insort(rooms, (room - length, row))
    each = max(1, batch_tokens // row_tokens)
    packed = [np.array(rows[row]) for row in random.permutation(len(rows))]
    return [packed[start : start + each] for start in range(0, len(packed), each)]


def collate_packed(rows: Sequence[Sequence[Window]], *, pad_id: int) -> Batch:
    """Return the tensors of one batch of B rows padded to the longest, T tokens.

    `input_ids`, `attention_mask` and `position_ids` (B, T) int64, the last beginning at 0 with each
    window and with what pads; `places` (N,) as `collate_arrays` gives them.
    """
    longest = max(sum(len(window.ids) for window in row) for row in rows)
    ids = np.full((len(rows), longest), pad_id, dtype=np.int64)
    mask, positions = np.zeros_like(ids), np.zeros_like(ids)
    places = []
    for number, row in enumerate(rows):
        at = 0
        for window in row:
            end = at + len(window.ids)
            ids[number, at:end], mask[number, at:end] = window.ids, 1
            positions[number, at:end] = np.arange(end - at)
            if window.guessed is not None:
                places.append(number * longest + at + window.guessed - 1)
            at = end
        positions[number, at:] = np.arange(longest - at)
    arrays = {
        "input_ids": ids,
        "attention_mask": mask,
        "position_ids": positions,
        "places": np.concatenate(places).astype(np.int64),
    }
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def why_unpacked(model: Any) -> str:
    """Return why texts cannot share a row of this model, or nothing where they can: it is tried."""
    if not isinstance(model, Writer) or model.writing != "causal" or model.pooling == "words":
        return "only a decoder that goes on behind what it reads takes several texts in a row"
    if "position_ids" not in inspect.signature(model.whole.forward).parameters:
        return f"{model.whole.config.model_type} takes no positions"
    if _trial_difference(model) > LARGEST_DIFFERENCE:
        return f"in {model.whole.config.model_type} a text sees those before it in its row"
    return ""


@torch.inference_mode()
def _trial_difference(model: Writer) -> float:
    """Return how far the logits of texts in one row are from those of each alone."""
    was_training = model.training
    model.eval()
    random = np.random.default_rng(0)
    size = model.whole.get_input_embeddings().num_embeddings
    windows = [
        Window(random.integers(size, size=length), 0, 1.0, guessed=np.arange(1, length))
        for length in TRIAL
    ]
    device = next(model.parameters()).device
    together, *alone = (
        model({name: tensor.to(device) for name, tensor in collate_packed([row], pad_id=0).items()})
        for row in (windows, *([window] for window in windows))
    )
    model.train(was_training)
    return float((together - torch.cat(alone)).abs().max())
