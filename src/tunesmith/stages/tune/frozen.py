"""Frozen lower layers, computed once: every epoch after that begins above them.

The embeddings and the lowest layers are not trained and read without dropout, so each token's state
above them is the same in every epoch. It is computed in one pass and kept, mapped from disk where
the rows are many.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from tunesmith.core.errors import SpecError
from tunesmith.core.events import Progress, Said
from tunesmith.model.batching import Batch, collate, plan_batches
from tunesmith.model.device import autocast
from tunesmith.model.hidden import can_pack, lower_states
from tunesmith.stages.tune.job import Job
from tunesmith.store.scratch import ScratchArray

READING_TOKENS = 4096


def freeze_layers(job: Job) -> Callable[[np.ndarray], Batch]:
    """Freeze what `training.freeze_layers` says, and return the function that makes a batch.

    Where the architecture can be entered above a layer, batches carry the `states` from which the
    trained layers go on; elsewhere the frozen layers are computed in each step, without gradients
    but with their dropout.
    Raises `SpecError` where the encoder has fewer layers.
    """
    count = job.recipe.freeze_layers
    if not count:
        return job.train.batch
    encoder: Any = job.model.encoder
    layers = encoder_layers(encoder)
    if count > len(layers):
        raise SpecError(
            f"`training.freeze_layers` must be at most {len(layers)}, the layers of "
            f"{encoder.config.model_type}; got {count}",
            hint=f"--set training.freeze_layers={len(layers) // 2}",
        )
    embeddings = getattr(encoder, "embeddings", None) or encoder.get_input_embeddings()
    frozen = [embeddings, *layers[:count]]
    if (shapes := getattr(job.model, "case_shape", None)) is not None:
        frozen.append(shapes)  # it is added below the frozen layers
    for module in frozen:
        module.requires_grad_(False)
    if not can_pack(encoder):
        job.emit(Said(f"the lowest {count} layers are frozen"))
        return job.train.batch
    states, starts = _read_states(job, count)
    job.emit(Said(f"the lowest {count} layers are frozen, and their states are kept"))
    lengths, first = job.train.lengths, torch.tensor(count)

    def load(indices: np.ndarray) -> Batch:
        places = [np.arange(starts[index], starts[index] + lengths[index]) for index in indices]
        kept = torch.from_numpy(states[np.concatenate(places)])
        return {**job.train.batch(indices), "states": _unpack(kept), "first_layer": first}

    return load


def encoder_layers(encoder: Any) -> list[torch.nn.Module]:
    """Return an encoder's layers from the lowest up: its longest list of equal modules."""
    lists = [module for module in encoder.modules() if isinstance(module, torch.nn.ModuleList)]
    return list(max(lists, key=len, default=[]))


def _read_states(job: Job, layers: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (tokens, H) states in the precision of tuning, and where each window's begin."""
    kept = ScratchArray()
    starts = np.zeros(len(job.train.lengths), dtype=np.int64)
    position = done = 0
    was_training = job.model.training
    job.model.eval()
    for indices in plan_batches(job.train.lengths, batch_tokens=READING_TOKENS):
        batch = collate([job.train.windows[index] for index in indices], pad_id=job.train.pad_id)
        with torch.inference_mode(), autocast(job.engine.device, job.engine.precision):
            kept.append(_pack(lower_states(job.model.encoder, batch, layers), job.engine.precision))
        ends = position + np.cumsum(job.train.lengths[indices])
        starts[indices] = np.concatenate([[position], ends[:-1]])
        position, done = int(ends[-1]), done + len(indices)
        job.emit(Progress("reading the frozen layers", done, len(starts), "windows"))
    job.model.train(was_training)
    return kept.finish(), starts


def _pack(states: torch.Tensor, precision: str) -> np.ndarray:
    """Return float32, or bf16 as the 16-bit integers that NumPy can hold."""
    if precision == "bf16":
        return states.to(torch.bfloat16).view(torch.int16).numpy()
    return states.numpy()


def _unpack(kept: torch.Tensor) -> torch.Tensor:
    return kept.view(torch.bfloat16) if kept.dtype == torch.int16 else kept
