"""The service itself: which models it answers with, whether it is ready, and how a request fares.

It knows no HTTP but the statuses of refusals; `app` speaks it.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Iterable, Mapping
from http import HTTPStatus
from typing import Any, Literal, NamedTuple

from tunesmith.core.errors import Problem
from tunesmith.stages.serve.auditing import Auditor
from tunesmith.stages.serve.deployments import Deployment, Served, Side
from tunesmith.stages.serve.fleet import Fleet, Replay, Settings, UnfitError
from tunesmith.stages.serve.jobs import Jobs
from tunesmith.stages.serve.keys import Gatekeeper
from tunesmith.stages.serve.logs import EventLog
from tunesmith.stages.serve.metrics import Metrics
from tunesmith.stages.serve.problems import Refusal
from tunesmith.stages.serve.queue import Waiting
from tunesmith.stages.serve.rates import Rates
from tunesmith.stages.serve.replacing import Place, Replacer
from tunesmith.stages.serve.requests import Asked, RequestSpec, demands_of
from tunesmith.stages.serve.shadowing import Shadowing, is_in_share
from tunesmith.stages.serve.timeline import Tracing, note_waiting

State = Literal["starting", "ready", "stopping"]
LOST_RETRY_SECONDS = 2


class ClientGoneError(Exception):
    """Nobody waits for the answer any more."""


class Reply(NamedTuple):
    """Answers to the rows of a request, what their reader must know, who gave them, how soon."""

    answers: list[dict[str, Any]]
    warnings: list[str]
    side: Side
    seconds: float


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
        self.gatekeeper = gatekeeper
        self.rates = rates
        self.log = log
        self.tracing: Tracing | None = None
        self.metrics = Metrics()
        self.jobs = None if settings.jobs is None else Jobs(settings.jobs, log)
        if (jobs := self.jobs) is not None:
            self.metrics.jobs.labels("queued").set_function(lambda: jobs.queued)
            self.metrics.jobs.labels("running").set_function(lambda: jobs.running)
        self.state: State = "starting"
        self.problem = ""
        self.answered = 0
        self.refused = 0
        self.fleet = Fleet(settings, metrics=self.metrics, log=log)
        self._replacer = Replacer(self.fleet, settings, metrics=self.metrics, log=log)
        self._shadowing = Shadowing(self.metrics)
        self._replay: Replay | None = None
        self._started = asyncio.Event()
        self._refreshing: set[asyncio.Task] = set()

    @property
    def live(self) -> Deployment:
        """Who answers everybody."""
        return self.fleet.live

    @property
    def models(self) -> dict[str, Served]:
        """The models that answer, by name."""
        return self.live.models

    @property
    def is_ready(self) -> bool:
        """Whether requests are answered."""
        return self.state == "ready" and not self.problem and self.live.pool.is_ready

    @property
    def reasons(self) -> list[str]:
        """Why the service is not ready; empty where it is."""
        if self.is_ready:
            return []
        if self.state == "stopping":
            return ["it is being stopped"]
        if self.problem:
            return [self.problem]
        return self.live.pool.reasons or ["the canary rows are being replayed"]

    @property
    def warnings(self) -> list[str]:
        """Which replacements, candidates and shadows were refused, and why."""
        return [
            f"the {role} `{name}` was not replaced: {words}"
            for (role, name), words in self._replacer.problems.items()
        ]

    async def start(self, replay: Replay) -> None:
        """Load the models, replay their canary rows by `replay`, and be ready where all is right.

        A candidate or shadow that is not fit is left out.
        """
        self._replay = replay
        try:
            self.live.pool.start()
            await self.live.pool.settled()
            if not self.live.pool.is_ready:
                return
            await self.fleet.check(self.live, replay)
            self._be_ready()
            await self._replacer.open_beside(replay)
        except UnfitError as error:
            self.problem = str(error)
            self.log.write("not_ready", reason=self.problem)
        finally:
            self._started.set()

    def _be_ready(self) -> None:
        self.fleet.install(self.live)
        self.problem = ""
        if self.state == "starting":
            self.state = "ready"
            self.log.write("ready")

    async def refresh(self, names: Iterable[str]) -> set[Place]:
        """Read again what stands where these models came from, and put what is new in their place.

        Returns the places that were replaced; why others were not stands in `warnings`. Raises
        `Refusal` (503) where the service is being stopped.
        """
        task = asyncio.create_task(self._refresh(tuple(names)))
        self._refreshing.add(task)
        task.add_done_callback(self._refreshing.discard)
        await asyncio.wait({task})
        if task.cancelled() or self._replay is None:
            raise Refusal(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "the service must go on to replace a model; it is being stopped",
                hint="GET /readyz",
                retry_seconds=LOST_RETRY_SECONDS,
            )
        return task.result()

    async def _refresh(self, names: tuple[str, ...]) -> set[Place]:
        await self._started.wait()
        if self._replay is None or self.state == "stopping":
            raise asyncio.CancelledError
        pool = self.live.pool
        is_broken = bool(self.problem) or not (pool.is_ready or pool.is_recovering)
        is_broken = is_broken or self.state != "ready"
        replaced = await self._replacer.refresh(names, self._replay, is_broken=is_broken)
        for role, name in sorted(replaced):
            deployment = self.live if role == "live" else self.fleet.beside[name]
            version = deployment.models[name].version
            self.audit.replaced(self.log, fields={"role": role, "model": name, "version": version})
        if any(role == "live" for role, _ in replaced) and is_broken:
            self._be_ready()
        return replaced

    async def follow(self) -> None:
        """Replace the models whose aliases come to mean another bundle, as long as it serves."""
        await self._started.wait()
        await self._replacer.follow(self.refresh)

    def problem_of(self, name: str) -> list[str]:
        """Return why the last replacement of a model, its candidate or its shadow was refused."""
        return [
            f"{role}: {words}"
            for (role, own), words in self._replacer.problems.items()
            if own == name
        ]

    def abandon(self) -> None:
        """Stop accepting: replace nothing more, and compare nothing more."""
        self.state = "stopping"
        for task in list(self._refreshing):
            task.cancel()
        self._shadowing.close()

    async def stop(self) -> None:
        """End the workers; whoever was accepted has his answer by now."""
        self.abandon()
        if self._refreshing:
            await asyncio.wait(self._refreshing)
        await self.fleet.stop()
        self._replacer.close()
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
        is_waiting = self.state == "ready" and not self.problem and self.live.pool.is_recovering
        if not self.is_ready and not is_waiting:
            raise Refusal(
                HTTPStatus.SERVICE_UNAVAILABLE,
                [f"the service must be ready; {reason}" for reason in self.reasons],
                hint="GET /readyz",
                retry_seconds=LOST_RETRY_SECONDS,
            )

    async def answer(
        self, name: str, request: RequestSpec, asked: Asked, *, key: str, gone: Awaitable[Any]
    ) -> Reply:
        """Return the answers of a model to the rows of a request.

        Its candidate is asked first where `key` is of its share. Where that fails, or takes half of
        the time there is, the live model is asked. Raises `Refusal`, and `ClientGoneError` where
        `gone` ends first. What was not computed by then is not.
        """
        leaving = asyncio.ensure_future(gone)
        beside = self.fleet.beside.get(name)
        seconds = self.settings.limits.deadline_ms / 1000
        ends = time.monotonic() + seconds
        try:
            if beside is not None and beside.role == "candidate" and self._is_chosen(beside, key):
                try:
                    half = ends - seconds / 2
                    return await self._ask(beside.side(name), request, asked, leaving, ends=half)
                except Refusal as error:
                    own = (name, beside.models[name].version, error.reason)
                    self.metrics.candidate_failures.labels(*own).inc()
            reply = await self._ask(self.live.side(name), request, asked, leaving, ends=ends)
        finally:
            leaving.cancel()
        if beside is not None and beside.role == "shadow":
            demands = demands_of(request)
            self._shadowing.compare(
                beside.side(name), asked.rows, asked.tokens, demands=demands, answers=reply.answers
            )
        return reply

    async def answer_with(
        self, side: Side, request: RequestSpec, asked: Asked, gone: Awaitable[Any]
    ) -> Reply:
        """Return the answers of one side, whoever else there is.

        It may take as long as a batch may: a new version that is loaded beside one under load is
        slow, and not wrong.
        """
        leaving = asyncio.ensure_future(gone)
        ends = time.monotonic() + self.settings.batch.stuck_ms / 1000
        try:
            return await self._ask(side, request, asked, leaving, ends=ends)
        finally:
            leaving.cancel()

    def _is_chosen(self, candidate: Deployment, key: str) -> bool:
        name = next(iter(candidate.models))
        return candidate.can_answer and is_in_share(name, key, self.settings.candidate_share)

    async def _ask(
        self,
        side: Side,
        request: RequestSpec,
        asked: Asked,
        leaving: asyncio.Future,
        *,
        ends: float,
    ) -> Reply:
        """Return the reply of one side, which must be there when the clock says `ends`."""
        waiting = Waiting(
            side.served.name,
            asked.rows,
            asked.tokens,
            demands_of(request),
            asyncio.get_running_loop().create_future(),
        )
        reply = await self._reply_of(side, waiting, leaving, ends=ends)
        seconds = time.monotonic() - waiting.arrived
        return Reply(reply["answers"], reply["warnings"], side, seconds)

    async def compute(
        self, side: Side, waiting: Waiting, gone: Awaitable[Any]
    ) -> Mapping[str, Any]:
        """Return what a worker of one side replies to a request; raises as `answer` does."""
        leaving = asyncio.ensure_future(gone)
        ends = time.monotonic() + self.settings.limits.deadline_ms / 1000
        try:
            return await self._reply_of(side, waiting, leaving, ends=ends)
        finally:
            leaving.cancel()

    async def _reply_of(
        self, side: Side, waiting: Waiting, leaving: asyncio.Future, *, ends: float
    ) -> Mapping[str, Any]:
        try:
            await side.deployment.ask(waiting, {leaving}, max(0.0, ends - time.monotonic()))
        finally:
            note_waiting(waiting.arrived, waiting.taken)
        if waiting.reply.cancelled():
            if leaving.done():
                raise ClientGoneError
            raise self.too_late(side)
        return require_reply(waiting.reply.result())

    def too_late(self, side: Side) -> Refusal:
        """Return the refusal of a request whose answer took too long."""
        seconds = self.settings.limits.deadline_ms / 1000
        return Refusal(
            HTTPStatus.GATEWAY_TIMEOUT,
            f"an answer must be there within {seconds:g} seconds; it was not",
            hint="send fewer rows, or try again later",
            retry_seconds=side.deployment.queue.seconds_to_wait(),
        )


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
