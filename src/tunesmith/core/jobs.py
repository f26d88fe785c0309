"""What long jobs over HTTP may take, and what such a request holds."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from tunesmith.core.spec import Part


class JobLimits(Part):
    """Bounds on the jobs of a service; one runs at a time."""

    waiting: int = Field(8, ge=0, le=1_000)
    """Jobs that wait while one runs; one more is sent away with 503."""

    events: int = Field(1_000, ge=10, le=100_000)
    """Newest events of a job that are kept, from which a reader may go on."""

    readers: int = Field(32, ge=1)
    """Streams of events that are read at once."""

    heartbeat_ms: int = Field(15_000, ge=100)
    """Milliseconds of silence after which a stream says that it is still there."""

    grace_ms: int = Field(20_000, ge=100)
    """Milliseconds that a job has to end once it is stopped; then its process is ended."""


class RunRequest(Part):
    """Ask for an operation as a run."""

    operation: str
    """The verb."""

    spec: dict[str, Any] = Field(default_factory=dict)
    """Its settings, as Python and a settings file name them."""

    set: dict[str, Any] = Field(default_factory=dict)
    """Settings by their paths, laid over `spec`, such as `{"training.epochs": 3}`."""
