"""Clients that send at a rate, whatever comes back, in a process of their own; prints JSON.

Usage: python benchmarks/pressure.py PORT RATE SECONDS CLIENTS < WISH

WISH is JSON: `bodies`, each sent in turn, and by version `expected`, the labels that each body must
get. A client that waits for an answer sends its next request late. Told are for each request the
second it was sent, its status (0 where the connection broke, -1 where no answer came), its latency
and its version, and how many answers were not those of their version. SIGTERM ends it sooner.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

LONGEST_SECONDS = 30.0
"""Above the deadline of a service: an answer that has not come by then was lost."""


@dataclass
class Pressure:
    """What all clients share: the bodies, what is right, and what came back."""

    port: int
    bodies: Sequence[Any]
    expected: dict[str, list[list[str]]]
    pause: float
    until: float
    begun: float = field(default_factory=time.perf_counter)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    requests: list[tuple[float, int, float, str]] = field(default_factory=list)
    mixed: int = 0

    async def client(self, first: int, step: int) -> None:
        """Send every `step`-th body, one each `pause`, on one connection as long as it stands."""
        streams = None
        number, due = first, self.begun + self.pause * first / step
        while not await self._is_over(due):
            due = max(due + self.pause, time.perf_counter())
            started = time.perf_counter()
            status, version = 0, ""
            try:
                streams = streams or await asyncio.open_connection("127.0.0.1", self.port)
                async with asyncio.timeout(LONGEST_SECONDS):
                    status, fields = await ask(*streams, self.bodies[number % len(self.bodies)])
                version = fields.get("version", "")
                if status == 200:
                    self._check(number % len(self.bodies), version, fields["answers"])
            except (OSError, asyncio.IncompleteReadError):
                streams = None
            except TimeoutError:
                status, streams = -1, None
            now = time.perf_counter()
            self.requests.append((started - self.begun, status, now - started, version))
            number += step

    async def _is_over(self, due: float) -> bool:
        """Wait until a request is due, and tell whether none is to be sent any more."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, min(due, self.until) - time.perf_counter())):
                await self.over.wait()
        return self.over.is_set() or due >= self.until

    def _check(self, number: int, version: str, answers: list[dict[str, Any]]) -> None:
        right = self.expected.get(version, {})
        if self.expected and [each["label"] for each in answers] != right[number]:
            self.mixed += 1


async def ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: Any
) -> tuple[int, dict[str, Any]]:
    """Return status and fields of the answer to a body."""
    data = json.dumps(body).encode()
    head = "POST /v1/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    writer.write(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
    answer = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(answer.partition(b"content-length:")[2].partition(b"\r\n")[0])
    return int(answer[9:12]), json.loads(await reader.readexactly(length))


async def press(port: int, rate: float, seconds: float, clients: int) -> None:
    """Send for some seconds, and print what came back."""
    wish = json.loads(sys.stdin.read())
    until = time.perf_counter() + seconds
    pressure = Pressure(port, wish["bodies"], wish.get("expected", {}), clients / rate, until)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, pressure.over.set)
    await asyncio.gather(*(pressure.client(first, clients) for first in range(clients)))
    print(json.dumps({"requests": pressure.requests, "mixed": pressure.mixed}))


if __name__ == "__main__":
    _, where, pace, length, count = sys.argv
    asyncio.run(press(int(where), float(pace), float(length), int(count)))
