"""Log lines: one JSON object each, on what happened, never on what was said. Times are UTC."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from tunesmith.core.errors import ResourceError


class EventLog:
    """Where events are written. A line that cannot be written is lost; the service goes on."""

    def __init__(self, stream: TextIO) -> None:
        """Write to a stream that is open already."""
        self._stream = stream
        self._lock = threading.Lock()

    def write(self, event: str, **fields: Any) -> None:
        """Write an event with its fields. No field may hold a text of a request."""
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"time": time, "event": event, **fields}, default=str)
        with self._lock, contextlib.suppress(OSError, ValueError):
            self._stream.write(f"{line}\n")
            self._stream.flush()


@contextlib.contextmanager
def open_log(path: str | None) -> Iterator[EventLog]:
    """Give the log in a file, which is added to, or on standard error.

    Raises `ResourceError` where the file cannot be written.
    """
    if path is None:
        yield EventLog(sys.stderr)
        return
    try:
        stream = Path(path).open("a", encoding="utf-8")  # noqa: SIM115 (closed below)
    except OSError as error:
        raise ResourceError(
            f"the log `{path}` must be a file that can be written; {error.strerror}",
            hint="--log FILE",
        ) from error
    with stream:
        yield EventLog(stream)
