"""All deployments of a service: the live one, those beside it, and those that are leaving.

It makes them, holds new ones to their records, and ends them. Who is asked is not its affair.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from tunesmith.core.reliability import Demands
from tunesmith.core.serving import BatchRecipe, ServiceLimits
from tunesmith.stages.serve.canary import compare_canary
from tunesmith.stages.serve.deployments import Deployment, Role, Served, Side, worker_settings
from tunesmith.stages.serve.jobs import JobSettings
from tunesmith.stages.serve.logs import EventLog
from tunesmith.stages.serve.metrics import Metrics
from tunesmith.stages.serve.pools import make_pool
from tunesmith.stages.serve.problems import Refusal
from tunesmith.stages.serve.processes import Spares
from tunesmith.stages.serve.queue import RequestQueue, Waiting
from tunesmith.store.bundles import Bundle

SHADOW_NICENESS = 19
"""The lowest priority: a shadow computes with what others leave of the processor."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a service is started with. `worker` is the module that a worker process runs.

    `find` reads the bundle that a word of a `Served` means now, `peek` tells which version that of
    an alias is without reading it. Both may wait for disk or database, and raise `TunesmithError`.
    """

    models: tuple[Served, ...]
    limits: ServiceLimits
    batch: BatchRecipe
    demands: Demands
    worker: str
    worker_settings: Mapping[str, Any]
    operations: tuple[dict[str, Any], ...]
    find: Callable[[str], Bundle]
    peek: Callable[[str], str]
    candidates: tuple[Served, ...] = ()
    candidate_share: float = 0.0
    shadows: tuple[Served, ...] = ()
    follow_seconds: float = 0.0
    spares: int = 0
    is_admin_apart: bool = False
    only_hosts: frozenset[str] = frozenset()
    jobs: JobSettings | None = None


class Replayed(NamedTuple):
    """Canary rows, and the answers that they got as requests."""

    rows: list[dict[str, Any]]
    answers: list[dict[str, Any]]


Replay = Callable[[Side], Awaitable[Replayed]]
"""What asks for a model's canary rows in the way that any client asks."""


class UnfitError(Exception):
    """A deployment that must not answer, and why."""


class Fleet:
    """The deployments of one service. `beside` has those that are not live, by model's name."""

    def __init__(self, settings: Settings, *, metrics: Metrics, log: EventLog) -> None:
        """Prepare; nothing is loaded before a deployment is opened."""
        self._settings = settings
        self._metrics = metrics
        self._log = log
        self._spares = Spares(settings.worker, count=settings.spares)
        self._leaving: dict[asyncio.Task, Deployment] = {}
        self.live = self.make("live", settings.models)
        self.beside: dict[str, Deployment] = {}
        metrics.queue_requests.set_function(lambda: sum(len(own.queue) for own in self._answering))
        metrics.queue_rows.set_function(lambda: sum(own.queue.rows for own in self._answering))
        metrics.computing.set_function(lambda: sum(own.pool.computing for own in self._answering))
        metrics.workers.set_function(lambda: self.live.pool.ready_count)

    def make(self, role: Role, models: Iterable[Served]) -> Deployment:
        """Return a deployment whose workers have not started."""
        models = tuple(models)
        settings = self._settings
        workers = self._workers(role)
        queue = RequestQueue(settings.limits, settings.batch, workers=workers)
        told = worker_settings(
            settings.worker_settings,
            models,
            workers=workers,
            niceness=SHADOW_NICENESS if role == "shadow" else 0,
        )
        pool = make_pool(
            settings.worker,
            told,
            queue=queue,
            spares=self._spares,
            on_batch=lambda model, batch, took: self._note_batch(made, model, batch, took),
            on_event=lambda event, fields: self._note_event(made, event, fields),
        )
        made = Deployment(role, models, queue=queue, pool=pool)
        return made

    def _workers(self, role: Role) -> int:
        count = self._settings.worker_settings["workers"]
        if role == "live":
            return count
        return max(1, round(count * self._settings.candidate_share)) if role == "candidate" else 1

    async def open(self, deployment: Deployment, replay: Replay) -> None:
        """Start a deployment's workers, and ask it for its canary rows as clients ask.

        Raises `UnfitError` where a worker does not come, or any answer is not that on record; the
        deployment is closed then.
        """
        try:
            deployment.pool.start()
            await deployment.pool.settled()
            if reasons := deployment.pool.reasons:
                raise UnfitError("; ".join(reasons))
            await self.check(deployment, replay)
        except BaseException:
            await deployment.pool.stop()
            raise

    async def check(self, deployment: Deployment, replay: Replay) -> None:
        """Hold the answers of all models to those on record. Raises `UnfitError`."""
        for name, served in deployment.models.items():
            facts = deployment.pool.models[name]
            try:
                rows, answers = await replay(deployment.side(name))
                found = compare_canary(rows, answers, is_exact=facts["is_exact"])
            except Refusal as error:
                found = str(error.problems[0])
            if found:
                raise UnfitError(f"`{name}`: {found}")
            self._log.write(
                "canary_replayed",
                model=name,
                version=served.version,
                role=deployment.role,
                rows=len(answers),
                engine=facts["engine"],
            )

    def install(self, deployment: Deployment) -> None:
        """Let a deployment that is open answer from now on; the one in its place leaves.

        The old one answers what it was asked, and ends.
        """
        name = next(iter(deployment.models))
        old = self.live if deployment.role == "live" else self.beside.get(name)
        if deployment.role == "live":
            self.live = deployment
        else:
            self.beside[name] = deployment
        self.note_served(deployment, serves=True)
        if old is None or old is deployment:
            return
        leaving = asyncio.create_task(self._leave(old))
        self._leaving[leaving] = old
        leaving.add_done_callback(lambda task: self._leaving.pop(task, None))

    async def _leave(self, old: Deployment) -> None:
        started, asked = time.monotonic(), old.asked
        await old.drained()
        await old.pool.stop()
        self.note_served(old, serves=False)
        self._metrics.forget_past(
            (name, served.version)
            for own in (self.live, *self.beside.values())
            for name, served in own.models.items()
        )
        seconds = round(time.monotonic() - started, 3)
        self._log.write("drained", role=old.role, requests=asked, seconds=seconds)

    async def settled(self) -> None:
        """Wait until no deployment is leaving, so that at most two hold a model at a time."""
        if self._leaving:
            await asyncio.wait(self._leaving)

    def note_served(self, deployment: Deployment, *, serves: bool) -> None:
        """Tell the figures which versions answer, or answer no more."""
        kept = {
            (own.role, name, served.version)
            for own in (self.live, *self.beside.values())
            for name, served in own.models.items()
        }
        for name, served in deployment.models.items():
            if serves or (deployment.role, name, served.version) not in kept:
                self._metrics.note_served(name, served.version, deployment.role, serves=serves)

    async def stop(self) -> None:
        """End all workers; whoever was accepted has his answer by now."""
        await self._spares.stop()
        for task in list(self._leaving):
            task.cancel()
        deployments = {self.live, *self.beside.values(), *self._leaving.values()}
        await asyncio.gather(*(own.pool.stop() for own in deployments))

    @property
    def _answering(self) -> Iterator[Deployment]:
        """All deployments whose answers somebody waits for."""
        every = (self.live, *self.beside.values(), *self._leaving.values())
        return (own for own in every if own.role != "shadow")

    def _note_batch(
        self, deployment: Deployment, model: str, batch: list[Waiting], took: dict[str, Any]
    ) -> None:
        metrics, now = self._metrics, time.monotonic()
        own = (model, deployment.models[model].version)
        metrics.batch_seconds.labels(*own).observe(took["seconds"])
        metrics.batch_requests.labels(*own).observe(len(batch))
        metrics.batch_rows.labels(*own).observe(sum(len(waiting.rows) for waiting in batch))
        metrics.batch_tokens.labels(*own).observe(sum(waiting.tokens for waiting in batch))
        for waiting in batch:
            metrics.queue_seconds.labels(*own).observe(now - waiting.arrived)
        if took.get("tokens") and deployment.role != "shadow":
            metrics.tokens_counted.labels(*own).inc(took["tokens"])
            metrics.tokens_unknown.labels(*own).inc(took["unknown"])

    def _note_event(self, deployment: Deployment, event: str, fields: dict[str, Any]) -> None:
        if event == "worker_lost":
            self._metrics.lost.inc()
        self._log.write(event, role=deployment.role, **fields)
