"""Traces in OpenTelemetry, sent to a collector over HTTP. No text of a request is among them."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from tunesmith.core.environment import installed_version
from tunesmith.core.errors import SpecError
from tunesmith.stages.serve.logs import EventLog
from tunesmith.stages.serve.timeline import Stretch

SENDING_SECONDS = 5
STOPPING_SECONDS = 5
NANOSECONDS = 1_000_000_000


class OtelTracing:
    """Spans of requests. They leave in batches, by a thread; what cannot leave is dropped."""

    def __init__(self, provider: TracerProvider) -> None:
        """Make spans of a provider."""
        self._tracer = provider.get_tracer("tunesmith")
        self._reader = TraceContextTextMapPropagator()

    def begin(self, headers: Mapping[str, str]) -> OtelSpan:
        """Begin a span below the one that `traceparent` names, if it is one."""
        given = {"traceparent": headers.get("traceparent", "")}
        context = self._reader.extract(given)
        span = self._tracer.start_span("request", context, kind=trace.SpanKind.SERVER)
        return OtelSpan(self._tracer, span)


class OtelSpan:
    """The span of one request."""

    def __init__(self, tracer: trace.Tracer, span: trace.Span) -> None:
        """Hold a span that has begun."""
        self._tracer = tracer
        self._span = span

    @property
    def traceparent(self) -> str:
        """The span as W3C's Trace Context writes it."""
        context = self._span.get_span_context()
        return (
            f"00-{trace.format_trace_id(context.trace_id)}-"
            f"{trace.format_span_id(context.span_id)}-{int(context.trace_flags):02x}"
        )

    def end(self, scope: Mapping[str, Any], stretches: list[Stretch]) -> None:
        """End the span and make one below it of each stretch."""
        route = getattr(scope.get("endpoint"), "route", "other")
        passage = scope.get("passage")
        facts: dict[str, Any] = {"http.route": route, "url.scheme": scope["scheme"]}
        if route != "other":
            facts["http.request.method"] = scope["method"]
            self._span.update_name(f"{scope['method']} {route}")
        if passage is not None:
            facts |= {f"tunesmith.{name}": value for name, value in passage.facts.items()}
            facts["tunesmith.request_id"] = passage.request_id
            facts["http.response.status_code"] = passage.status
            if passage.reason:
                facts["error.type"] = passage.reason
            if passage.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                self._span.set_status(trace.StatusCode.ERROR)
        self._span.set_attributes(facts)
        above = trace.set_span_in_context(self._span)
        clock = time.time_ns() - time.monotonic_ns()
        for name, began, ended in stretches:
            part = self._tracer.start_span(name, above, start_time=_wall(began, clock))
            part.end(_wall(ended, clock))
        self._span.end()


def _wall(seconds: float, clock: int) -> int:
    """Return a reading of the monotonic clock as nanoseconds of the calendar's."""
    return int(seconds * NANOSECONDS) + clock


@contextlib.contextmanager
def open_tracing(endpoint: str | None, log: EventLog) -> Iterator[OtelTracing]:
    """Give what keeps traces, until what was kept is sent, or could not be within seconds.

    Without an endpoint OpenTelemetry's own variables say where. Raises `SpecError` for one that is
    none.
    """
    if endpoint is not None and not _is_web_address(endpoint):
        raise SpecError(
            f"`trace_endpoint` must be an address of the web; got {endpoint!r}",
            hint="--trace-endpoint http://127.0.0.1:4318/v1/traces",
        )
    facts = {"service.version": installed_version("tunesmith") or ""}
    if not os.environ.get("OTEL_SERVICE_NAME"):
        facts["service.name"] = "tunesmith"
    provider = TracerProvider(resource=Resource.create(facts), shutdown_on_exit=False)
    exporter = OTLPSpanExporter(endpoint, timeout=SENDING_SECONDS)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    with _telling(log):
        try:
            yield OtelTracing(provider)
        finally:
            closing = threading.Thread(target=provider.shutdown, daemon=True)
            closing.start()
            closing.join(STOPPING_SECONDS)
            exporter.shutdown()


def _is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


class _Teller(logging.Handler):
    """Writes into our log that something failed, and nothing of its words."""

    def __init__(self, log: EventLog) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Write an event."""
        self._log.write("traces_failed", level=record.levelname.lower(), source=record.name)


@contextlib.contextmanager
def _telling(log: EventLog) -> Iterator[None]:
    """Have OpenTelemetry's complaints go into our log alone."""
    theirs, teller = logging.getLogger("opentelemetry"), _Teller(log)
    was = theirs.propagate
    theirs.addHandler(teller)
    theirs.propagate = False
    try:
        yield
    finally:
        theirs.removeHandler(teller)
        theirs.propagate = was
