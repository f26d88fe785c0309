"""What an OpenAI client gets: completions, pieces of them, embeddings, models."""

from __future__ import annotations

import base64
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tunesmith.stages.serve.problems import json_bytes
from tunesmith.stages.serve.texts import Embedding, TextEnd

OWNER = "tunesmith"
DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True)
class Chat:
    """A chat that is answered: the id of its request, when it came, and the model with version."""

    request_id: str
    created: int
    model: str
    version: str

    def fields(self, kind: str) -> dict[str, Any]:
        """Return what every object of a reply has."""
        return {
            "id": f"chatcmpl-{self.request_id}",
            "object": kind,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": self.version,
        }


def completion(chat: Chat, text: str, end: TextEnd) -> dict[str, Any]:
    """Return a whole reply."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text, "refusal": None},
        "logprobs": None,
        "finish_reason": end.reason,
    }
    return {**chat.fields("chat.completion"), "choices": [choice], "usage": usage(end)}


def piece(chat: Chat, delta: dict[str, Any], *, reason: str | None = None) -> dict[str, Any]:
    """Return a piece of a reply; the last has the reason why it ended."""
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
    return {**chat.fields("chat.completion.chunk"), "choices": [choice]}


def usage_piece(chat: Chat, end: TextEnd) -> dict[str, Any]:
    """Return the piece that tells the tokens of a streamed reply."""
    return {**chat.fields("chat.completion.chunk"), "choices": [], "usage": usage(end)}


def usage(end: TextEnd) -> dict[str, int]:
    """Return the tokens of a reply."""
    return {
        "prompt_tokens": end.read,
        "completion_tokens": end.written,
        "total_tokens": end.read + end.written,
    }


def event(fields: Any) -> bytes:
    """Return fields as a server-sent event."""
    return b"data: " + json_bytes(fields) + b"\n\n"


def embeddings(model: str, found: Embedding, *, as_base64: bool) -> dict[str, Any]:
    """Return vectors, as numbers or as they came."""
    data = [
        {
            "object": "embedding",
            "index": index,
            "embedding": vector if as_base64 else _numbers(vector),
        }
        for index, vector in enumerate(found.vectors)
    ]
    tokens = {"prompt_tokens": found.tokens, "total_tokens": found.tokens}
    return {"object": "list", "data": data, "model": model, "usage": tokens}


def model_fields(name: str, created: int) -> dict[str, Any]:
    """Return a model; `created` is when the service began."""
    return {"id": name, "object": "model", "created": created, "owned_by": OWNER}


def _numbers(vector: str) -> Sequence[float]:
    content = base64.b64decode(vector)
    return struct.unpack(f"<{len(content) // 4}f", content)
