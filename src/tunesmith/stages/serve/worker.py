"""The process that computes: it reads batches from its channel and writes answers to it.

It ends when its channel does, so it never outlives the service. How rows are answered it is given.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

from tunesmith.core.errors import TunesmithError
from tunesmith.stages.serve.channel import ChannelClosedError, receive, send

Order = dict[str, Any]
"""One request of a batch: `id`, `rows` (mappings by role; texts, to be embedded) and `demands`."""

OrderKind: TypeAlias = Literal["answer", "write", "embed"]
"""What is wanted of the rows: answers to all, a text to the only one, or a vector for each."""

BATCHES_A_COUNT = 8
"""Of so many batches one has the tokens of its first row counted: that costs an encoding."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The answers to the rows of one request, and what their reader must know."""

    answers: list[dict[str, Any]]
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the fields of the message."""
        return {"answers": self.answers, "warnings": self.warnings}


@dataclass(frozen=True, slots=True)
class Embedded:
    """The vectors of the texts of one request, each as base64 of float32, and the tokens read."""

    vectors: list[str]
    tokens: int

    def to_json(self) -> dict[str, Any]:
        """Return the fields of the message."""
        return {"vectors": self.vectors, "tokens": self.tokens}


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text that is being written; more is to come."""

    text: str

    def to_json(self) -> dict[str, Any]:
        """Return the fields of the message."""
        return {"piece": self.text}


@dataclass(frozen=True, slots=True)
class Written:
    """The end of a text: why it ended, and the tokens read and written for it."""

    reason: Literal["stop", "length"]
    read: int
    written: int

    def to_json(self) -> dict[str, Any]:
        """Return the fields of the message."""
        return {"reason": self.reason, "read": self.read, "written": self.written}


Reply = Answered | Embedded | TunesmithError


class Answerer(Protocol):
    """What answers with one model."""

    def facts(self) -> dict[str, Any]:
        """Return `engine`, `is_exact`, and `canary`: rows with the answers on record."""
        ...

    def answer(self, orders: Sequence[Order]) -> Iterator[Reply]:
        """Yield the reply to each request of a batch, in order."""
        ...

    def embed(self, orders: Sequence[Order]) -> Iterator[Reply]:
        """Yield the vectors for each request of a batch, in order."""
        ...

    def write(
        self, order: Order, *, is_wanted: Callable[[], bool]
    ) -> Generator[Piece | Written | TunesmithError]:
        """Yield a text piece by piece, and last its end.

        `is_wanted` is asked at each token; where it says no, the writing stops without an end.
        """
        ...

    def count_tokens(self, order: Order) -> tuple[int, int]:
        """Return how many tokens the first row of a request has, and how many are unknown ones."""
        ...


def work(channel: socket.socket, models: Mapping[str, Answerer]) -> None:
    """Answer batches until the channel ends."""
    try:
        send(channel, {"models": {name: model.facts() for name, model in models.items()}})
        while True:
            message = receive(channel)
            if "call_off" in message:
                continue  # of a batch that was over when it came
            listening = _Listening(channel, message)
            for reply in reply_messages(models, message, is_wanted=listening):
                send(channel, reply)
    except ChannelClosedError:
        return


class _Listening:
    """Tells the service of each token that is written, and hears whether it still wants the text.

    The channel brings nothing but that while a batch is computed.
    """

    def __init__(self, channel: socket.socket, message: Mapping[str, Any]) -> None:
        self._channel = channel
        self._number = message.get("number")
        self._order = message["orders"][0]["id"]
        self._is_called_off = False

    def __call__(self) -> bool:
        """Tell of a token, and return whether more are wanted."""
        while not self._is_called_off and select.select([self._channel], [], [], 0)[0]:
            self._is_called_off = receive(self._channel).get("call_off") == self._number
        if not self._is_called_off:
            send(self._channel, {"id": self._order, "token": True})
        return not self._is_called_off


def reply_messages(
    models: Mapping[str, Answerer],
    message: Mapping[str, Any],
    *,
    is_wanted: Callable[[], bool] = lambda: True,
) -> Iterator[dict[str, Any]]:
    """Yield what is said of a batch: of each request its reply, and last, without `id`, `seconds`.

    A text that is written has a message a piece, and one for its end. Beside the seconds stand
    `tokens` and `unknown` ones of a row, both 0 where they were not counted.
    """
    started = time.perf_counter()
    model, orders = models[message["model"]], message["orders"]
    match message.get("kind", "answer"):
        case "write":
            yield from _written(model, orders[0], is_wanted)
        case "embed":
            yield from _replies(orders, model.embed(orders))
        case _:
            yield from _replies(orders, model.answer(orders))
    seconds = time.perf_counter() - started
    is_counted = (
        message.get("kind", "answer") == "answer"
        and message.get("number", 0) % BATCHES_A_COUNT == 1
    )
    tokens, unknown = _count(model, orders[0]) if is_counted else (0, 0)
    yield {"seconds": seconds, "tokens": tokens, "unknown": unknown}


def _replies(orders: Sequence[Order], replies: Iterator[Reply]) -> Iterator[dict[str, Any]]:
    """Yield a message a request; after a failure that nobody named, one for each that is left."""
    done = 0
    try:
        for order, reply in zip(orders, replies, strict=True):
            yield _message(order["id"], reply)
            done += 1
    except TunesmithError as error:
        yield from (_message(order["id"], error) for order in orders[done:])
    except Exception as error:  # noqa: BLE001 (its words stay here: they may hold a row)
        yield from (_failure(order["id"], error) for order in orders[done:])


def _written(
    model: Answerer, order: Order, is_wanted: Callable[[], bool]
) -> Iterator[dict[str, Any]]:
    """Yield a message for each part of a text, or for what kept it from being written."""
    try:
        with contextlib.closing(model.write(order, is_wanted=is_wanted)) as parts:
            for part in parts:
                yield _message(order["id"], part)
    except ChannelClosedError:
        raise
    except TunesmithError as error:
        yield _message(order["id"], error)
    except Exception as error:  # noqa: BLE001 (its words stay here: they may hold a row)
        yield _failure(order["id"], error)


def _count(model: Answerer, order: Order) -> tuple[int, int]:
    """Count the tokens of a row that was answered; one that cannot be counted has none."""
    try:
        return model.count_tokens(order)
    except Exception:  # noqa: BLE001 (a figure is no reason to fail; the row had its reply)
        return 0, 0


def _message(identity: int, reply: Reply | Piece | Written) -> dict[str, Any]:
    if isinstance(reply, TunesmithError):
        return {"id": identity, "error": reply.to_json(), "status": reply.http_status}
    return {"id": identity, **reply.to_json()}


def _failure(identity: int, error: Exception) -> dict[str, Any]:
    name = type(error).__name__
    sys.stderr.write(f"a batch failed: {name}\n")
    return {"id": identity, "failure": name}


def open_channel(number: int) -> socket.socket:
    """Return the channel of a file number; Ctrl-C is left to the service."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.set_inheritable(number, False)
    return socket.socket(fileno=number)
