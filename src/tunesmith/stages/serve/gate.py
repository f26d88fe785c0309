"""The gate that every request passes, whatever its route.

It gives each request an id, counts, logs, and turns every failure into a problem in JSON. Nothing
of a failure but its kind goes into the log, nothing at all to a client.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from tunesmith.core.errors import Problem, TunesmithError
from tunesmith.stages.serve.keys import ANYBODY, Caller
from tunesmith.stages.serve.openai_problems import OPENAI_PATHS, openai_problem_json
from tunesmith.stages.serve.problems import Refusal, problem_json, refuse
from tunesmith.stages.serve.service import ClientGoneError, Service

JSON = "application/json"
REPLAY = "tunesmith.replay"
"""Where the service's own requests for canary rows have the side that is asked; it is no part of
what comes over HTTP."""

CLIENT_GONE = 499
"""In log and metrics, after nginx's: nobody was there to get a status."""

SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        b"img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
)
TLS_HEADER = (b"strict-transport-security", b"max-age=31536000")
_OWN_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Gate:
    """The one way in: what happens to every request, whatever it asks."""

    def __init__(self, service: Service, inner: ASGIApp) -> None:
        """Stand before `inner`."""
        self._service = service
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            raise RuntimeError("only HTTP is spoken here")
        passage = Passage(self._service, scope, send)
        scope["app"], scope["passage"] = self, passage
        try:
            self._require_host(scope)
            await self._inner(scope, receive, passage.send)
        except (ClientGoneError, ClientDisconnect):
            self._service.metrics.gone.inc()
            passage.status = CLIENT_GONE
        except TimeoutError:  # whoever does not read his answer
            passage.status = CLIENT_GONE
        except HTTPException as error:
            await passage.refuse(_of_routing(error))
        except TunesmithError as error:
            await passage.refuse(refuse(error))
        except asyncio.CancelledError:
            passage.status = CLIENT_GONE
            raise
        except Exception as error:  # noqa: BLE001 (nothing of it may leave)
            passage.failure = type(error).__name__
            await passage.refuse(_internal())
        finally:
            passage.note()

    def _require_host(self, scope: Scope) -> None:
        """Refuse pages of other sites that give this machine a name of theirs."""
        allowed = self._service.settings.only_hosts
        if not allowed or not self._service.gatekeeper.is_open or REPLAY in scope:
            return
        given = Request(scope).headers.get("host", "")
        name = re.sub(r":\d+$", "", given).lower()
        if name not in allowed:
            raise Refusal(
                HTTPStatus.MISDIRECTED_REQUEST,
                "without keys the header `Host` must name this machine; it names another",
                hint="http://127.0.0.1:PORT, or make a key: tunesmith keys add NAME",
            )


class Passage:
    """One request on its way through the gate: what is told of it at the end."""

    def __init__(self, service: Service, scope: Scope, send: Send) -> None:
        self.service = service
        self.scope = scope
        self.status = 0
        self.failure = ""
        self.reason = ""
        self.caller: Caller = ANYBODY
        self.facts: dict[str, Any] = {}
        self.started = time.perf_counter()
        self.request_id = _request_id(scope)
        self._send = send
        self._is_audited = False

    async def send(self, message: Any) -> None:
        """Send a part of the answer, with the headers that all have."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self._audit()
            own = (b"x-request-id", self.request_id.encode())
            message["headers"] = [*message["headers"], own, *SECURITY_HEADERS]
            if self.scope.get("scheme") == "https":
                message["headers"].append(TLS_HEADER)
        async with asyncio.timeout(self.service.settings.limits.read_ms / 1000):
            await self._send(message)

    async def refuse(self, refusal: Refusal) -> None:
        """Send a refusal, where no answer has begun."""
        self.reason = refusal.reason
        if self.status:
            return
        is_openai = self.scope["path"] in OPENAI_PATHS
        write = openai_problem_json if is_openai else problem_json
        body = write(refusal, request_id=self.request_id)
        response = Response(body, refusal.status, dict(refusal.headers), JSON)
        try:
            await response(self.scope, _nothing, self.send)
        except (OSError, TimeoutError):
            self.status = CLIENT_GONE

    def note(self) -> None:
        """Count and log the request."""
        seconds = time.perf_counter() - self.started
        route = self.route
        if REPLAY in self.scope:
            return
        self._audit()
        metrics = self.service.metrics
        metrics.requests.labels(route, str(self.status)).inc()
        metrics.seconds.labels(route).observe(seconds)
        if self.reason:
            metrics.refusals.labels(self.reason).inc()
            self.service.refused += 1
        fields: dict[str, Any] = {
            "request_id": self.request_id,
            "method": self.scope["method"] if route != "other" else "",
            "route": route,
            "status": self.status,
            "ms": round(1000 * seconds, 3),
            "key": self.caller.id,
            **self.facts,
        }
        fields |= {"reason": self.reason} if self.reason else {}
        fields |= {"failure": self.failure} if self.failure else {}
        self.service.log.write("request", **fields)

    @property
    def route(self) -> str:
        """The path that metrics and logs call the request by."""
        return getattr(self.scope.get("endpoint"), "route", "other")

    def _audit(self) -> None:
        """Write the request into the audit log, before anything of its answer is sent."""
        audit = self.service.audit
        if self._is_audited or not audit.is_on or REPLAY in self.scope:
            return
        self._is_audited = True
        fields = {
            "request_id": self.request_id,
            "route": self.route,
            "status": self.status,
            **self.facts,
        }
        headers = Request(self.scope).headers
        audit.note(self.service.log, caller=self.caller, headers=headers, fields=fields)


async def _nothing() -> Any:
    return {"type": "http.disconnect"}


def _request_id(scope: Scope) -> str:
    """Return the client's own id where it is a plain word, else a new one."""
    given = next((v for name, v in scope["headers"] if name == b"x-request-id"), b"")
    text = given.decode("latin-1")
    return text if _OWN_ID.fullmatch(text) else secrets.token_hex(8)


def _of_routing(error: HTTPException) -> Refusal:
    status = HTTPStatus(error.status_code)
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = (error.headers or {}).get("Allow", "")
        return Refusal(
            status,
            f"the method must be one of {allowed}",
            hint="GET /openapi.json",
            headers={"allow": allowed},
        )
    problem = Problem("the path must be one of those in /openapi.json", "another", "request")
    return Refusal(status, problem, hint="GET /openapi.json")


def _internal() -> Refusal:
    return Refusal(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "the service must be able to answer; something failed in it",
        hint="ask whoever runs this service, and name the request_id",
    )
