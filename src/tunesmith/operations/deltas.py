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
from tunesmith.core.methods import DELTAS
from tunesmith.model.backbones import ModelCard
from tunesmith.model.batching import move
from tunesmith.model.deltas import BESIDE, Delta, attach, learned_beside, merge, save_delta
from tunesmith.model.heads import HeadModel
from tunesmith.operations.fit import FitSpec
from tunesmith.session import Session
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


def with_own_rate(spec: FitSpec) -> FitSpec:
    """Return a spec whose learning rate is the method's own, where the user gave none."""
    rate = getattr(spec.method, "learning_rate", None)
    if rate is None or "learning_rate" in spec.training.model_fields_set:
        return spec
    training = spec.training.model_copy(update={"learning_rate": rate})
    return spec.model_copy(update={"training": training})


def attach_delta(model: HeadModel, spec: FitSpec, session: Session) -> Delta | None:
    """Let the method learn beside the backbone of `model`, where it does; say how much it trains.

    Raises `SpecError` where the architecture does not allow it.
    """
    if spec.method.name not in DELTAS:
        return None
    method: DeltaMethod = spec.method  # type: ignore[assignment]
    delta = attach(model, method)
    count = sum(weight.numel() for weight in learned_beside(model, delta).values())
    share = count / delta.parameters
    session.emit(Said(f"{method.name}: {count:,} of {delta.parameters:,} parameters ({share:.2%})"))
    return delta


def settle_delta(
    job: Job, card: ModelCard, *, emit: Callable[[Event], None]
) -> SettledDelta | None:
    """Return the delta of a tuned job, and leave it merged into the model.

    The facts say how far raw outputs moved by the merge.
    """
    delta = job.delta
    if delta is None:
        return None
    before = _outputs(job)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "delta")
        size = save_delta(job.model, delta, path, base=card.name, sha256=card.sha256)
        files = {file.name: file.read_bytes() for file in sorted(path.iterdir())}
    trained = sum(weight.numel() for weight in learned_beside(job.model, delta).values())
    merge(job.model, delta)
    difference = float(np.abs(before - _outputs(job)).max(initial=0.0))
    is_merged = delta.method.name not in BESIDE
    how = f"merged, outputs moved by {difference:.1e}" if is_merged else "beside the model"
    emit(Said(f"delta: {size:,} bytes, {how}"))
    facts = {
        "trainable_parameters": trained,
        "backbone_parameters": delta.parameters,
        "bytes": size,
        "merged": is_merged,
        "merge_difference": difference if is_merged else None,
    }
    return SettledDelta(files, facts)


@torch.inference_mode()
def _outputs(job: Job) -> np.ndarray:
    """Return the raw outputs of some validation windows, in float32."""
    network: Any = job.model
    network.eval()
    batch = job.valid.batch(np.arange(min(COMPARED_WINDOWS, len(job.valid.windows))))
    return network(move(batch, job.engine.device)).float().cpu().numpy()
