"""Who may come in, and what he brought: what every route that answers does first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from tunesmith.core.serving import Scope
from tunesmith.stages.serve.gate import JSON, REPLAY, Passage
from tunesmith.stages.serve.keys import ANYBODY, Caller, is_refused_key, require_scope
from tunesmith.stages.serve.problems import Refusal, json_bytes
from tunesmith.stages.serve.service import Service

DROPPED_TIMES = 4
"""How far beyond the bound a body is read on, and dropped: who is still sending when the connection
is closed does not hear why."""

Endpoint = Callable[[Request], Awaitable[Response]]


def named(path: str, endpoint: Endpoint) -> Endpoint:
    """Return the endpoint with the path that metrics and log call it by."""
    endpoint.route = path  # type: ignore[attr-defined]
    return endpoint


def json_reply(fields: Any, status: int = 200) -> Response:
    """Return fields as an answer in JSON."""
    return Response(json_bytes(fields), status, media_type=JSON)


async def admit(service: Service, request: Request, scope: Scope) -> Caller:
    """Return who asks. Raises `Refusal` where he may not, or asks too often."""
    passage: Passage = request.scope["passage"]
    if REPLAY in request.scope:
        return ANYBODY
    service.audit.require_writable()
    address = request.client.host if request.client else ""
    try:
        if not service.gatekeeper.is_open:
            await service.rates.check_failures(address)
        caller = await service.gatekeeper.recognise(request.headers)
    except Refusal as error:
        if is_refused_key(error):
            await service.rates.count_failure(address)
        raise
    passage.caller = caller
    require_scope(caller, scope)
    await service.rates.count(caller.id or address)
    return caller


async def read_body(service: Service, request: Request) -> bytes:
    """Return the body of a request. Raises `Refusal`: 408, 413 or 415."""
    kind, _, parameters = request.headers.get("content-type", "").partition(";")
    charset = parameters.strip().lower().replace('"', "")
    is_utf8 = charset in ("", "charset=utf-8", "charset=utf8")
    if kind.strip().lower() != JSON or not is_utf8 or "content-encoding" in request.headers:
        raise Refusal(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "the body must be plain JSON in UTF-8",
            hint=f"Content-Type: {JSON}",
        )
    most = service.settings.limits.body_bytes
    heard = DROPPED_TIMES * most
    length = request.headers.get("content-length", "0")
    if length.isdigit() and int(length) > heard:
        raise _too_large(most)
    parts, size = [], 0
    try:
        async with asyncio.timeout(service.settings.limits.read_ms / 1000):
            async for part in request.stream():
                size += len(part)
                if size > heard:
                    break
                if size <= most:
                    parts.append(part)
                else:
                    parts.clear()
    except TimeoutError:
        if size <= most:
            raise Refusal(
                HTTPStatus.REQUEST_TIMEOUT,
                f"a body must be sent within {service.settings.limits.read_ms / 1000:g} seconds",
                hint="send it faster, or in parts",
                headers={"connection": "close"},
            ) from None
    if size > most:
        raise _too_large(most)
    return b"".join(parts)


def _too_large(most: int) -> Refusal:
    return Refusal(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"a body must have at most {most:,} bytes; it has more",
        hint="send several requests",
        headers={"connection": "close"},
    )


async def until_gone(request: Request) -> None:
    """Wait until the client hangs up."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
