"""The curve of a run mirrored while it grows, to TensorBoard, MLflow or Weights & Biases."""

from __future__ import annotations

import contextlib
import importlib.util
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from tunesmith.core.errors import MissingExtraError
from tunesmith.core.events import Event, Step, Validated

PROJECT = "tunesmith"
"""What the runs stand under: MLflow's experiment, Weights & Biases' project."""

PACKAGES = {
    "tensorboard": ("tensorboard", "pip install 'tunesmith[track]'"),
    "mlflow": ("mlflow", "pip install mlflow"),
    "wandb": ("wandb", "pip install wandb"),
}
"""By tracker: the package it needs, and how to get it."""


class _Mirror(Protocol):
    """What takes figures by name, at a step."""

    def write(self, figures: Mapping[str, float], step: int) -> None: ...

    def close(self) -> None: ...


@contextlib.contextmanager
def tracked(
    emit: Callable[[Event], None], *, tracker: str, folder: Path
) -> Iterator[Callable[[Event], None]]:
    """Give a listener that passes events on to `emit` and their figures to a tracker.

    TensorBoard's files go into `folder`. MLflow and Weights & Biases write where their own
    variables say (`MLFLOW_TRACKING_URI`, `WANDB_MODE`), in a run called as the folder above; they
    are opened at the first figure. Raises `MissingExtraError` where the package is not installed.
    """
    if tracker == "none":
        yield emit
        return
    package, hint = PACKAGES[tracker]
    if importlib.util.find_spec(package) is None:
        raise MissingExtraError(
            f"`training.track` {tracker} needs the package {package}, which is not installed",
            hint=hint,
        )
    mirror: _Mirror | None = None

    def listen(event: Event) -> None:
        nonlocal mirror
        if isinstance(event, Step | Validated):
            mirror = mirror or _open(tracker, folder)
            mirror.write(_figures(event), event.index)
        emit(event)

    try:
        yield listen
    finally:
        if mirror is not None:
            mirror.close()


def _figures(event: Step | Validated) -> dict[str, float]:
    if isinstance(event, Validated):
        return {f"valid/{event.measure}": event.value}
    return {
        "train/loss": event.loss,
        **{f"train/loss/{name}": loss for name, loss in event.parts.items()},
        "train/learning_rate": event.learning_rate,
        "train/tokens_per_second": event.tokens / max(event.seconds, 1e-9),
    }


def _open(tracker: str, folder: Path) -> _Mirror:
    if tracker == "tensorboard":
        return _TensorBoard(folder)
    return _Accelerated(tracker, name=folder.absolute().parent.name)


class _TensorBoard:
    def __init__(self, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 (an extra)

        self._writer = SummaryWriter(str(folder))

    def write(self, figures: Mapping[str, float], step: int) -> None:
        for name, value in figures.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        self._writer.close()


class _Accelerated:
    """A tracker of Accelerate's."""

    def __init__(self, tracker: str, *, name: str) -> None:
        from accelerate.tracking import MLflowTracker, WandBTracker  # noqa: PLC0415 (seconds)

        self._tracker: Any
        if tracker == "mlflow":
            os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # it phones home else
            self._tracker = MLflowTracker(PROJECT, logging_dir=None, run_name=name)
        else:
            self._tracker = WandBTracker(PROJECT, name=name)
        if hasattr(self._tracker, "start"):  # older ones of Accelerate have begun by now
            self._tracker.start()

    def write(self, figures: Mapping[str, float], step: int) -> None:
        # MLflow keeps a figure in a file of its name, which cannot be a folder too.
        named = {name.replace("/loss/", "/loss_"): value for name, value in figures.items()}
        self._tracker.log(named, step=step)

    def close(self) -> None:
        self._tracker.finish()
