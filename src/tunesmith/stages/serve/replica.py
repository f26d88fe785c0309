"""What Ray keeps as many copies of as there is work: it computes batches, as a worker does.

It imports nothing of Ray. What goes in and out is JSON in bytes, so that no class of ours travels.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import itertools
import json
import os
import threading
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tunesmith.core.errors import TunesmithError
from tunesmith.stages.serve.canary import canary_order, compare_canary
from tunesmith.stages.serve.worker import reply_messages

REASON_MARKS = ("[tunesmith: ", " :tunesmith]")
"""What stands around the reason of a replica that cannot answer: Ray keeps its words in a text."""


class ReplicaError(Exception):
    """A replica that must not answer; Ray starts another in its place, and gives up in the end."""


class Replica:
    """All models of a service in one process: held to the canary rows when made, ready when there.

    It computes one batch at a time, in a thread, and is unhealthy where one takes too long.
    """

    def __init__(self, module: str, settings: str) -> None:
        """Load what the settings, in JSON, name. Raises `ReplicaError`."""
        fields = json.loads(settings)
        self._stack = contextlib.ExitStack()
        self._stuck_seconds = fields["stuck_seconds"]
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="compute")
        self._began: float | None = None
        self._numbers = itertools.count()
        os.nice(fields["niceness"])
        try:
            self._models = importlib.import_module(module).open_models(self._stack, fields)
            self._facts = {name: model.facts() for name, model in self._models.items()}
            self._speeds = {name: self._check(name) for name in self._models}
        except TunesmithError as error:
            raise _failed(str(error).replace("\n", " ")) from None

    def _check(self, name: str) -> list[float]:
        """Hold a model to its canary rows; return their tokens, about, and the seconds it took."""
        facts = self._facts[name]
        began = time.perf_counter()
        message = {"model": name, "orders": [canary_order(facts["canary"])]}
        reply = next(reply_messages(self._models, message))
        seconds = time.perf_counter() - began
        difference = compare_canary(
            facts["canary"], reply.get("answers", []), is_exact=facts["is_exact"]
        )
        if difference:
            raise _failed(f"`{name}`: {difference}")
        return [sum(len(str(row["row"])) // 3 for row in facts["canary"]), seconds]

    async def describe(self) -> bytes:
        """Return facts and speeds of the models, and the process, as JSON."""
        fields = {"models": self._facts, "speeds": self._speeds, "process": os.getpid()}
        return json.dumps(fields).encode()

    async def answer(self, message: bytes) -> AsyncIterator[bytes]:
        """Yield what a worker says of a batch, as JSON lists of messages; the last has no `id`."""
        said: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        batch = json.loads(message)
        batch["number"] = next(self._numbers)
        is_left = threading.Event()

        def is_wanted() -> bool:
            said_token = {"id": batch["orders"][0]["id"], "token": True}
            loop.call_soon_threadsafe(said.put_nowait, said_token)
            return not is_left.is_set()

        def compute() -> None:
            self._began = time.monotonic()
            try:
                for reply in reply_messages(self._models, batch, is_wanted=is_wanted):
                    loop.call_soon_threadsafe(said.put_nowait, reply)
            finally:
                self._began = None

        self._thread.submit(compute)
        is_over = False
        try:
            while not is_over:
                replies = [await said.get()]
                while not said.empty():
                    replies.append(said.get_nowait())
                is_over = "id" not in replies[-1]
                yield json.dumps(replies).encode()
        finally:  # who leaves before the end wants no more of a text
            is_left.set()

    def check_health(self) -> None:
        """Raise `ReplicaError` where a batch takes too long: Ray replaces this replica then."""
        began = self._began
        if began is not None and time.monotonic() - began > self._stuck_seconds:
            raise _failed("a batch took too long and was given up")


def _failed(reason: str) -> ReplicaError:
    return ReplicaError(reason.join(REASON_MARKS))


def read_reason(text: str) -> str:
    """Return the reason that a replica gave, out of what Ray says of it; or nothing."""
    before, _, after = text.rpartition(REASON_MARKS[0])
    del before
    reason, mark, _ = after.partition(REASON_MARKS[1])
    return reason if mark else ""
