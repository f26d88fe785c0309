"""Training rows, encoded once.

They are windows, what the head should say of each, and the tensors of any batch. Both are flat
arrays: mapped from disk where the rows are many, and about 50 bytes a row in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch

from tunesmith.core.examples import Example
from tunesmith.model.batching import Batch, collate
from tunesmith.model.encoding import ENCODE_ROWS
from tunesmith.model.encoding_writing import written_ids
from tunesmith.model.packing import collate_packed
from tunesmith.model.windows import FlatWindows
from tunesmith.store.scratch import ScratchArray
from tunesmith.tasks.task import Task


@dataclass(frozen=True, slots=True)
class Rows:
    """Examples as the windows and targets that a head is trained on.

    `targets` holds one entry a window, (N,) indices or (N, C) of 0..1, or for word inputs one index
    for each word a window answers for, window after window; for questions (N, 2) which of the
    window's entries an answer begins and ends at. Texts to be written are in the windows, and
    `targets` is empty. `lengths` (N,) counts the tokens of each window, those written too.
    """

    examples: Sequence[Example]
    windows: FlatWindows
    lengths: np.ndarray
    targets: np.ndarray
    pad_id: int

    def batch(self, indices: np.ndarray) -> Batch:
        """Return the tensors of the windows at `indices`, with `targets`.

        Where a text was cut into several windows, `shares` (N,) are there too; word inputs never
        have them.
        """
        chosen = [self.windows[index] for index in indices]
        batch = collate(chosen, pad_id=self.pad_id)
        targets = written_ids(chosen) if self.windows.taught is not None else None
        batch["targets"] = torch.from_numpy(
            self._targets_of(indices) if targets is None else targets
        )
        if not self.windows.has_words and any(window.share != 1.0 for window in chosen):
            batch["shares"] = torch.tensor([window.share for window in chosen])
        return batch

    def packed_batch(self, rows: Sequence[np.ndarray]) -> Batch:
        """Return the tensors of a batch in whose rows several windows stand, with `targets`.

        `rows` holds the indices of the windows of each; their texts stand behind what is read.
        """
        chosen = [[self.windows[index] for index in row] for row in rows]
        batch = collate_packed(chosen, pad_id=self.pad_id)
        flat = [window for row in chosen for window in row]
        return batch | {"targets": torch.from_numpy(written_ids(flat))}

    def flat_targets(self) -> np.ndarray:
        """Return all targets in window order: (N,) indices or (N, C) 0/1.

        There is one row a window or, for word inputs, one a word.
        """
        return self.targets

    def sample(self, most: int, *, seed: int) -> tuple[FlatWindows, np.ndarray]:
        """Return at most so many of the windows, in their order, with their targets end to end."""
        if len(self.windows) <= most:
            return self.windows, self.targets
        chosen = np.random.default_rng(seed).choice(len(self.windows), most, replace=False)
        chosen.sort()
        return self.windows.take(chosen), self._targets_of(chosen)

    def _targets_of(self, indices: np.ndarray) -> np.ndarray:
        if self.windows.has_words and not self.windows.has_ends:
            return np.concatenate([self.targets[self.windows.words_of(at)] for at in indices])
        return self.targets[indices]


def make_rows(
    task: Task, examples: Sequence[Example], windows: FlatWindows, *, pad_id: int
) -> Rows:
    """Return examples whose windows are known as what a head is trained on, the examples read once.

    Windows that show no word to answer for, or have no text to teach, are left out. Of
    recommendations the windows are those of the items, and nothing but the events says what came
    next.
    """
    if windows.taught is not None:
        windows = windows.take(np.flatnonzero(windows.taught))
        targets = np.empty(0, dtype=np.int64)
    elif task.head == "recommend":
        targets = np.empty(0, dtype=np.int64)
    elif windows.has_ends:
        targets = _stretch_targets(task, examples, windows)
    elif windows.has_words:
        targets = _word_targets(task, examples, windows)
        if not windows.answers.all():
            windows = windows.take(np.flatnonzero(windows.answers))
    else:
        targets = _text_targets(task, examples)
        if len(windows) != len(examples):
            targets = targets[windows.rows]
    return Rows(examples, windows, windows.costs, targets, pad_id)


def _text_targets(task: Task, examples: Sequence[Example]) -> np.ndarray:
    """Return (rows,) indices or (rows, C) 0/1."""
    kept = ScratchArray()
    for block in _blocks(examples):
        kept.append(np.stack([_target(task, example) for example in block]))
    return kept.finish() if len(examples) else np.empty(0, dtype=np.int64)


def _word_targets(task: Task, examples: Sequence[Example], windows: FlatWindows) -> np.ndarray:
    """Return (answers,) the index of each word that a window answers for."""
    kept = ScratchArray()
    kept.append(np.empty(0, dtype=np.int64))
    number = 0
    for row, example in enumerate(examples):
        gold = _target(task, example)
        while number < len(windows) and windows.rows[number] == row:
            kept.append(gold[windows.arrays["words"][windows.words_of(number)]])
            number += 1
    return kept.finish()


def _stretch_targets(task: Task, examples: Sequence[Example], windows: FlatWindows) -> np.ndarray:
    """Return (N, 2) the entries of each window at which its row's answer begins and ends.

    Both are 0, no answer, where the window does not show the whole of it.
    """
    targets = np.zeros((len(windows), 2), dtype=np.int64)
    number = 0
    for row, example in enumerate(examples):
        start, end = task.target(example)
        while number < len(windows) and windows.rows[number] == row:
            own = windows.words_of(number)
            begins, ends = windows.arrays["words"][own][1:], windows.arrays["ends"][own][1:]
            first = np.flatnonzero((begins <= start) & (start < ends))
            last = np.flatnonzero((begins < end) & (end <= ends))
            if len(first) and len(last):
                targets[number] = first[0] + 1, last[0] + 1
            number += 1
    return targets


def _blocks(examples: Sequence[Example]) -> Iterator[list[Example]]:
    stream = iter(examples)
    while block := list(islice(stream, ENCODE_ROWS)):
        yield block


def _target(task: Task, example: Example) -> np.ndarray:
    target = task.target(example)
    is_vector_of_ratios = isinstance(target, list) and task.head != "tag"
    return np.asarray(target, dtype=np.float32 if is_vector_of_ratios else np.int64)
