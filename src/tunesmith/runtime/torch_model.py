"""The torch back end: arrays to tensors on a device and back, the model in evaluation mode."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np
import torch

from tunesmith.model.batching import Arrays, move
from tunesmith.model.device import autocast
from tunesmith.model.heads import HeadModel


@contextlib.contextmanager
def computing(
    model: HeadModel, output: Literal["logits", "vectors"], *, device: Any, precision: str
) -> Iterator[Callable[[Arrays], np.ndarray]]:
    """Give the function from a batch's arrays to its float32 logits or vectors.

    The model leaves in the mode it came in.
    """
    was_training = model.training
    model.eval()
    forward = model if output == "logits" else model.vectors

    def compute(arrays: Arrays) -> np.ndarray:
        batch = {name: torch.from_numpy(array) for name, array in arrays.items()}
        with torch.inference_mode(), autocast(device, precision):
            return forward(move(batch, device)).float().cpu().numpy()

    try:
        yield compute
    finally:
        model.train(was_training)
