"""Log lines: one JSON object each, on what happened, never on what was said. Times are UTC.

No field holds a text of a request. What a client may still put into one, such as an id of his own,
is masked all the same, as is whatever a failure says.
"""

from __future__ import annotations

import contextlib
import json
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, TextIO

from tunesmith.core.errors import ResourceError
from tunesmith.core.masking import PATTERNED
from tunesmith.data.masking import Placeholders, find_personal, replace_spans

LOGGED = tuple(kind for kind in PATTERNED if kind != "ip")
"""What is masked: all but addresses, since the log has none but the service's own."""


LONGEST_KEPT = 128
"""Characters of a text whose masked form is remembered: names and versions come in every line."""


def _masked_text(text: str) -> str:
    spans = find_personal(text, LOGGED)
    return replace_spans(text, spans, Placeholders()).text if spans else text


_kept = lru_cache(1024)(_masked_text)


def masked(value: Any) -> Any:
    """Return a value with placeholders in every text that it holds.

    >>> masked({"request_id": "a@example.com"})
    {'request_id': '[EMAIL]'}
    """
    if isinstance(value, str):
        return _kept(value) if len(value) <= LONGEST_KEPT else _masked_text(value)
    if isinstance(value, dict):
        return {name: masked(inner) for name, inner in value.items()}
    return [masked(inner) for inner in value] if isinstance(value, list | tuple) else value


class EventLog:
    """Where events are written. A line that cannot be written is lost; the service goes on."""

    def __init__(self, stream: TextIO) -> None:
        """Write to a stream that is open already."""
        self._stream = stream
        self._lock = threading.Lock()

    def write(self, event: str, **fields: Any) -> None:
        """Write an event with its fields. No field may hold a text of a request."""
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"time": time, "event": event, **masked(fields)}, default=str)
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
