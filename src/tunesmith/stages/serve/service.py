"""The service itself: which models it answers with, whether it is ready, and how a request fares.

It knows no HTTP but the statuses of refusals; `app` speaks it.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal, NamedTuple

from tunesmith.core.errors import Problem
from tunesmith.core.reliability import Demands
from tunesmith.core.serving import BatchRecipe, ServiceLimits
from tunesmith.stages.serve.auditing import Auditor
from tunesmith.stages.serve.canary import compare_canary
from tunesmith.stages.serve.jobs import Jobs, JobSettings
from tunesmith.stages.serve.keys import Gatekeeper
from tunesmith.stages.serve.logs import EventLog
from tunesmith.stages.serve.metrics import Metrics
from tunesmith.stages.serve.problems import Refusal
from tunesmith.stages.serve.queue import RequestQueue, Waiting
from tunesmith.stages.serve.rates import Rates
from tunesmith.stages.serve.requests import Asked, RequestSpec, demands_of
from tunesmith.stages.serve.workers import WorkerPool
from tunesmith.store.bundles import Bundle

State = Literal["starting", "ready", "stopping"]
LOST_RETRY_SECONDS = 2


class ClientGoneError(Exception):
    """Nobody waits for the answer any more."""


class Reply(NamedTuple):
    """Answers to the rows of a request, and what their reader must know."""

    answers: list[dict[str, Any]]
    warnings: list[str]


class Replayed(NamedTuple):
    """Canary rows, and the answers that they got as requests."""

    rows: list[dict[str, Any]]
    answers: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Served:
    """A model as it is served: the name it is asked by, and the bundle that answers."""

    name: str
    bundle: Bundle

    @property
    def version(self) -> str:
        """The bundle's fingerprint: it names this exact model."""
        return self.bundle.fingerprint


@dataclass(frozen=True, slots=True)
class Settings:
    """What a service is started with. `worker` is the module that a worker process runs."""

    models: tuple[Served, ...]
    limits: ServiceLimits
    batch: BatchRecipe
    demands: Demands
    worker: str
    worker_settings: Mapping[str, Any]
    operations: tuple[dict[str, Any], ...]
    is_admin_apart: bool = False
    only_hosts: frozenset[str] = frozenset()
    jobs: JobSettings | None = None


class Service:
    """Bundles that answer requests, from the first canary row to the last accepted request."""

    def __init__(
        self,
        settings: Settings,
        *,
        gatekeeper: Gatekeeper,
        rates: Rates,
        log: EventLog,
        audit: Auditor | None = None,
    ) -> None:
        """Prepare; nothing is loaded before `start`."""
        self.audit = audit or Auditor()
        self.settings = settings
        self.models = {served.name: served for served in settings.models}
        self.gatekeeper = gatekeeper
        self.rates = rates
        self.log = log
        self.metrics = Metrics()
        self.jobs = None if settings.jobs is None else Jobs(settings.jobs, log)
        if (jobs := self.jobs) is not None:
            self.metrics.jobs.labels("queued").set_function(lambda: jobs.queued)
            self.metrics.jobs.labels("running").set_function(lambda: jobs.running)
        self.state: State = "starting"
        self.problem = ""
        self.answered = 0
        self.refused = 0
        workers = settings.worker_settings["workers"]
        self.queue = RequestQueue(settings.limits, settings.batch, workers=workers)
        self.metrics.queue_requests.set_function(lambda: len(self.queue))
        self.metrics.queue_rows.set_function(lambda: self.queue.rows)
        self.metrics.computing.set_function(lambda: self.pool.computing)
        self.pool = WorkerPool(
            settings.worker,
            settings.worker_settings,
            queue=self.queue,
            on_batch=self._note_batch,
            on_event=self._note_event,
        )

    @property
    def is_ready(self) -> bool:
        """Whether requests are answered."""
        return self.state == "ready" and not self.problem and self.pool.is_ready

    @property
    def reasons(self) -> list[str]:
        """Why the service is not ready; empty where it is."""
        if self.is_ready:
            return []
        if self.state == "stopping":
            return ["it is being stopped"]
        if self.problem:
            return [self.problem]
        return self.pool.reasons or ["the canary rows are being replayed"]

    async def start(self, replay: Callable[[Served], Awaitable[Replayed]]) -> None:
        """Load the models, replay their canary rows by `replay`, and be ready where all is right.

        `replay` asks for a model's canary rows in the way that any client asks.
        """
        self.pool.start()
        await self.pool.settled()
        if not self.pool.is_ready:
            return
        for served in self.models.values():
            facts = self.pool.models[served.name]
            try:
                rows, answers = await replay(served)
                found = compare_canary(rows, answers, is_exact=facts["is_exact"])
            except Refusal as error:
                found = str(error.problems[0])
            if found:
                self.problem = f"`{served.name}`: {found}"
                self.log.write("not_ready", reason=self.problem)
                return
            self.log.write(
                "canary_replayed",
                model=served.name,
                version=served.version,
                rows=len(answers),
                engine=facts["engine"],
            )
        if self.state == "starting":
            self.state = "ready"
            self.log.write("ready")

    async def stop(self) -> None:
        """End the workers; whoever was accepted has his answer by now."""
        self.state = "stopping"
        await self.pool.stop()
        self.gatekeeper.close()

    def find_model(self, name: str | None) -> Served:
        """Return the model of a name, or the only one. Raises `Refusal`."""
        if name is None and len(self.models) == 1:
            return next(iter(self.models.values()))
        names = ", ".join(f"`{known}`" for known in self.models)
        if name is None:
            raise Refusal(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                Problem(f"`model` must be one of {names}", "nothing", "request"),
                hint="GET /v1/models",
            )
        if name not in self.models:
            raise Refusal(
                HTTPStatus.NOT_FOUND,
                Problem(f"`model` must be one of {names}", repr(name[:80]), "request"),
                hint="GET /v1/models",
            )
        return self.models[name]

    def require_ready(self) -> None:
        """Raise `Refusal` (503) where no request can be answered.

        While a lost worker is being replaced, requests may wait for the next.
        """
        is_waiting = self.state == "ready" and not self.problem and self.pool.is_recovering
        if not self.is_ready and not is_waiting:
            raise Refusal(
                HTTPStatus.SERVICE_UNAVAILABLE,
                [f"the service must be ready; {reason}" for reason in self.reasons],
                hint="GET /readyz",
                retry_seconds=LOST_RETRY_SECONDS,
            )

    async def answer(
        self, served: Served, request: RequestSpec, asked: Asked, gone: Awaitable[Any]
    ) -> Reply:
        """Return the answers to the rows of a request.

        Raises `Refusal`, and `ClientGoneError` where `gone` ends first. What was not computed by
        then is not.
        """
        waiting = Waiting(
            served.name,
            asked.rows,
            asked.tokens,
            demands_of(request),
            asyncio.get_running_loop().create_future(),
        )
        reply = await self.compute(waiting, gone)
        return Reply(reply["answers"], reply["warnings"])

    async def compute(self, waiting: Waiting, gone: Awaitable[Any]) -> Mapping[str, Any]:
        """Return what a worker replies to a request; raises as `answer` does."""
        await self.queue.put(waiting)
        leaving = asyncio.ensure_future(gone)
        try:
            await asyncio.wait(
                {waiting.reply, leaving},
                timeout=self.settings.limits.deadline_ms / 1000,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if not waiting.reply.done():
                if leaving.done():
                    raise ClientGoneError
                raise self.too_late()
            return require_reply(waiting.reply.result())
        finally:
            waiting.reply.cancel()
            leaving.cancel()

    def too_late(self) -> Refusal:
        """Return the refusal of a request whose answer took too long."""
        seconds = self.settings.limits.deadline_ms / 1000
        return Refusal(
            HTTPStatus.GATEWAY_TIMEOUT,
            f"an answer must be there within {seconds:g} seconds; it was not",
            hint="send fewer rows, or try again later",
            retry_seconds=self.queue.seconds_to_wait(),
        )

    def _note_batch(self, model: str, batch: list[Waiting], seconds: float) -> None:
        metrics, now = self.metrics, time.monotonic()
        metrics.batch_seconds.labels(model).observe(seconds)
        metrics.batch_requests.labels(model).observe(len(batch))
        metrics.batch_rows.labels(model).observe(sum(len(waiting.rows) for waiting in batch))
        metrics.batch_tokens.labels(model).observe(sum(waiting.tokens for waiting in batch))
        for waiting in batch:
            metrics.queue_seconds.labels(model).observe(now - waiting.arrived)

    def _note_event(self, event: str, fields: dict[str, Any]) -> None:
        if event == "worker_lost":
            self.metrics.lost.inc()
        self.metrics.workers.set(sum(slot.is_ready for slot in self.pool.slots))
        self.log.write(event, **fields)


def require_reply(reply: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a worker replied. Raises `Refusal` where that is no answer."""
    if not reply.keys() & {"lost", "error", "failure"}:
        return reply
    if "lost" in reply:
        raise Refusal(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "the process that answers must go on to the end; it was lost",
            hint="send the request again",
            retry_seconds=LOST_RETRY_SECONDS,
        )
    if "error" in reply:
        error = reply["error"]
        problems = [Problem(**problem) for problem in error["problems"]]
        # What a request asks of answers is well formed; it is the bundle that cannot give it.
        is_demand = error["error"] == "spec"
        status = HTTPStatus.CONFLICT if is_demand else HTTPStatus(reply["status"])
        raise Refusal(status, problems, hint=_in_fields(error["hint"]))
    raise Refusal(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "the model must be able to answer these rows; it was not",
        hint="ask whoever runs this service; the log names the kind of failure",
    )


def _in_fields(hint: str) -> str:
    """Return a hint with the names of fields in the place of flags."""
    return re.sub(r"--([a-z]+(?:-[a-z]+)*)", lambda match: f"`{match[1].replace('-', '_')}`", hint)
