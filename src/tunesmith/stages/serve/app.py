"""HTTP: the routes, and how a request for answers is read and answered.

What happens to every request, whatever its route, is the gate's affair.
"""

from __future__ import annotations

import asyncio
import json
import time
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp

from tunesmith.core.serving import Scope
from tunesmith.stages.serve.admission import (
    Endpoint,
    admit,
    json_reply,
    named,
    read_body,
    until_gone,
)
from tunesmith.stages.serve.deployments import Served, Side
from tunesmith.stages.serve.fleet import Replayed
from tunesmith.stages.serve.gate import JSON, REPLAY, Gate, Passage
from tunesmith.stages.serve.job_routes import Door, job_routes
from tunesmith.stages.serve.metrics import CONTENT_TYPE
from tunesmith.stages.serve.openai_replies import model_fields
from tunesmith.stages.serve.openai_routes import openai_routes
from tunesmith.stages.serve.openapi import describe_api
from tunesmith.stages.serve.openapi_jobs import with_jobs
from tunesmith.stages.serve.pages import read_page
from tunesmith.stages.serve.problems import Refusal, json_bytes, reason_of
from tunesmith.stages.serve.requests import read_json, read_request, read_rows
from tunesmith.stages.serve.service import Reply, Service
from tunesmith.stages.serve.timeline import stretch
from tunesmith.stages.serve.traced import Traced


def make_app(service: Service) -> ASGIApp:
    """Return what answers at the port that clients know."""
    began = int(time.time())
    routes = [
        *_health_routes(service),
        Route("/v1/predict", _predict(service), methods=["POST"]),
        *openai_routes(service),
        Route("/v1/models", _models(service, began), methods=["GET"]),
        Route("/v1/models/{model}", _model(service, began), methods=["GET"]),
        Route("/v1/operations", _operations(service), methods=["GET"]),
        Route("/openapi.json", _openapi(service), methods=["GET"]),
        *(Route(path, _page(path), methods=["GET"]) for path in ("/docs", "/docs.js", "/docs.css")),
    ]
    if service.jobs is not None:
        door = Door(
            lambda request: admit(service, request, "operate"),
            lambda request: read_body(service, request),
        )
        routes += job_routes(service.jobs, door)
    if not service.settings.is_admin_apart:
        routes += _admin_routes(service, scope="admin")
    gate = Gate(service, Router(routes, redirect_slashes=False))
    return Traced(gate, service.tracing) if service.tracing else gate


def make_admin_app(service: Service) -> ASGIApp:
    """Return what answers at the port that only operators reach; it asks for no key."""
    routes = [*_health_routes(service), *_admin_routes(service)]
    return Gate(service, Router(routes, redirect_slashes=False))


async def replay_canary(service: Service, app: ASGIApp, side: Side) -> Replayed:
    """Return a model's canary rows with the answers to them, asked of `app` as a client asks.

    Rows beyond the limits of a request are left out. Raises `Refusal` where others are refused.
    """
    facts = side.deployment.pool.models[side.served.name]
    limits = service.settings.limits
    most = min(limits.rows, REPLAYED_ROWS) if facts["is_exact"] else limits.rows
    kept = []
    for row in facts["canary"]:
        size = len(json_bytes(row["row"]))
        if size <= min(limits.characters, limits.body_bytes - LARGEST_FRAME):
            kept.append((row, size))
    answers: list[dict[str, Any]] = []
    while len(answers) < len(kept):
        rows: list[dict[str, Any]] = []
        bytes_left = limits.body_bytes - LARGEST_FRAME
        for row, size in kept[len(answers) : len(answers) + most]:
            bytes_left -= size + 1
            if bytes_left < 0 and rows:
                break
            rows.append(row["row"])
        fields = {"model": side.served.name, "rows": rows, "all_scores": True, **_NO_DEMANDS}
        answers += (await _ask(app, json_bytes(fields), side))["answers"]
    return Replayed([row for row, _ in kept], answers)


RELOAD = "/v1/models/{model}/reload"
REPLAYED_ROWS = 32
"""Canary rows of one request: few, so that a slow machine answers in time. Where answers depend on
what shares a batch they are as many as a request may have, as when the export was judged."""

LARGEST_FRAME = 800
"""Bytes around the rows of a replayed request."""


_NO_DEMANDS: dict[str, Any] = {
    "coverage": None,
    "abstain_at": None,
    "abstain_below": None,
    "outside": False,
}


def _predict(service: Service) -> Endpoint:
    async def predict(request: Request) -> Response:
        await admit(service, request, "predict")
        if REPLAY not in request.scope:
            service.require_ready()
        with stretch("read"):
            fields = read_json(await read_body(service, request))
            asked_for = read_request(fields, defaults=service.settings.demands)
            served = service.find_model(asked_for.model)
            asked = read_rows(asked_for, served.bundle.task, limits=service.settings.limits)
        passage: Passage = request.scope["passage"]
        passage.facts = {"model": served.name, "version": served.version, "rows": len(asked.rows)}
        passage.facts["tokens"] = asked.tokens
        gone = until_gone(request)
        if side := request.scope.get(REPLAY):
            reply = await service.answer_with(side, asked_for, asked, gone)
        else:
            key = request.headers.get(SAME_SIDE, passage.request_id)
            reply = await service.answer(served.name, asked_for, asked, key=key, gone=gone)
            service.answered += 1
            service.metrics.note_answers(reply.side, reply.answers, reply.seconds)
            service.metrics.note_lengths(served.name, asked.lengths)
            passage.facts["version"] = reply.side.served.version
            passage.facts["role"] = reply.side.deployment.role
        return json_reply(_reply_fields(reply, passage.request_id))

    return named("/v1/predict", predict)


SAME_SIDE = "x-conversation-id"
"""The header of requests that must all be answered by the same side, live or candidate."""


def _reply_fields(reply: Reply, request_id: str) -> dict[str, Any]:
    deployment, served = reply.side
    return {
        "request_id": request_id,
        "model": served.name,
        "version": served.version,
        "engine": deployment.engine(served.name),
        "answers": reply.answers,
        "warnings": reply.warnings,
    }


def _models(service: Service, began: int) -> Endpoint:
    async def models(request: Request) -> Response:
        await admit(service, request, "predict")
        every = service.models.values()
        return json_reply(
            {
                "models": [_describe(service, served) for served in every],
                "object": "list",
                "data": [model_fields(served.name, began) for served in every],
            }
        )

    return named("/v1/models", models)


def _model(service: Service, began: int) -> Endpoint:
    async def model(request: Request) -> Response:
        await admit(service, request, "predict")
        served = service.find_model(request.path_params["model"])
        return json_reply({**model_fields(served.name, began), **_describe(service, served)})

    return named("/v1/models/{model}", model)


def _describe(service: Service, served: Served) -> dict[str, Any]:
    task = served.bundle.task
    found: dict[str, Any] = {
        "model": served.name,
        "version": served.version,
        "task": task.kind,
        "labels": list(task.labels),
        "roles": list(task.input_roles),
        "engine": service.live.engine(served.name),
    }
    if (beside := service.fleet.beside.get(served.name)) is not None:
        found[beside.role] = {
            "version": beside.models[served.name].version,
            "engine": beside.engine(served.name),
        }
    return found


def _operations(service: Service) -> Endpoint:
    async def operations(request: Request) -> Response:
        await admit(service, request, "predict")
        return json_reply({"operations": list(service.settings.operations)})

    return named("/v1/operations", operations)


def _openapi(service: Service) -> Endpoint:
    async def openapi(request: Request) -> Response:  # noqa: ARG001
        document = describe_api(service)
        if service.jobs is not None:
            document = with_jobs(document, service.jobs.settings.offered)
        return json_reply(document)

    return named("/openapi.json", openapi)


def _page(path: str) -> Endpoint:
    content, kind = read_page(path)

    async def page(request: Request) -> Response:  # noqa: ARG001
        return Response(content, media_type=kind)

    return named(path, page)


def _health_routes(service: Service) -> list[Route]:
    async def healthz(request: Request) -> Response:  # noqa: ARG001
        return json_reply({"status": "alive"})

    async def readyz(request: Request) -> Response:  # noqa: ARG001
        service.metrics.ready.set(service.is_ready)
        if service.is_ready:
            return json_reply({"status": "ready", "reasons": [], "warnings": service.warnings})
        fields = {
            "status": service.state,
            "reasons": service.reasons,
            "warnings": service.warnings,
        }
        return json_reply(fields, HTTPStatus.SERVICE_UNAVAILABLE)

    return [
        Route("/healthz", named("/healthz", healthz), methods=["GET"]),
        Route("/readyz", named("/readyz", readyz), methods=["GET"]),
    ]


def _admin_routes(service: Service, *, scope: Scope | None = None) -> list[Route]:
    """Return what operators ask for; without a `scope` no key is asked for."""

    async def metrics(request: Request) -> Response:
        if scope is not None:
            await admit(service, request, scope)
        service.metrics.ready.set(service.is_ready)
        return Response(service.metrics.show(), media_type=CONTENT_TYPE)

    async def reload(request: Request) -> Response:
        if scope is not None:
            await admit(service, request, scope)
        before = service.find_model(request.path_params["model"])
        replaced = await service.refresh([before.name])
        if problems := service.problem_of(before.name):
            raise Refusal(
                HTTPStatus.CONFLICT,
                [f"what is to take the model's place must be fit; {each}" for each in problems],
                hint="the one that answered goes on; GET /readyz",
            )
        fields = {
            "model": before.name,
            "version": service.models[before.name].version,
            "before": before.version,
            "replaced": sorted(role for role, _ in replaced),
        }
        return json_reply(fields)

    return [
        Route("/metrics", named("/metrics", metrics), methods=["GET"]),
        Route(RELOAD, named(RELOAD, reload), methods=["POST"]),
    ]


async def _ask(app: ASGIApp, body: bytes, side: Side) -> dict[str, Any]:
    """Return what `side` answers in `app` to a body sent to `/v1/predict`, without a connection."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]
    sent: list[Any] = []
    forever: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def receive() -> Any:
        return messages.pop() if messages else await forever

    async def send(message: Any) -> None:
        sent.append(message)

    scope: dict[str, Any] = {
        "type": "http",
        "method": "POST",
        "path": "/v1/predict",
        "raw_path": b"/v1/predict",
        "query_string": b"",
        "headers": [(b"content-type", JSON.encode())],
        "scheme": "http",
        "client": None,
        "server": None,
        "root_path": "",
        "http_version": "1.1",
        REPLAY: side,
    }
    await app(scope, receive, send)
    fields = json.loads(b"".join(part.get("body", b"") for part in sent[1:]))
    if sent[0]["status"] != HTTPStatus.OK:
        status = HTTPStatus(sent[0]["status"])
        raise Refusal(status, [f"a canary row was refused: {reason_of(status)}"])
    return fields
