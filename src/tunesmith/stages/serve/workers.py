"""The worker processes as the service sees them: started, held to the canary rows, replaced.

A worker that dies takes only the requests of its batch with it: they get 503, all others wait on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tunesmith.stages.serve.canary import canary_order, compare_canary
from tunesmith.stages.serve.processes import Spares, Worker, WorkerLostError
from tunesmith.stages.serve.queue import RequestQueue, Waiting

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0
REPEATED_ROWS = 32
"""Canary rows that a worker is asked which takes a lost one's place."""


class WrongAnswersError(Exception):
    """A worker's answers are not those on record: to start it again would change nothing."""


@dataclass(slots=True)
class Slot:
    """The place of one worker: the process in it now, and why it is not ready where it is not."""

    number: int
    worker: Worker | None = None
    reason: str = "its models are being loaded"
    restarts: int = 0
    failed_starts: int = 0
    busy: list[Waiting] = field(default_factory=list)

    @property
    def is_ready(self) -> bool:
        """Whether it takes batches."""
        return not self.reason


class WorkerPool:
    """A fixed number of workers that take batches from one queue.

    `on_batch` is told of each batch (model, requests, and what it took), `on_event` what happens to
    workers.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        *,
        queue: RequestQueue,
        spares: Spares,
        on_batch: Callable[[str, list[Waiting], dict[str, Any]], None],
        on_event: Callable[[str, dict[str, Any]], None],
    ) -> None:
        """Prepare; `start` takes the processes, which get `settings`.

        Among these are `workers`, `stuck_seconds` and `writing_seconds`.
        """
        self.slots = [Slot(number) for number in range(settings["workers"])]
        self.models: dict[str, Any] = {}
        self._settings = settings
        self._queue = queue
        self._spares = spares
        self._on_batch = on_batch
        self._on_event = on_event
        self._tasks: list[asyncio.Task] = []
        self._changed = asyncio.Event()
        self._is_checked = False

    def start(self) -> None:
        """Start all workers."""
        self._tasks = [asyncio.create_task(self._keep_alive(slot)) for slot in self.slots]

    @property
    def is_ready(self) -> bool:
        """Whether any worker takes batches."""
        return any(slot.is_ready for slot in self.slots)

    @property
    def ready_count(self) -> int:
        """How many workers take batches."""
        return sum(slot.is_ready for slot in self.slots)

    @property
    def is_recovering(self) -> bool:
        """Whether a worker that answered was lost, and the next has not failed to start yet."""
        return any(slot.restarts and not slot.failed_starts for slot in self.slots)

    @property
    def reasons(self) -> list[str]:
        """Why workers are not ready, one a worker."""
        return [f"worker {slot.number}: {slot.reason}" for slot in self.slots if slot.reason]

    async def settled(self) -> None:
        """Wait until each worker is ready or has failed once."""
        while not all(slot.is_ready or slot.restarts for slot in self.slots):
            await self._wait_for_change()

    async def stop(self) -> None:
        """End all workers."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(slot.worker.stop() for slot in self.slots if slot.worker))

    async def _wait_for_change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    async def _keep_alive(self, slot: Slot) -> None:
        """Start a worker, let it answer until it is gone, and start the next."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            started = time.monotonic()
            try:
                slot.worker = await self._load()
                self.models = slot.worker.models
                slot.reason = ""
                slot.failed_starts = 0
                pause = FIRST_PAUSE_SECONDS
                self._on_event(
                    "worker_ready",
                    {
                        "worker": slot.number,
                        "process": slot.worker.process.pid,
                        "seconds": round(time.monotonic() - started, 3),
                    },
                )
                self._changed.set()
                await self._spares.fill(self._engines())
                await self._serve(slot, slot.worker)
            except (WorkerLostError, WrongAnswersError) as error:
                slot.failed_starts += not slot.is_ready
                slot.reason = str(error)
                is_final = isinstance(error, WrongAnswersError)
            await self._queue.leave(slot.busy)
            self._clear(slot)
            self._changed.set()
            if is_final:
                return
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _engines(self) -> set[str]:
        """Return what the models are computed by, each as `ENGINE=BUNDLE`."""
        return {
            f"{facts['engine'].partition(' ')[0]}={self._settings['models'][name]}"
            for name, facts in self.models.items()
        }

    async def _load(self) -> Worker:
        """Return a worker that holds its models and answers as the record says."""
        worker = await self._spares.take()
        try:
            await worker.load(self._settings)
            await self._check(worker)
        except BaseException:
            worker.kill()
            raise
        return worker

    async def _check(self, worker: Worker) -> None:
        """Hold a new worker to the canary rows before a request reaches it.

        The first one to all of them. Who takes a lost worker's place has the same files, and is
        asked a part where each answer must be that on record: requests wait for him.
        """
        for name, facts in worker.models.items():
            canary = facts["canary"]
            if self._is_checked and facts["is_exact"]:
                canary = canary[:: max(1, len(canary) // REPEATED_ROWS)]
            replies: list[dict[str, Any]] = []
            orders = [canary_order(canary)]
            tokens = sum(len(str(row["row"])) // 3 for row in canary)
            took = await worker.compute(name, orders, replies.append)
            if tokens:
                self._queue.learn(name, tokens=tokens, seconds=took["seconds"])
            answers = replies[0].get("answers", [])
            if difference := compare_canary(canary, answers, is_exact=facts["is_exact"]):
                raise WrongAnswersError(f"`{name}`: {difference}")
        self._is_checked = True

    async def _serve(self, slot: Slot, worker: Worker) -> None:
        while True:
            slot.busy = await self._next_batch(worker)
            first = slot.busy[0]
            model = first.model
            orders = [
                {"id": number, "rows": waiting.rows, "demands": waiting.demands}
                for number, waiting in enumerate(slot.busy)
            ]
            is_text = first.kind == "write"
            patience = self._settings["stuck_seconds"]
            if is_text:  # it is called off first
                patience += self._settings["writing_seconds"]
            computing = worker.compute(
                model,
                orders,
                lambda reply: settle(slot.busy, reply),
                kind=first.kind,
                given_up=first.reply if is_text else None,
            )
            try:
                # Not `wait_for`: Python 3.11's swallows a cancellation that comes with the end.
                async with asyncio.timeout(patience):
                    took = await computing
            except TimeoutError:
                raise WorkerLostError("a batch took too long and was given up") from None
            tokens = sum(waiting.tokens for waiting in slot.busy)
            if not (is_text and first.reply.cancelled()):
                self._queue.learn(first.lane, tokens=tokens, seconds=took["seconds"])
            self._on_batch(model, slot.busy, took)
            await self._queue.leave(slot.busy)
            slot.busy = []

    async def _next_batch(self, worker: Worker) -> list[Waiting]:
        """Wait for a batch. Raises `WorkerLostError` where the process ends before there is one."""
        taking = asyncio.create_task(self._queue.take())
        try:
            await asyncio.wait({taking, worker.ended}, return_when=asyncio.FIRST_COMPLETED)
            if not worker.ended.done():
                return taking.result()
            if taking.done():
                await self._queue.give_back(taking.result())
            raise WorkerLostError("it ended while nothing was asked of it")
        finally:
            taking.cancel()

    @property
    def computing(self) -> int:
        """How many requests are in the hands of workers."""
        return sum(len(slot.busy) for slot in self.slots)

    def _clear(self, slot: Slot) -> None:
        """Send away the requests of a lost worker, and end what is left of it."""
        slot.restarts += 1
        for waiting in slot.busy:
            if not waiting.reply.done():
                waiting.reply.set_result({"lost": slot.reason})
        slot.busy = []
        if slot.worker is not None:
            slot.worker.kill()
            slot.worker = None
        self._on_event("worker_lost", {"worker": slot.number, "reason": slot.reason})


def _libraries(models: Mapping[str, Any]) -> set[str]:
    """Return what the models' engines are made of: `onnx`, `torch`."""
    return {facts["engine"].partition(" ")[0] for facts in models.values()}


def settle(busy: list[Waiting], reply: dict[str, Any]) -> None:
    """Give a message of a worker to the request of its batch that it is for."""
    waiting = busy[reply["id"]]
    if "token" in reply or "piece" in reply:
        waiting.parts.put_nowait(reply)
        return
    if "reason" in reply:
        waiting.tokens = reply["read"] + reply["written"]
    if not waiting.reply.done():
        waiting.reply.set_result(reply)
