"""The torch back end: arrays to tensors on a device and back, the model in evaluation mode."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Literal

import numpy as np
import torch

from tunesmith.model.batching import Arrays, Batch, move
from tunesmith.model.device import autocast
from tunesmith.model.heads import HeadModel, linear_of


@contextlib.contextmanager
def computing(
    model: HeadModel, output: Literal["logits", "vectors", "both"], *, device: Any, precision: str
) -> Iterator[Callable[[Arrays], np.ndarray]]:
    """Give the function from a batch's arrays to its float32 logits, vectors, or both side by side.

    The model leaves in the mode it came in.
    """
    was_training = model.training
    model.eval()
    forward = _forward(model, output)

    def compute(arrays: Arrays) -> np.ndarray:
        batch = {name: torch.from_numpy(array) for name, array in arrays.items()}
        with torch.inference_mode(), autocast(device, precision):
            return forward(move(batch, device)).float().cpu().numpy()

    try:
        yield compute
    finally:
        model.train(was_training)


def _forward(
    model: Any, output: Literal["logits", "vectors", "both"]
) -> Callable[[Batch], torch.Tensor]:
    """Return what computes an output; some models give no vectors."""
    match output:
        case "logits":
            return model
        case "vectors":
            return model.vectors
    return partial(_both, model)


def _both(model: Any, batch: Batch) -> torch.Tensor:
    """Return (B, C + H): logits, then the vectors that they are made of."""
    vectors = model.vectors(batch)
    return torch.cat([linear_of(model)(vectors), vectors], dim=-1)
