"""The routes of OpenAI's API that bundles can answer: chat completions and embeddings."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from tunesmith.core.errors import TunesmithError
from tunesmith.stages.serve.admission import (
    Endpoint,
    admit,
    json_reply,
    named,
    read_body,
    until_gone,
)
from tunesmith.stages.serve.gate import Passage
from tunesmith.stages.serve.openai_problems import (
    CHAT_PATH,
    EMBEDDINGS_PATH,
    in_openai_form,
    openai_problem,
)
from tunesmith.stages.serve.openai_replies import (
    DONE,
    Chat,
    completion,
    embeddings,
    event,
    piece,
    usage_piece,
)
from tunesmith.stages.serve.openai_requests import (
    ChatRequest,
    read_chat,
    read_embeddings,
    require_vectors,
    require_writer,
    text_asked,
)
from tunesmith.stages.serve.problems import refuse
from tunesmith.stages.serve.requests import read_json
from tunesmith.stages.serve.service import Service
from tunesmith.stages.serve.texts import TextEnd, embed, write_text

EVENTS = "text/event-stream"
Parts = AsyncGenerator[str | TextEnd]


def openai_routes(service: Service) -> list[Route]:
    """Return the routes; what is wrong with a request is told in OpenAI's form."""
    routes = ((CHAT_PATH, _chat), (EMBEDDINGS_PATH, _embeddings))
    return [
        Route(path, named(path, _in_their_words(answer, service)), methods=["POST"])
        for path, answer in routes
    ]


def _in_their_words(
    answer: Callable[[Service, Request, dict[str, Any]], Awaitable[Response]], service: Service
) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        try:
            await admit(service, request, "predict")
            service.require_ready()
            return await answer(service, request, read_json(await read_body(service, request)))
        except TunesmithError as error:
            raise in_openai_form(error) from error

    return endpoint


async def _chat(service: Service, request: Request, fields: dict[str, Any]) -> Response:
    asked = read_chat(fields)
    served = service.find_model(asked.model)
    require_writer(served)
    wanted = text_asked(asked, served, service.settings.limits)
    passage: Passage = request.scope["passage"]
    passage.facts = {"model": served.name, "version": served.version, "rows": 1}
    passage.facts["tokens"] = wanted.tokens
    chat = Chat(passage.request_id, int(time.time()), served.name, served.version)
    parts = write_text(service, served, wanted, until_gone(request))
    if asked.is_streamed:
        return await _Stream.begin(_noted(parts, service, passage), chat, asked)
    text = ""
    async with contextlib.aclosing(_noted(parts, service, passage)) as told:
        async for part in told:
            if isinstance(part, TextEnd):
                return json_reply(completion(chat, text, part))
            text += part
    raise RuntimeError("a text ended without its end")


async def _noted(parts: Parts, service: Service, passage: Passage) -> Parts:
    """Yield the parts of a text, and note its tokens for the log."""
    async with contextlib.aclosing(parts):
        async for part in parts:
            if isinstance(part, TextEnd):
                passage.facts |= {"tokens": part.read, "written_tokens": part.written}
                service.answered += 1
            yield part


async def _embeddings(service: Service, request: Request, fields: dict[str, Any]) -> Response:
    asked = read_embeddings(fields, service.settings.limits)
    served = service.find_model(asked.model)
    size = service.live.pool.models.get(served.name, {}).get("vector_size", 0)
    require_vectors(served, size, asked.dimensions)
    passage: Passage = request.scope["passage"]
    rows = len(asked.input)
    passage.facts = {"model": served.name, "version": served.version, "rows": rows}
    found = await embed(service, served, asked.input, until_gone(request))
    passage.facts["tokens"] = found.tokens
    service.answered += 1
    as_base64 = asked.encoding_format == "base64"
    return json_reply(embeddings(served.name, found, as_base64=as_base64))


class _Stream(Response):
    """A reply that is sent while it is written. Its first piece is there before its head is sent.

    So what can be refused is refused with its status. What fails later is told as an event.
    """

    def __init__(self, first: str | TextEnd, rest: Parts, chat: Chat, asked: ChatRequest) -> None:
        super().__init__(media_type=EVENTS)
        del self.headers["content-length"]
        self._first = first
        self._rest = rest
        self._chat = chat
        self._asked = asked

    @classmethod
    async def begin(cls, parts: Parts, chat: Chat, asked: ChatRequest) -> _Stream:
        """Wait for the first part of a text. Raises what keeps it from being written."""
        try:
            first = await anext(parts)
        except BaseException:
            await parts.aclose()
            raise
        return cls(first, parts, chat, asked)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send the pieces, the end, and what failed in between."""
        async with contextlib.aclosing(self._rest):
            head = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
            await send(head)
            try:
                await self._send_parts(send)
            except TunesmithError as error:
                passage: Passage = scope["passage"]
                told = openai_problem(refuse(error), request_id=passage.request_id)
                await _send(send, event(told))
                await _send(send, b"", is_last=True)
                raise

    async def _send_parts(self, send: Send) -> None:
        chat = self._chat
        await _send(send, event(piece(chat, {"role": "assistant", "content": ""})))
        part = self._first
        while not isinstance(part, TextEnd):
            await _send(send, event(piece(chat, {"content": part})))
            part = await anext(self._rest)
        last = event(piece(chat, {}, reason=part.reason))
        if self._asked.tells_usage:
            last += event(usage_piece(chat, part))
        await _send(send, last + DONE)
        await _send(send, b"", is_last=True)


async def _send(send: Send, content: bytes, *, is_last: bool = False) -> None:
    await send({"type": "http.response.body", "body": content, "more_body": not is_last})
