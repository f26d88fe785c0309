"""The events of a job, numbered and bounded, and how a reader gets them: server-sent events.

Nothing is kept a reader: each knows the last number it was sent, and asks for what came after it.
Source: WHATWG HTML, 9.2 "Server-sent events".
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.types import Receive, Scope, Send

from tunesmith.stages.serve.problems import json_bytes

EVENT_STREAM = "text/event-stream"
END = "end"
MISSED = "missed"
"""The event that says how many were dropped before a reader came back for them."""


@dataclass(frozen=True, slots=True)
class Told:
    """One event: its number, from 1; what it is; and its fields as JSON."""

    number: int
    kind: str
    data: bytes

    def as_sent(self) -> bytes:
        """Return the event as it goes to a reader."""
        return b"id: %d\nevent: %s\ndata: %s\n\n" % (self.number, self.kind.encode(), self.data)


class EventTrail:
    """The newest events of a job; the last of them is `end`."""

    def __init__(self, most: int) -> None:
        """Keep at most so many."""
        self._kept: deque[Told] = deque(maxlen=most)
        self._changed = asyncio.Event()
        self.last = 0
        self.is_over = False

    def add(self, kind: str, fields: Mapping[str, Any]) -> None:
        """Keep an event under the next number, and wake whoever waits for one."""
        self.last += 1
        self._kept.append(Told(self.last, kind, json_bytes(dict(fields))))
        self._changed.set()
        self._changed = asyncio.Event()

    def end(self, fields: Mapping[str, Any]) -> None:
        """Add the last event."""
        self.is_over = True
        self.add(END, fields)

    def after(self, number: int) -> list[Told]:
        """Return the events kept that came after one."""
        return [told for told in self._kept if told.number > number]

    def missed_after(self, number: int) -> int:
        """Return how many events after one are not kept any more."""
        first = self._kept[0].number if self._kept else self.last + 1
        return max(0, first - number - 1)

    async def wait(self, seconds: float) -> bool:
        """Wait for an event, so long at most, and tell whether there was one."""
        changed = self._changed
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await changed.wait()
        return changed.is_set()


class EventStream:
    """The answer that tells a reader of a trail, from after a number to its end.

    A reader who falls behind all that is kept is cut off; he may come back with the last number.
    """

    def __init__(self, trail: EventTrail, *, after: int, heartbeat_seconds: float) -> None:
        """Begin after the event of that number."""
        self._trail = trail
        self._sent = after
        self._seconds = heartbeat_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the end, or until nobody reads any more."""
        del scope
        headers = [(b"content-type", f"{EVENT_STREAM}; charset=utf-8".encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        leaving = asyncio.ensure_future(_until_gone(receive))
        telling = asyncio.ensure_future(self._tell(send))
        try:
            await asyncio.wait({leaving, telling}, return_when=asyncio.FIRST_COMPLETED)
            if telling.done():
                telling.result()
        finally:
            leaving.cancel()
            telling.cancel()
            await asyncio.gather(leaving, telling, return_exceptions=True)

    async def _tell(self, send: Send) -> None:
        trail = self._trail
        if missed := trail.missed_after(self._sent):
            await _write(
                send, b"event: %s\ndata: %s\n\n" % (MISSED.encode(), json_bytes({"events": missed}))
            )
            self._sent += missed
        while True:
            if trail.missed_after(self._sent):
                break
            for told in trail.after(self._sent):
                await _write(send, told.as_sent())
                self._sent = told.number
            if trail.is_over and self._sent >= trail.last:
                break
            if self._sent >= trail.last and not await trail.wait(self._seconds):
                await _write(send, b": still here\n\n")
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _write(send: Send, data: bytes) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": True})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
