"""Texts that workers write and vectors that they give, from the queue to whoever asked."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Awaitable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, NamedTuple

from tunesmith.stages.serve.deployments import Served, Side
from tunesmith.stages.serve.problems import Refusal
from tunesmith.stages.serve.queue import Waiting
from tunesmith.stages.serve.requests import count_tokens_of
from tunesmith.stages.serve.service import ClientGoneError, Service, require_reply


@dataclass(frozen=True, slots=True)
class TextAsked:
    """A text that is wanted: the row it answers, in about `tokens`, and how it is written.

    `decoding` changes the bundle's own settings; the text ends before the first of `stops`, and
    after `most` tokens.
    """

    row: dict[str, Any]
    tokens: int
    decoding: dict[str, Any]
    stops: tuple[str, ...]
    most: int


class TextEnd(NamedTuple):
    """Why a text ended (`stop` or `length`), and the tokens read and written for it."""

    reason: str
    read: int
    written: int


class Embedding(NamedTuple):
    """A vector a text, each as base64 of float32, and the tokens read for them."""

    vectors: list[str]
    tokens: int


async def write_text(
    service: Service, served: Served, asked: TextAsked, gone: Awaitable[Any]
) -> AsyncGenerator[str | TextEnd]:
    """Yield a text piece by piece, and last its end.

    Raises `Refusal` (504) where the first token, the next one or the end takes too long, and
    `ClientGoneError` where `gone` ends first. However it ends, closed by its reader too, the worker
    writes no further.
    """
    loop, limits = asyncio.get_running_loop(), service.settings.limits
    side = service.live.side(served.name)
    demands = {"decoding": asked.decoding, "stops": asked.stops, "most": asked.most}
    waiting = Waiting(
        served.name,
        (asked.row,),
        asked.tokens + asked.most,
        demands,
        loop.create_future(),
        kind="write",
    )
    with side.deployment.asking():
        await side.deployment.queue.put(waiting)
        leaving = asyncio.ensure_future(gone)
        late = time.monotonic() + limits.writing_ms / 1000
        try:
            told = _told(service, side, waiting, leaving, late=late)
            async with contextlib.aclosing(told) as parts:
                async for part in parts:
                    yield part
        finally:
            waiting.reply.cancel()
            leaving.cancel()


async def _told(
    service: Service, side: Side, waiting: Waiting, leaving: asyncio.Future[Any], *, late: float
) -> AsyncGenerator[str | TextEnd]:
    """Yield what a worker tells of a text, which must be whole when the clock says `late`."""
    limits, metrics = service.settings.limits, service.metrics
    own = (side.served.name, side.served.version)
    patience, tokens, is_begun = limits.deadline_ms / 1000, 0, False
    count = metrics.tokens_written.labels(*own).inc
    while (message := await _next_message(waiting, leaving, patience, late)) is not None:
        patience = limits.token_ms / 1000
        if "token" in message:
            tokens += 1
            count()
            continue
        if not is_begun:
            seconds = time.monotonic() - waiting.arrived
            metrics.first_piece_seconds.labels(*own).observe(seconds)
        is_begun = True
        yield message["piece"]
    if not waiting.reply.done():
        raise _late(service, side, tokens, is_over=time.monotonic() >= late)
    reply = require_reply(waiting.reply.result())
    end = TextEnd(reply["reason"], reply["read"], reply["written"])
    count(max(0, end.written - tokens))
    metrics.tokens_read.labels(*own).inc(end.read)
    yield end


async def _next_message(
    waiting: Waiting, leaving: asyncio.Future[Any], patience: float, late: float
) -> dict[str, Any] | None:
    """Return what is told of a text next; None at its end, or where that takes too long.

    Raises `ClientGoneError` where nobody waits for it.
    """
    if not waiting.parts.empty():
        return waiting.parts.get_nowait()
    getting = asyncio.ensure_future(waiting.parts.get())
    try:
        await asyncio.wait(
            {getting, waiting.reply, leaving},
            timeout=max(0.0, min(patience, late - time.monotonic())),
            return_when=asyncio.FIRST_COMPLETED,
        )
        if leaving.done():
            raise ClientGoneError
        return getting.result() if getting.done() else None
    finally:
        getting.cancel()


def _late(service: Service, side: Side, tokens: int, *, is_over: bool) -> Refusal:
    limits = service.settings.limits
    if not tokens and not is_over:
        return service.too_late(side)
    must = (
        f"a reply must be whole within {limits.writing_ms / 1000:g} seconds"
        if is_over
        else f"the next token must be there within {limits.token_ms / 1000:g} seconds"
    )
    return Refusal(
        HTTPStatus.GATEWAY_TIMEOUT,
        f"{must}; it was not, after {tokens:,} tokens",
        hint="ask for fewer tokens, or try again later",
        retry_seconds=side.deployment.queue.seconds_to_wait(),
    )


async def embed(
    service: Service, served: Served, texts: tuple[str, ...], gone: Awaitable[Any]
) -> Embedding:
    """Return the vectors of texts; raises as `Service.answer` does."""
    waiting = Waiting(
        served.name,
        texts,
        sum(map(count_tokens_of, texts)),
        {},
        asyncio.get_running_loop().create_future(),
        kind="embed",
    )
    side = service.live.side(served.name)
    reply = await service.compute(side, waiting, gone)
    version = side.served.version
    service.metrics.tokens_read.labels(served.name, version).inc(reply["tokens"])
    return Embedding(reply["vectors"], reply["tokens"])
