"""Training rows, encoded once.

They are windows, what the head should say of each, and the tensors of any batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from tunesmith.core.examples import Example
from tunesmith.model.batching import Batch, collate
from tunesmith.model.encoding import Reading, Window, encode_windows
from tunesmith.tasks.task import Task


@dataclass(frozen=True, slots=True)
class Rows:
    """Examples as the windows and targets that a head is trained on.

    `targets` holds one entry a window: an index, a 0/1 vector (C,), or one index a word;
    `lengths` counts the tokens of each window.
    """

    examples: Sequence[Example]
    windows: list[Window]
    lengths: np.ndarray
    targets: list[np.ndarray]
    pad_id: int

    def batch(self, indices: np.ndarray) -> Batch:
        """Return the tensors of the windows at `indices`, with `targets`.

        Where a text was cut into several windows, `shares` (N,) are there too; word inputs never
        have them.
        """
        chosen = [self.windows[index] for index in indices]
        batch = collate(chosen, pad_id=self.pad_id)
        targets = [self.targets[index] for index in indices]
        tagged = chosen[0].words is not None
        batch["targets"] = torch.from_numpy(
            np.concatenate(targets) if tagged else np.stack(targets)
        )
        if not tagged and any(window.share != 1.0 for window in chosen):
            batch["shares"] = torch.tensor([window.share for window in chosen])
        return batch

    def flat_targets(self) -> np.ndarray:
        """Return all targets in window order: (N,) indices or (N, C) 0/1.

        There is one row a window or, for word inputs, one a word.
        """
        tagged = bool(self.windows) and self.windows[0].words is not None
        return np.concatenate(self.targets) if tagged else np.stack(self.targets)


def encode_rows(tokenizer: Any, task: Task, examples: Sequence[Example], reading: Reading) -> Rows:
    """Return the examples as windows with targets.

    Windows that show no word to answer for are left out.
    """
    windows = [
        window
        for window in encode_windows(tokenizer, [example.inputs for example in examples], reading)
        if window.words is None or len(window.words)
    ]
    gold = [_target(task, example) for example in examples]
    targets = [
        gold[window.row] if window.words is None else gold[window.row][window.words]
        for window in windows
    ]
    lengths = np.array([len(window.ids) for window in windows], dtype=np.int64)
    return Rows(examples, windows, lengths, targets, tokenizer.pad_token_id)


def _target(task: Task, example: Example) -> np.ndarray:
    target = task.target(example)
    is_vector_of_ratios = isinstance(target, list) and task.head == "classify"
    return np.asarray(target, dtype=np.float32 if is_vector_of_ratios else np.int64)
