"""When each part of a request began and ended, and who asked for that; traces are made of it.

Where nobody keeps traces, nothing is noted. It knows nothing of what keeps them.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import NamedTuple, Protocol

from starlette.types import Scope

ENDPOINT_VARIABLES = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


class Stretch(NamedTuple):
    """A part of a request, from one reading of the monotonic clock to another, in seconds."""

    name: str
    began: float
    ended: float


current_stretches: ContextVar[list[Stretch] | None] = ContextVar("timeline", default=None)


class Span(Protocol):
    """A trace's record of one request, while it is made."""

    @property
    def traceparent(self) -> str:
        """The record's own name, as `traceparent` gives it to others."""
        ...

    def end(self, scope: Scope, stretches: list[Stretch]) -> None:
        """End it, with what the scope tells of the request and a part a stretch."""
        ...


class Tracing(Protocol):
    """What keeps traces."""

    def begin(self, headers: Mapping[str, str]) -> Span:
        """Begin a span, below the one that the request's `traceparent` names, if any."""
        ...


def is_tracing_asked(endpoint: str | None, environment: Mapping[str, str] = os.environ) -> bool:
    """Tell whether traces are to be kept: by a setting, or by OpenTelemetry's own variables."""
    if endpoint is not None:
        return True
    is_off = environment.get("OTEL_SDK_DISABLED", "").lower() == "true"
    is_off = is_off or environment.get("OTEL_TRACES_EXPORTER", "otlp") != "otlp"
    return not is_off and any(environment.get(name) for name in ENDPOINT_VARIABLES)


@contextlib.contextmanager
def stretch(name: str) -> Iterator[None]:
    """Note when what is done inside began and ended."""
    began = time.monotonic()
    try:
        yield
    finally:
        note_stretch(name, began, time.monotonic())


def note_stretch(name: str, began: float, ended: float) -> None:
    """Note a part of the request that is answered here."""
    stretches = current_stretches.get()
    if stretches is not None:
        stretches.append(Stretch(name, began, ended))


def note_waiting(arrived: float, taken: float | None) -> None:
    """Note how long a request waited, and how long it has been computed since, if it was taken."""
    now = time.monotonic()
    note_stretch("queue", arrived, taken or now)
    if taken is not None:
        note_stretch("compute", taken, now)
