"""A span of each request that is worth one, where traces are kept: the outermost of all layers."""

from __future__ import annotations

import contextlib
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tunesmith.stages.serve.gate import REPLAY
from tunesmith.stages.serve.timeline import Span, Stretch, Tracing, current_stretches

TRACED = "/v1/"
"""What the paths of requests that are worth a trace begin with: probes and figures are not."""


class Traced:
    """Keeps a span of each request that `inner` answers. What fails here harms no request."""

    def __init__(self, inner: ASGIApp, tracing: Tracing) -> None:
        """Stand before `inner`."""
        self._inner = inner
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path = str(scope.get("path", ""))
        if scope["type"] != "http" or REPLAY in scope or not path.startswith(TRACED):
            await self._inner(scope, receive, send)
            return
        span: Span | None = None
        with contextlib.suppress(Exception):
            names = {
                key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]
            }
            span = self._tracing.begin(names)
        stretches: list[Stretch] = []
        token = current_stretches.set(stretches)

        async def send_named(message: Message) -> None:
            if span is not None and message["type"] == "http.response.start":
                own = (b"traceparent", span.traceparent.encode())
                message["headers"] = [*message["headers"], own]
            await send(message)

        try:
            await self._inner(scope, receive, send_named)
        finally:
            current_stretches.reset(token)
            with contextlib.suppress(Exception):
                _end(span, scope, stretches)


def _end(span: Span | None, scope: Scope, stretches: list[Stretch]) -> None:
    if stretches and stretches[-1].name == "compute":
        stretches.append(Stretch("answer", stretches[-1].ended, time.monotonic()))
    if span is not None:
        span.end(scope, stretches)
