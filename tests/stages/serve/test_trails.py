"""Events of a job: numbered, bounded, and read from any of them without a gap or a double."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tunesmith.stages.serve.trails import EventStream, EventTrail

SECOND = 1.0


def read(data: bytes) -> list[tuple[int, str, dict[str, Any]]]:
    """Return the events of a stream: number (0 where it has none), kind and fields."""
    found = []
    for block in data.decode().split("\n\n"):
        lines = dict(re.findall(r"^(\w+): (.*)$", block, re.MULTILINE))
        if "data" in lines:
            number = int(lines.get("id", 0))
            found.append((number, lines["event"], json.loads(lines["data"])))
    return found


async def follow(
    trail: EventTrail,
    *,
    after: int = 0,
    heartbeat: float = SECOND,
    send: Callable[[bytes], Awaitable[None]] | None = None,
    gone: asyncio.Event | None = None,
) -> bytes:
    """Return all that a reader of a trail is sent."""
    parts: list[bytes] = []

    async def receive() -> dict[str, str]:
        await (gone or asyncio.Event()).wait()
        return {"type": "http.disconnect"}

    async def take(message: Any) -> None:
        body = message.get("body", b"")
        if send is not None and body:
            await send(body)
        parts.append(body)

    stream = EventStream(trail, after=after, heartbeat_seconds=heartbeat)
    async with asyncio.timeout(20):
        await stream({"type": "http"}, receive, take)
    return b"".join(parts)


def test_reader_that_comes_back_misses_nothing_and_reads_nothing_twice():
    async def go() -> None:
        trail = EventTrail(100)
        for number in range(10):
            trail.add("said", {"text": f"sentence {number}\n\ndata: no"})
        later = asyncio.create_task(follow(trail, after=4))
        await asyncio.sleep(0.01)
        trail.add("step", {"index": 1})
        trail.end({"status": "done"})
        whole, rest = read(await follow(trail)), read(await later)
        assert [number for number, *_ in whole] == list(range(1, 13))
        assert [number for number, *_ in rest] == list(range(5, 13))
        assert whole[4:] == rest
        assert whole[-1][1:] == ("end", {"status": "done"})
        assert whole[3][2] == {"text": "sentence 3\n\ndata: no"}

    asyncio.run(go())


def test_events_that_were_dropped_are_counted_once():
    async def go() -> None:
        trail = EventTrail(10)
        for number in range(50):
            trail.add("step", {"index": number})
        trail.end({"status": "done"})
        found = read(await follow(trail, after=3))
        assert found[0] == (0, "missed", {"events": 38})
        assert [number for number, *_ in found[1:]] == list(range(42, 52))

    asyncio.run(go())


def test_reader_who_falls_behind_is_cut_off_while_nothing_is_kept_for_him():
    async def go() -> None:
        trail = EventTrail(10)
        trail.add("said", {"text": "first"})
        sent: list[bytes] = []

        async def slowly(body: bytes) -> None:
            sent.append(body)
            for number in range(50):
                trail.add("step", {"index": number})

        found = read(await follow(trail, send=slowly))
        assert [kind for _, kind, _ in found] == ["said"]
        assert len(trail.after(0)) == 10

    asyncio.run(go())


def test_reader_who_leaves_ends_the_stream_and_silence_is_broken():
    async def go() -> None:
        trail, gone = EventTrail(10), asyncio.Event()
        beats: list[bytes] = []

        async def hear(body: bytes) -> None:
            beats.append(body)
            if len(beats) == 3:
                gone.set()

        data = await follow(trail, heartbeat=0.01, send=hear, gone=gone)
        assert data.startswith(b": still here\n\n" * 3)

    asyncio.run(go())


def test_reader_who_does_not_read_is_left_as_others_are():
    async def go() -> None:
        trail = EventTrail(10)
        trail.add("said", {"text": "x"})

        async def never(body: bytes) -> None:
            raise TimeoutError(body)

        with pytest.raises(TimeoutError):
            await follow(trail, send=never)

    asyncio.run(go())
