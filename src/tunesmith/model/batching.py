"""Windows to arrays: batches counted in tokens, so that little padding is computed.

All that makes arrays works without torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from tunesmith.model.framing import Window

if TYPE_CHECKING:
    import torch

Batch: TypeAlias = "dict[str, torch.Tensor]"
Arrays: TypeAlias = dict[str, np.ndarray]
LENGTH_JITTER = 0.15
PARTNERS = "partners"
"""The name in a batch of (N,) indices: which other entry of its targets each is mixed with."""


def plan_units(
    lengths: np.ndarray,
    units: np.ndarray,
    *,
    batch_tokens: int,
    seed: tuple[int, ...] | None = None,
) -> list[np.ndarray]:
    """Return what `plan_batches` does, with all windows of a unit in one batch.

    `units` (N,) never fall: windows of a unit stand side by side.
    """
    firsts = np.flatnonzero(np.diff(units, prepend=-1))
    counts = np.diff(firsts, append=len(units))
    longest = np.maximum.reduceat(lengths, firsts) if len(firsts) else lengths
    planned = plan_batches(longest, counts=counts, batch_tokens=batch_tokens, seed=seed)
    return [
        np.concatenate([np.arange(firsts[unit], firsts[unit] + counts[unit]) for unit in batch])
        for batch in planned
    ]


def plan_batches(
    lengths: np.ndarray,
    *,
    batch_tokens: int,
    seed: tuple[int, ...] | None = None,
    counts: np.ndarray | None = None,
    start_tokens: int | None = None,
) -> list[np.ndarray]:
    """Return batches of window indices, each of at most `batch_tokens` tokens, padding included.

    Windows of similar length share a batch; one longer than the budget stands alone. With a seed,
    lengths are jittered and the batches shuffled, the same way for the same seed; without one, long
    batches come first so that memory peaks at once. With `counts` (N,), an index stands for so many
    windows of its length.
    """
    if not len(lengths):
        return []
    if seed is None:
        order = np.argsort(-lengths, kind="stable")
    else:
        random = np.random.default_rng(seed)
        noise = random.random(len(lengths))
        order = np.argsort(-(lengths * (1 + LENGTH_JITTER * noise) + 2 * noise), kind="stable")
    sizes = np.ones(len(lengths), dtype=np.int64) if counts is None else counts
    cuts = set() if start_tokens is None else _cuts(lengths[order], sizes[order], start_tokens)
    batches: list[np.ndarray] = []
    start, longest, size = 0, 0, 0
    for end, index in enumerate(order):
        widened, own = max(longest, int(lengths[index])), int(sizes[index])
        if end > start and (end in cuts or widened * (size + own) > batch_tokens):
            batches.append(order[start:end])
            start, widened, size = end, int(lengths[index]), 0
        longest, size = widened, size + own
    batches.append(order[start:])
    if seed is not None:
        random.shuffle(batches)
    return batches


def _cuts(lengths: np.ndarray, sizes: np.ndarray, start_tokens: int) -> set[int]:
    """Return where parts of falling `lengths` begin so that padded tokens and starts sum to least.

    By dynamic programming over the lengths that differ: the best parts up to a length are those up
    to where the last of them begins, and that one.
    """
    places = np.flatnonzero(np.diff(lengths, prepend=-1))
    before = np.concatenate([[0], np.cumsum(sizes)])[[*places, len(lengths)]]
    costs = np.zeros(len(places) + 1)
    begins = np.zeros(len(places) + 1, dtype=np.int64)
    for end in range(1, len(places) + 1):
        padded = (before[end] - before[:end]) * lengths[places[:end]]
        ways = costs[:end] + start_tokens + padded
        begins[end] = ways.argmin()
        costs[end] = ways[begins[end]]
    cuts, end = set(), len(places)
    while end:
        end = int(begins[end])
        cuts.add(int(places[end]))
    return cuts


def split_lengths(lengths: np.ndarray) -> list[np.ndarray]:
    """Return the places of `lengths` (N,) in parts of like length, the shortest first.

    The longest of a part is at most twice its shortest: for batches whose texts must be judged
    together, but need not be padded together.
    """
    order = np.argsort(lengths, kind="stable")
    parts: list[np.ndarray] = []
    while len(order):
        alike = int(np.searchsorted(lengths[order], 2 * lengths[order[0]], side="right"))
        parts.append(order[:alike])
        order = order[alike:]
    return parts


def collate(windows: Sequence[Window], *, pad_id: int) -> Batch:
    """Return what `collate_arrays` does, as tensors."""
    import torch  # noqa: PLC0415 (answering by ONNX Runtime does without it)

    arrays = collate_arrays(windows, pad_id=pad_id)
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def collate_arrays(windows: Sequence[Window], *, pad_id: int) -> Arrays:
    """Return the arrays of one batch of B windows padded to the longest, T tokens.

    `input_ids` and `attention_mask` (B, T) int64; for word inputs also `word_rows` and
    `word_positions` (W,), the batch row and token position of every word answered for, and `shapes`
    (B, T) where case shapes are used; `token_type_ids` (B, T) where second texts have type 1;
    `marks` (B, 2) where stretches are marked; `slots` and `rows` (B,) where a row has several
    windows that are judged together, rows being numbered within the batch. Where a text is written,
    `written_ids` (B, S) beside the tokens, or none where it stands behind them, and `places` (N,):
    where in the flattened (B * S) it stands, or in (B * T) what comes before each of its tokens.

    A window without a token, which an empty text is where no special ones stand around it, is one
    token that fills.
    """
    longest = max(1, *(len(window.ids) for window in windows))
    ids = np.full((len(windows), longest), pad_id, dtype=np.int64)
    mask = np.zeros((len(windows), longest), dtype=np.int64)
    for number, window in enumerate(windows):
        ids[number, : len(window.ids)] = window.ids
        mask[number, : max(1, len(window.ids))] = 1
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
    parts = _part_arrays(windows, longest)
    return batch | parts | _written_arrays(windows, longest, pad_id=pad_id)


def _part_arrays(windows: Sequence[Window], longest: int) -> Arrays:
    """Return the arrays that only rows of several parts have."""
    arrays: Arrays = {}
    if any(window.second for window in windows):
        types = np.zeros((len(windows), longest), dtype=np.int64)
        for number, window in enumerate(windows):
            types[number, window.second or longest : len(window.ids)] = 1
        arrays["token_type_ids"] = types
    marks = [window.marks for window in windows if window.marks is not None]
    if marks:
        arrays["marks"] = np.stack(marks).astype(np.int64)
    slots = [window.slot for window in windows if window.slot is not None]
    if slots:
        rows = np.array([window.row for window in windows])
        arrays["slots"] = np.array(slots, dtype=np.int64)
        arrays["rows"] = np.unique(rows, return_inverse=True)[1].astype(np.int64)
    return arrays


def _written_arrays(windows: Sequence[Window], longest: int, *, pad_id: int) -> Arrays:
    """Return the arrays that only windows with something to write have."""
    guessed = [window.guessed for window in windows if window.guessed is not None]
    if guessed:
        places = [row * longest + own - 1 for row, own in enumerate(guessed)]
        return {"places": np.concatenate(places).astype(np.int64)}
    written = [window.written for window in windows if window.written is not None]
    if not written:
        return {}
    lengths = np.array([len(own) for own in written])
    ids = np.full((len(written), max(1, lengths.max())), pad_id, dtype=np.int64)
    for row, own in enumerate(written):
        ids[row, : len(own)] = own
    is_there = np.arange(ids.shape[1]) < lengths[:, None]
    return {"written_ids": ids, "places": np.flatnonzero(is_there.ravel()).astype(np.int64)}


def move(batch: Batch, device: Any) -> Batch:
    """Return the batch on `device`."""
    return {name: tensor.to(device, non_blocking=True) for name, tensor in batch.items()}


def double_batch(batch: Batch) -> Batch:
    """Return a batch with each row twice, all of them behind all of them.

    What points into the batch points into its own half.
    """
    ids = batch["input_ids"]
    sizes = {
        "word_rows": len(ids),
        "rows": int(batch["rows"].max()) + 1 if "rows" in batch else 0,
        "places": batch.get("written_ids", ids).numel(),
        PARTNERS: len(batch["targets"]),
    }
    doubled = {
        name: tensor.repeat(2, *[1] * (tensor.dim() - 1)) if tensor.dim() else tensor
        for name, tensor in batch.items()
    }
    for name in sizes.keys() & doubled.keys():
        doubled[name][len(batch[name]) :] += sizes[name]
    return doubled


def join_batches(batches: Sequence[Batch], **more: torch.Tensor) -> Batch:
    """Return several batches as one: tensor `name` of batch k is `k.name`. `more` stand beside."""
    named = {
        f"{number}.{name}": tensor
        for number, batch in enumerate(batches)
        for name, tensor in batch.items()
    }
    return named | more


def split_batch(batch: Batch) -> list[Batch]:
    """Return the batches that `join_batches` was given."""
    parts: dict[int, Batch] = {}
    for key, tensor in batch.items():
        number, _, name = key.partition(".")
        if name:
            parts.setdefault(int(number), {})[name] = tensor
    return [parts[number] for number in sorted(parts)]


def count_tokens(batch: Batch) -> int:
    """Return the real (non-padding) tokens of a batch, or of joined ones.

    Those that a decoder writes beside what it reads are counted too.
    """
    tokens = 0
    for key, tensor in batch.items():
        prefix, _, name = key.rpartition(".")
        if name == "attention_mask":
            tokens += int(tensor.sum())
        elif name == "written_ids":
            tokens += batch[f"{prefix}.places" if prefix else "places"].numel()
    return tokens
