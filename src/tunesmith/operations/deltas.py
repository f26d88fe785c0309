"""How `fit` handles what is learned beside a backbone: put in, measured, merged, and written."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tunesmith.core.deltas import DeltaMethod
from tunesmith.core.events import Event, Said
from tunesmith.core.methods import Method
from tunesmith.model.backbones import ModelCard
from tunesmith.model.batching import move
from tunesmith.model.deltas import BESIDE, Delta, attach, learned_beside, merge, save_delta
from tunesmith.model.heads import HeadModel
from tunesmith.operations.fit import FitSpec
from tunesmith.stages.tune.job import Job

COMPARED_WINDOWS = 32
"""Validation windows whose raw outputs are compared before and after a merge."""


@dataclass(frozen=True, slots=True)
class SettledDelta:
    """A delta as the bundle keeps it: its files by name, and the facts for the manifest."""

    files: dict[str, bytes]
    facts: dict[str, Any]

    def write(self, folder: Path) -> None:
        """Write the files into a new folder."""
        folder.mkdir()
        for name, content in self.files.items():
            (folder / name).write_bytes(content)


def with_own_training(spec: FitSpec) -> FitSpec:
    """Return a spec in which the settings of training that the user gave none for are the method's.

    That is its learning rate, and what else its `training` names.
    """
    rate = getattr(spec.method, "learning_rate", None)
    own = {} if rate is None else {"learning_rate": rate}
    own |= getattr(spec.method, "training", {})
    changes = {name: own[name] for name in own if name not in spec.training.model_fields_set}
    return spec.model_copy(update={"training": spec.training.model_copy(update=changes)})


def attach_delta(model: HeadModel, method: Method) -> Delta | None:
    """Let a method learn beside the backbone of `model`, where it does.

    Raises `SpecError` where the architecture does not allow it.
    """
    return attach(model, method) if isinstance(method, DeltaMethod) else None


def settle_delta(
    job: Job, card: ModelCard, *, emit: Callable[[Event], None]
) -> SettledDelta | None:
    """Return the delta of a tuned job, and leave it merged into the model; say what it costs.

    The facts say how far raw outputs moved by the merge.
    """
    delta = job.delta
    if delta is None:
        return None
    trained = sum(weight.numel() for weight in learned_beside(job.model, delta).values())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "delta")
        size = save_delta(job.model, delta, path, base=card.name, sha256=card.sha256)
        files = {file.name: file.read_bytes() for file in sorted(path.iterdir())}
    difference = None if delta.method.name in BESIDE else _merge(job, delta)
    how = "beside the model" if difference is None else f"merged, outputs moved by {difference:.1e}"
    share = trained / delta.parameters
    emit(
        Said(
            f"{delta.method.name}: {trained:,} of {delta.parameters:,} parameters ({share:.2%}), "
            f"a delta of {size:,} bytes, {how}"
        )
    )
    facts = {
        "trainable_parameters": trained,
        "backbone_parameters": delta.parameters,
        "bytes": size,
        "merged": difference is not None,
        "merge_difference": difference,
    }
    return SettledDelta(files, facts)


def _merge(job: Job, delta: Delta) -> float:
    """Merge a delta into the model of `job`; return how far raw outputs moved."""
    before = _outputs(job)
    merge(job.model, delta)
    return float(np.abs(before - _outputs(job)).max(initial=0.0))


@torch.inference_mode()
def _outputs(job: Job) -> np.ndarray:
    """Return the raw outputs of some validation windows, in float32."""
    network: Any = job.model
    network.eval()
    batch = job.valid.batch(np.arange(min(COMPARED_WINDOWS, len(job.valid.windows))))
    return network(move(batch, job.engine.device)).float().cpu().numpy()
