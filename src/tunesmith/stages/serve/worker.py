"""The process that computes: it reads batches from its channel and writes answers to it.

It ends when its channel does, so it never outlives the service. How rows are answered it is given.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tunesmith.core.errors import TunesmithError
from tunesmith.stages.serve.channel import ChannelClosedError, receive, send

Order = dict[str, Any]
"""One request of a batch: `id`, `rows` (mappings by role) and `demands`."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The answers to the rows of one request, and what their reader must know."""

    answers: list[dict[str, Any]]
    warnings: tuple[str, ...] = ()


Reply = Answered | TunesmithError


class Answerer(Protocol):
    """What answers with one model."""

    def facts(self) -> dict[str, Any]:
        """Return `engine`, `is_exact`, and `canary`: rows with the answers on record."""
        ...

    def answer(self, orders: Sequence[Order]) -> Iterator[Reply]:
        """Yield the reply to each request of a batch, in order."""
        ...


def work(channel: socket.socket, models: Mapping[str, Answerer]) -> None:
    """Answer batches until the channel ends."""
    try:
        send(channel, {"models": {name: model.facts() for name, model in models.items()}})
        while True:
            message = receive(channel)
            started = time.perf_counter()
            for reply in _replies(models[message["model"]], message["orders"]):
                send(channel, reply)
            send(channel, {"seconds": time.perf_counter() - started})
    except ChannelClosedError:
        return


def _replies(model: Answerer, orders: Sequence[Order]) -> Iterator[dict[str, Any]]:
    """Yield a message a request; after a failure that nobody named, one for each that is left."""
    done = 0
    try:
        for order, reply in zip(orders, model.answer(orders), strict=True):
            yield _message(order["id"], reply)
            done += 1
    except TunesmithError as error:
        yield from (_message(order["id"], error) for order in orders[done:])
    except Exception as error:  # noqa: BLE001 (its words stay here: they may hold a row)
        name = type(error).__name__
        sys.stderr.write(f"a batch failed: {name}\n")
        yield from ({"id": order["id"], "failure": name} for order in orders[done:])


def _message(identity: int, reply: Reply) -> dict[str, Any]:
    if isinstance(reply, TunesmithError):
        return {"id": identity, "error": reply.to_json(), "status": reply.http_status}
    return {"id": identity, "answers": reply.answers, "warnings": reply.warnings}


def open_channel(number: int) -> socket.socket:
    """Return the channel of a file number; Ctrl-C is left to the service."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.set_inheritable(number, False)
    return socket.socket(fileno=number)
