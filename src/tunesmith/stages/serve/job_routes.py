"""HTTP for long jobs: ask for one, look at it, follow its events, stop it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from tunesmith.core.errors import Problem, TunesmithError
from tunesmith.core.jobs import RunRequest
from tunesmith.core.spec import build_spec
from tunesmith.stages.serve.jobs import Jobs
from tunesmith.stages.serve.problems import Refusal, json_bytes, refuse
from tunesmith.stages.serve.requests import SCHEMA_HINT, read_json, unwritable
from tunesmith.stages.serve.trails import EventStream

if TYPE_CHECKING:
    from tunesmith.store.runs import Run

RUNS = "/v1/runs"
RUN = "/v1/runs/{run}"
EVENTS = "/v1/runs/{run}/events"
NUMBER = re.compile(r"[0-9]{1,15}")
LISTED = 20
MOST_LISTED = 200
Endpoint = Callable[[Request], Awaitable[Any]]


class Door:
    """What the routes of jobs need of those of answers.

    `admit` lets a caller in who may start work, or refuses him; `read_body` returns what he sent.
    """

    def __init__(
        self,
        admit: Callable[[Request], Awaitable[Any]],
        read_body: Callable[[Request], Awaitable[bytes]],
    ) -> None:
        """Keep both."""
        self.admit = admit
        self.read_body = read_body


def job_routes(jobs: Jobs, door: Door) -> list[Route]:
    """Return the routes of a service that takes jobs."""
    return [
        Route(RUNS, _collection(jobs, door), methods=["GET", "POST"]),
        Route(RUN, _one(jobs, door), methods=["GET", "DELETE"]),
        Route(EVENTS, _Events(jobs, door), methods=["GET"]),
    ]


def _collection(jobs: Jobs, door: Door) -> Endpoint:
    async def runs(request: Request) -> Response:
        await door.admit(request)
        if request.method == "POST":
            return await _ask(jobs, door, request)
        found = await jobs.list(_read_limit(request.query_params))
        return _json({"runs": [_summary(run) for run in found]})

    runs.route = RUNS  # type: ignore[attr-defined]
    return runs


async def _ask(jobs: Jobs, door: Door, request: Request) -> Response:
    fields = read_json(await door.read_body(request))
    if bad := unwritable(fields):
        raise _unprocessable(Problem("every text must be Unicode", bad, "request"))
    try:
        run = await jobs.submit(build_spec(RunRequest, fields, where="request"))
    except TunesmithError as error:
        raise refuse(error) from None
    passage = request.scope["passage"]
    passage.facts = {"run": run.id, "operation": run.operation}
    place = f"{RUNS}/{run.id}"
    body = {"request_id": passage.request_id, "run": _whole(run)}
    return _json(body, HTTPStatus.ACCEPTED, {"location": place})


def _one(jobs: Jobs, door: Door) -> Endpoint:
    async def run(request: Request) -> Response:
        await door.admit(request)
        identity = request.path_params["run"]
        request.scope["passage"].facts = {"run": identity[:8]}
        if request.method == "DELETE":
            return _json({"run": _whole(await jobs.cancel(identity))}, HTTPStatus.ACCEPTED)
        return _json({"run": _whole(await jobs.find(identity))})

    run.route = RUN  # type: ignore[attr-defined]
    return run


class _Events:
    """The route of a run's events; its answer is sent while the run goes on."""

    route = EVENTS

    def __init__(self, jobs: Jobs, door: Door) -> None:
        self._jobs = jobs
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        await self._door.admit(request)
        after = _read_number(request.headers.get("last-event-id", "0"))
        run = await self._jobs.find(request.path_params["run"])
        answer = self._answer(self._jobs.trail_of(run), after)
        self._jobs.readers += 1
        try:
            await answer(scope, receive, send)
        finally:
            self._jobs.readers -= 1

    def _answer(self, trail: Any, after: int) -> ASGIApp:
        limits = self._jobs.settings.limits
        if trail.is_over and after >= trail.last:  # so that an EventSource does not come back
            return Response(status_code=HTTPStatus.NO_CONTENT)
        if self._jobs.readers >= limits.readers:
            raise Refusal(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"at most {limits.readers:,} streams of events are read at once",
                hint="try again after the seconds of Retry-After",
                retry_seconds=limits.heartbeat_ms / 1000,
            )
        return EventStream(
            trail, after=min(after, trail.last), heartbeat_seconds=limits.heartbeat_ms / 1000
        )


def _summary(run: Run) -> dict[str, Any]:
    """Return a run without what it was asked and what it gave."""
    names = ("id", "operation", "status", "started", "finished", "out", "name", "note")
    own = {name: getattr(run, name) for name in names}
    return {**own, "tags": list(run.tags), "events": f"{RUNS}/{run.id}/events"}


def _whole(run: Run) -> dict[str, Any]:
    return {**_summary(run), "spec": run.spec, "result": run.result, "problem": run.problem}


def _read_limit(query: Mapping[str, str]) -> int:
    if unknown := set(query) - {"limit"}:
        name = min(unknown)[:80]
        raise _unprocessable(Problem("a list of runs takes `limit` alone", repr(name), "query"))
    text = query.get("limit", str(LISTED))
    if not NUMBER.fullmatch(text) or not 1 <= int(text) <= MOST_LISTED:
        must = f"`limit` must be a number from 1 to {MOST_LISTED}"
        raise _unprocessable(Problem(must, repr(text[:80]), "query"))
    return int(text)


def _read_number(text: str) -> int:
    if not NUMBER.fullmatch(text):
        must = "`Last-Event-ID` must be the number of an event"
        raise _unprocessable(Problem(must, repr(text[:80]), "header"))
    return int(text)


def _unprocessable(problem: Problem) -> Refusal:
    return Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, problem, hint=SCHEMA_HINT)


def _json(
    fields: Any, status: int = HTTPStatus.OK, headers: Mapping[str, str] | None = None
) -> Response:
    return Response(json_bytes(fields), status, headers, media_type="application/json")
