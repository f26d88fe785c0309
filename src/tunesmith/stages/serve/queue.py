"""Requests that wait for a worker: a bounded queue, and the batches that are taken from it."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from tunesmith.core.serving import BatchRecipe, ServiceLimits
from tunesmith.stages.serve.problems import Refusal
from tunesmith.stages.serve.worker import OrderKind

FIRST_TOKENS = 512
"""Of a batch, before the speed of a model is known."""

NEW_SHARE = 0.2
"""What one more batch changes in the speed that is remembered."""


@dataclass(eq=False, slots=True)
class Waiting:
    """A request on its way: what is to be computed, and the future that its reply ends.

    A future that is done already was given up: its client is gone, or its time is over. `parts` are
    what is told of a text while it is written.
    """

    model: str
    rows: tuple[Any, ...]
    tokens: int
    demands: dict[str, Any]
    reply: asyncio.Future[dict[str, Any]]
    arrived: float = field(default_factory=time.monotonic)
    kind: OrderKind = "answer"
    parts: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)
    taken: float | None = None

    @property
    def lane(self) -> str:
        """What shares a batch and a speed: requests of one kind for one model."""
        return self.model if self.kind == "answer" else f"{self.model}:{self.kind}"


class RequestQueue:
    """First come, first served; what was given up is dropped before it is computed.

    A batch holds requests of one kind for one model: the oldest request, and what else fits the
    budget of tokens that the model's measured speed can compute within `bound_ms`. A text that is
    written is a batch alone, since it takes long: never do all of several workers write, and after
    a text what else waits comes first.
    """

    def __init__(self, limits: ServiceLimits, batch: BatchRecipe, *, workers: int = 1) -> None:
        """Begin empty, for so many workers."""
        self.rows = 0
        self.writing = 0
        self._most_writing = max(1, workers - 1)
        self._wrote_last = False
        self.dropped = 0
        self._limits = limits
        self._batch = batch
        self._waiting: deque[Waiting] = deque()
        self._arrival = asyncio.Condition()
        self._speed: dict[str, float] = {}

    def __len__(self) -> int:
        """Return how many requests wait."""
        return len(self._waiting)

    async def put(self, waiting: Waiting) -> None:
        """Add a request. Raises `Refusal` (503) where the queue is full."""
        self._drop_given_up()
        is_full = (
            len(self._waiting) >= self._limits.queue_requests
            or self.rows + len(waiting.rows) > self._limits.queue_rows
        )
        if is_full and self._waiting:
            raise Refusal(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"the queue must have room; {len(self._waiting):,} requests wait",
                hint="try again after the seconds of Retry-After",
                retry_seconds=self.seconds_to_wait(),
            )
        self._waiting.append(waiting)
        self.rows += len(waiting.rows)
        async with self._arrival:
            self._arrival.notify()

    async def take(self) -> list[Waiting]:
        """Wait for requests and return a batch of them, all for one model."""
        async with self._arrival:
            while True:
                self._drop_given_up()
                if (first := self._first()) is not None:
                    return self._gather(first)
                await self._arrival.wait()

    async def give_back(self, batch: list[Waiting]) -> None:
        """Put a batch that nobody computed before all others."""
        self._keep([*batch, *self._waiting])
        await self.leave(batch)
        async with self._arrival:
            self._arrival.notify()

    async def leave(self, batch: list[Waiting]) -> None:
        """Know that a batch is in no worker's hands any more: a text that waits may begin."""
        if not any(waiting.kind == "write" for waiting in batch):
            return
        self.writing -= 1
        async with self._arrival:
            self._arrival.notify()

    def learn(self, lane: str, *, tokens: int, seconds: float) -> None:
        """Remember how fast a batch was computed."""
        speed = tokens / max(seconds, 1e-6)
        before = self._speed.get(lane, speed)
        self._speed[lane] = before + NEW_SHARE * (speed - before)

    def budget(self, lane: str) -> int:
        """Return how many tokens a batch may have."""
        speed = self._speed.get(lane)
        if speed is None:
            return min(FIRST_TOKENS, self._batch.tokens)
        return max(1, min(self._batch.tokens, int(speed * self._batch.bound_ms / 1000)))

    def seconds_to_wait(self) -> float:
        """Return about how long the requests that wait will take one worker."""
        return sum(
            waiting.tokens / max(self._speed.get(waiting.lane, 1000.0), 1.0)
            for waiting in self._waiting
        )

    def _first(self) -> Waiting | None:
        """Return the request whose turn it is; None where only such wait as must not begin yet."""
        oldest = next(iter(self._waiting), None)
        if oldest is None or oldest.kind != "write":
            return oldest
        other = next((each for each in self._waiting if each.kind != "write"), None)
        if self.writing >= self._most_writing:
            return other
        return other if self._wrote_last and other is not None else oldest

    def _gather(self, first: Waiting) -> list[Waiting]:
        left = 0 if first.kind == "write" else self.budget(first.lane) - first.tokens
        self._wrote_last = first.kind == "write"
        self.writing += self._wrote_last
        chosen = [first]
        for waiting in self._waiting:
            if left <= 0:
                break
            is_other = waiting is not first and waiting.lane == first.lane
            if is_other and waiting.tokens <= left:
                chosen.append(waiting)
                left -= waiting.tokens
        now = time.monotonic()
        for waiting in chosen:
            waiting.taken = now
        taken = set(map(id, chosen))
        self._keep([waiting for waiting in self._waiting if id(waiting) not in taken])
        return chosen

    def _drop_given_up(self) -> None:
        if any(waiting.reply.done() for waiting in self._waiting):
            kept = [waiting for waiting in self._waiting if not waiting.reply.done()]
            self.dropped += len(self._waiting) - len(kept)
            self._keep(kept)

    def _keep(self, kept: list[Waiting]) -> None:
        self._waiting = deque(kept)
        self.rows = sum(len(waiting.rows) for waiting in kept)
