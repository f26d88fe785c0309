"""What a service asks of whatever computes for it, and the two that do: own processes, and Ray."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from tunesmith.stages.serve.processes import Spares
from tunesmith.stages.serve.queue import RequestQueue, Waiting
from tunesmith.stages.serve.workers import WorkerPool

RAY_POOL = "tunesmith.stages.serve.ray_pool"


class Pool(Protocol):
    """Workers that take batches from one queue, each held to the canary rows before its first."""

    models: dict[str, Any]
    """What a worker told of each model: engine, exactness, canary rows."""

    def start(self) -> None:
        """Begin to start the workers."""
        ...

    async def settled(self) -> None:
        """Wait until workers are ready or have failed."""
        ...

    async def stop(self) -> None:
        """End all workers."""
        ...

    @property
    def is_ready(self) -> bool:
        """Whether any worker takes batches."""
        ...

    @property
    def is_recovering(self) -> bool:
        """Whether a worker that answered was lost, and the next has not failed to start yet."""
        ...

    @property
    def reasons(self) -> list[str]:
        """Why workers are not ready."""
        ...

    @property
    def ready_count(self) -> int:
        """How many workers take batches."""
        ...

    @property
    def computing(self) -> int:
        """How many requests are in the hands of workers."""
        ...


def make_pool(
    module: str,
    settings: Mapping[str, Any],
    *,
    queue: RequestQueue,
    spares: Spares,
    on_batch: Callable[[str, list[Waiting], dict[str, Any]], None],
    on_event: Callable[[str, dict[str, Any]], None],
) -> Pool:
    """Return the pool that the settings name under `on`; `module` is what a worker runs."""
    if settings.get("on") == "ray":
        make = importlib.import_module(RAY_POOL).RayPool
        return make(module, settings, queue=queue, on_batch=on_batch, on_event=on_event)
    return WorkerPool(settings, queue=queue, spares=spares, on_batch=on_batch, on_event=on_event)


def prepare_ray() -> None:
    """Import Ray, silent about its use. Raises `ModuleNotFoundError` where it is not installed."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    importlib.import_module("ray.serve")
