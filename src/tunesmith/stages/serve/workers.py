"""The worker processes as the service sees them: started, held to the canary rows, replaced.

A worker that dies takes only the requests of its batch with it: they get 503, all others wait on.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tunesmith.stages.serve.canary import compare_canary
from tunesmith.stages.serve.channel import ChannelClosedError, pack, receive_async
from tunesmith.stages.serve.queue import RequestQueue, Waiting
from tunesmith.stages.serve.worker import OrderKind

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0
LOADING_SECONDS = 600
STOPPING_SECONDS = 5


class WorkerLostError(ConnectionError):
    """The process that was to answer is gone."""


class WrongAnswersError(Exception):
    """A worker's answers are not those on record: to start it again would change nothing."""


class Worker:
    """One process that computes, and the channel to it. It answers one batch at a time."""

    def __init__(
        self,
        process: subprocess.Popen,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        """Take over a process that was just started."""
        self.process = process
        self.models: dict[str, Any] = {}
        self._writer = writer
        self._batches = 0
        self._messages: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self.ended = asyncio.create_task(self._listen(reader))
        """Done when the process is gone, whether anything was asked of it or not."""

    @classmethod
    async def start(cls, module: str, settings: Mapping[str, Any]) -> Worker:
        """Start a process of `module`, tell it its settings, and wait until its models are loaded.

        Raises `WorkerLostError` where it cannot load them, with what it said last.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-m", module, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        reader, writer = await asyncio.open_connection(sock=ours, limit=1 << 26)
        worker = cls(process, reader, writer)
        try:
            writer.write(pack(dict(settings)))
            hello = await asyncio.wait_for(worker._hear(), LOADING_SECONDS)
        except (WorkerLostError, TimeoutError, OSError) as error:
            worker.kill()
            raise WorkerLostError("it ended while it loaded the models") from error
        except BaseException:
            worker.kill()
            raise
        if "problem" in hello:
            worker.kill()
            raise WorkerLostError(str(hello["problem"]))
        worker.models = hello["models"]
        return worker

    async def compute(
        self,
        model: str,
        orders: list[dict[str, Any]],
        tell: Callable[[dict[str, Any]], None],
        *,
        kind: OrderKind = "answer",
        given_up: asyncio.Future[Any] | None = None,
    ) -> float:
        """Have a batch computed, tell of each reply as it comes, and return the seconds it took.

        Where `given_up` is cancelled, nobody wants the batch any more: a text is not gone on with.
        Raises `WorkerLostError` where the process is gone.
        """
        self._batches += 1
        number = self._batches
        batch = {"number": number, "kind": kind, "model": model, "orders": orders}
        if given_up is not None:
            given_up.add_done_callback(lambda reply: self._call_off(number, reply))
        try:
            self._writer.write(pack(batch))
            await self._writer.drain()
        except OSError as error:
            raise WorkerLostError("it ended while it answered") from error
        while True:
            message = await self._hear()
            if "id" not in message:
                return message["seconds"]
            tell(message)

    def _call_off(self, number: int, reply: asyncio.Future[Any]) -> None:
        """Say that a batch is not wanted any more, where its reply was cancelled."""
        if reply.cancelled() and not self._writer.is_closing():
            self._writer.write(pack({"call_off": number}))

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        """Keep what the process says, until it is gone."""
        try:
            while True:
                self._messages.put_nowait(await receive_async(reader))
        except ChannelClosedError:
            self._messages.put_nowait(None)

    async def _hear(self) -> dict[str, Any]:
        message = await self._messages.get()
        if message is None:
            self._messages.put_nowait(None)
            raise WorkerLostError("it ended while it answered")
        return message

    def kill(self) -> None:
        """End the process at once."""
        self.ended.cancel()
        self._writer.close()
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait(STOPPING_SECONDS)

    async def stop(self) -> None:
        """End the process by closing its channel, and by force where it does not leave."""
        self._writer.close()
        until = time.monotonic() + STOPPING_SECONDS
        while self.process.poll() is None and time.monotonic() < until:
            await asyncio.sleep(0.01)
        self.kill()


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

    `on_batch` is told of each batch (model, requests, seconds), `on_event` what happens to workers.
    """

    def __init__(
        self,
        module: str,
        settings: Mapping[str, Any],
        *,
        queue: RequestQueue,
        on_batch: Callable[[str, list[Waiting], float], None],
        on_event: Callable[[str, dict[str, Any]], None],
    ) -> None:
        """Prepare; `start` starts the processes.

        `settings` hold `workers`, `stuck_seconds` and `writing_seconds`.
        """
        self.slots = [Slot(number) for number in range(settings["workers"])]
        self.models: dict[str, Any] = {}
        self._module = module
        self._settings = settings
        self._queue = queue
        self._on_batch = on_batch
        self._on_event = on_event
        self._tasks: list[asyncio.Task] = []
        self._changed = asyncio.Event()

    def start(self) -> None:
        """Start all workers."""
        self._tasks = [asyncio.create_task(self._keep_alive(slot)) for slot in self.slots]

    @property
    def is_ready(self) -> bool:
        """Whether any worker takes batches."""
        return any(slot.is_ready for slot in self.slots)

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
                slot.worker = await Worker.start(self._module, self._settings)
                await self._check(slot.worker)
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

    async def _check(self, worker: Worker) -> None:
        """Hold a new worker to the canary rows before a request reaches it."""
        for name, facts in worker.models.items():
            replies: list[dict[str, Any]] = []
            orders = [
                {"id": 0, "rows": [row["row"] for row in facts["canary"]], "demands": _ALL_SCORES}
            ]
            tokens = sum(len(str(row["row"])) // 3 for row in facts["canary"])
            seconds = await worker.compute(name, orders, replies.append)
            if tokens:
                self._queue.learn(name, tokens=tokens, seconds=seconds)
            difference = compare_canary(
                facts["canary"],
                replies[0].get("answers", []),
                is_exact=facts["is_exact"],
            )
            if difference:
                raise WrongAnswersError(f"`{name}`: {difference}")

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
                lambda reply: _settle(slot.busy, reply),
                kind=first.kind,
                given_up=first.reply if is_text else None,
            )
            try:
                seconds = await asyncio.wait_for(computing, patience)
            except TimeoutError:
                raise WorkerLostError("a batch took too long and was given up") from None
            tokens = sum(waiting.tokens for waiting in slot.busy)
            if not (is_text and first.reply.cancelled()):
                self._queue.learn(first.lane, tokens=tokens, seconds=seconds)
            self._on_batch(model, slot.busy, seconds)
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


_ALL_SCORES: dict[str, Any] = {"all_scores": True}


def _settle(busy: list[Waiting], reply: dict[str, Any]) -> None:
    waiting = busy[reply["id"]]
    if "token" in reply or "piece" in reply:
        waiting.parts.put_nowait(reply)
        return
    if "reason" in reply:
        waiting.tokens = reply["read"] + reply["written"]
    if not waiting.reply.done():
        waiting.reply.set_result(reply)
