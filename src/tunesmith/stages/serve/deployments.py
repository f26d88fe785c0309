"""Bundles that answer side by side: the requests that wait for them, and the workers that compute.

A request is given to one deployment and answered wholly by it, so that no answer is of two
versions. A service has one that is live, and more beside it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from tunesmith.stages.serve.pools import Pool
from tunesmith.stages.serve.queue import RequestQueue, Waiting
from tunesmith.store.bundles import Bundle
from tunesmith.tasks.task import Task

Role = Literal["live", "candidate", "shadow"]
"""Who a deployment answers: everybody; a share of the requests; nobody, it is only compared."""


@dataclass(frozen=True, slots=True)
class Served:
    """A model as it is served: the name it is asked by, and the bundle that answers.

    `word` is where the bundle was found: a path, or an alias that may come to mean another.
    """

    name: str
    bundle: Bundle
    word: str = ""

    @property
    def version(self) -> str:
        """The bundle's fingerprint: it names this exact model."""
        return self.bundle.fingerprint

    def holding(self, bundle: Bundle) -> Served:
        """Return the same model with another bundle."""
        return replace(self, bundle=bundle)


class Side(NamedTuple):
    """Who answers a request: a deployment, and the model in it."""

    deployment: Deployment
    served: Served


class Deployment:
    """Models, their queue and their workers. `asked` counts the requests that have no reply yet."""

    def __init__(
        self,
        role: Role,
        models: Iterable[Served],
        *,
        queue: RequestQueue,
        pool: Pool,
    ) -> None:
        """Prepare; the workers start with `pool.start()`."""
        self.role: Role = role
        self.models = {served.name: served for served in models}
        self.queue = queue
        self.pool = pool
        self.asked = 0
        self._done = asyncio.Event()

    @property
    def can_answer(self) -> bool:
        """Whether a request that comes now will be computed: at once, or by the next worker."""
        return self.pool.is_ready or self.pool.is_recovering

    def side(self, name: str) -> Side:
        """Return the model of a name."""
        return Side(self, self.models[name])

    def engine(self, name: str) -> str:
        """Return what computes for a model; empty before a worker is there."""
        return self.pool.models.get(name, {}).get("engine", "")

    async def ask(self, waiting: Waiting, until: Iterable[asyncio.Future], seconds: float) -> None:
        """Wait for the reply to a request, for one of `until`, or for so many seconds.

        A request that has no reply then is given up: its future is cancelled. Raises `Refusal`
        where the queue is full.
        """
        with self.asking():
            await self.queue.put(waiting)
            try:
                await asyncio.wait(
                    {waiting.reply, *until}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
                )
            finally:
                waiting.reply.cancel()

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Count a request that has no reply yet: the workers do not end before it has one."""
        self.asked += 1
        try:
            yield
        finally:
            self.asked -= 1
            self._done.set()

    async def drained(self) -> None:
        """Wait until every request has its reply or was given up."""
        while self.asked:
            self._done.clear()
            await self._done.wait()


def worker_settings(
    common: Mapping[str, Any], models: Iterable[Served], *, workers: int, niceness: int = 0
) -> dict[str, Any]:
    """Return what the workers of a deployment are told."""
    served = tuple(models)
    return {
        **common,
        "workers": workers,
        "niceness": niceness,
        "models": {each.name: str(each.bundle.path) for each in served},
        "versions": {str(each.bundle.path): each.version for each in served},
    }


def unlike(old: Task, new: Task) -> str:
    """Return why clients of one task could not be answered by another, or nothing."""
    if old.kind != new.kind:
        return f"its task must be {old.kind}; it is {new.kind}"
    if set(old.labels) != set(new.labels):
        gone = sorted(set(old.labels) - set(new.labels))
        added = sorted(set(new.labels) - set(old.labels))
        parts = [
            f"{words} {', '.join(f'`{label}`' for label in labels[:SHOWN_LABELS])}"
            for words, labels in (("lacks", gone), ("adds", added))
            if labels
        ]
        return f"its labels must be those of the model that answers; it {' and '.join(parts)}"
    if old.input_roles != new.input_roles:
        roles = ", ".join(f"`{role}`" for role in old.input_roles)
        return f"its rows must hold {roles}"
    return ""


SHOWN_LABELS = 5
