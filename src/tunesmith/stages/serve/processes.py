"""The processes that compute, as the service sees them: each with a channel, and spares of them.

A spare has imported what computes and holds no model yet: it takes the place of a lost worker, or
the first one of a new version, without the seconds that imports take.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tunesmith.stages.serve.channel import ChannelClosedError, pack, receive_async
from tunesmith.stages.serve.worker import OrderKind

LOADING_SECONDS = 600
STOPPING_SECONDS = 5
LARGEST_MESSAGE_BYTES = 1 << 26


class WorkerLostError(ConnectionError):
    """The process that was to answer is gone."""


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
    async def spawn(cls, module: str, engines: Iterable[str] = ()) -> Worker:
        """Start a process of `module` that imports what `engines` need and waits for settings.

        Raises `WorkerLostError` where the machine has no room for one.
        """
        try:
            ours, theirs = socket.socketpair()
            with theirs:
                process = subprocess.Popen(
                    [sys.executable, "-m", module, str(theirs.fileno()), *engines],
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    start_new_session=True,
                )
        except OSError as error:
            raise WorkerLostError(f"a process must be there for it; {error.strerror}") from error
        reader, writer = await asyncio.open_connection(sock=ours, limit=LARGEST_MESSAGE_BYTES)
        return cls(process, reader, writer)

    async def load(self, settings: Mapping[str, Any]) -> None:
        """Tell a process its settings, and wait until its models are loaded.

        Raises `WorkerLostError` where it cannot load them, with what it said last.
        """
        try:
            self._writer.write(pack(dict(settings)))
            async with asyncio.timeout(LOADING_SECONDS):
                hello = await self._hear()
        except (WorkerLostError, TimeoutError, OSError) as error:
            raise WorkerLostError("it ended while it loaded the models") from error
        if "problem" in hello:
            raise WorkerLostError(str(hello["problem"]))
        self.models = hello["models"]

    async def compute(
        self,
        model: str,
        orders: list[dict[str, Any]],
        tell: Callable[[dict[str, Any]], None],
        *,
        kind: OrderKind = "answer",
        given_up: asyncio.Future[Any] | None = None,
    ) -> dict[str, Any]:
        """Have a batch computed, tell of each reply as it comes, and return what it took.

        That are `seconds`, and where they were counted `tokens` and `unknown` ones of a row.
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
                return message
            tell(message)

    def _call_off(self, number: int, reply: asyncio.Future[Any]) -> None:
        """Say that a batch is not wanted any more, where its reply was cancelled."""
        if reply.cancelled() and not self._writer.is_closing():
            self._writer.write(pack({"call_off": number}))

    @property
    def is_alive(self) -> bool:
        """Whether the process is there."""
        return self.process.poll() is None and not self.ended.done()

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


class Spares:
    """Gives processes that wait for their settings: a spare where there is one, else a new one."""

    def __init__(self, module: str, *, count: int) -> None:
        """Keep `count` processes of `module`, once it is known what they must import."""
        self._module = module
        self._count = count
        self._waiting: list[Worker] = []
        self._filling = asyncio.Lock()
        self._is_over = False

    async def take(self) -> Worker:
        """Return a process, whose owner kills or stops it from now on.

        Raises what `Worker.spawn` raises.
        """
        while self._waiting:
            spare = self._waiting.pop()
            if spare.is_alive:
                return spare
            spare.kill()
        return await Worker.spawn(self._module)

    async def fill(self, engines: Iterable[str]) -> None:
        """Start as many spares as are missing; each imports what `engines` need.

        An engine is named with a bundle, `onnx=PATH`: what is imported depends on its model.
        """
        async with self._filling:
            with contextlib.suppress(WorkerLostError):
                while len(self._waiting) < self._count and not self._is_over:
                    self._waiting.append(await Worker.spawn(self._module, sorted(engines)))

    async def stop(self) -> None:
        """End the spares, and keep none from now on."""
        self._is_over = True
        waiting, self._waiting = self._waiting, []
        await asyncio.gather(*(spare.stop() for spare in waiting))
