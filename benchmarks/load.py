"""Clients of a service on this machine, in a process of their own; prints one JSON line.

Usage: python benchmarks/load.py PORT PATH FIELD CLIENTS SECONDS < TEXTS

Each client sends the next text as `{FIELD: text}` as soon as it has its answer, on one connection.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from collections.abc import Iterator


async def ask(port: int, path: str, bodies: Iterator[bytes], until: float) -> list[float]:
    """Return the seconds of each answer; ends the program where one is not 200."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    seconds = []
    while time.perf_counter() < until:
        body = next(bodies)
        started = time.perf_counter()
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(answer.partition(b"content-length:")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        seconds.append(time.perf_counter() - started)
        if not answer.startswith(b"http/1.1 200"):
            sys.exit(f"a request was refused: {answer[:60]!r}")
    writer.close()
    return seconds


async def run(port: int, path: str, field: str, clients: int, seconds: float) -> None:
    """Ask for some seconds, and print requests, seconds and the latency of each request."""
    texts = sys.stdin.read().splitlines()
    bodies = itertools.cycle([json.dumps({field: text}).encode() for text in texts])
    started = time.perf_counter()
    found = await asyncio.gather(
        *(ask(port, path, bodies, started + seconds) for _ in range(clients))
    )
    taken = time.perf_counter() - started
    latencies = sorted(value for own in found for value in own)
    print(json.dumps({"seconds": taken, "latencies": latencies}))


if __name__ == "__main__":
    _, number, where, name, count, length = sys.argv
    asyncio.run(run(int(number), where, name, int(count), float(length)))
