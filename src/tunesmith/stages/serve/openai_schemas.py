"""OpenAI's routes as the API's description tells them: those that this service's models answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tunesmith.core.serving import ServiceLimits
from tunesmith.runtime.embedding import has_vectors
from tunesmith.stages.serve.conversations import ROLES
from tunesmith.stages.serve.openai_problems import CHAT_PATH, EMBEDDINGS_PATH
from tunesmith.stages.serve.openai_requests import (
    ASK_NOTHING,
    CHANGE_NOTHING,
    LONGEST_STOP,
    MOST_STOPS,
    ChatRequest,
    EmbeddingsRequest,
    can_chat,
)

if TYPE_CHECKING:
    from tunesmith.stages.serve.service import Service

JSON = "application/json"
EVENTS = "text/event-stream"
TEXT = {"type": "string"}
COUNT = {"type": "integer", "minimum": 0}
WORDS = {"type": "string", "pattern": r"\S"}


def writers(service: Service) -> list[str]:
    """Return the names of the models that write."""
    return [name for name, served in service.models.items() if can_chat(served.bundle)]


def embedders(service: Service) -> list[str]:
    """Return the names of the models that give vectors, as far as that is known."""
    facts = service.live.pool.models
    return [
        name
        for name, served in service.models.items()
        if has_vectors(served.bundle) and facts.get(name, {}).get("vector_size", 1)
    ]


def openai_paths(service: Service, refused: dict[str, Any]) -> dict[str, Any]:
    """Return the paths that some model answers; `refused` are the replies that refuse."""
    paths = {}
    if writers(service):
        answer = {JSON: {"schema": _ref("Completion")}, EVENTS: {"schema": _object({"data": TEXT})}}
        paths[CHAT_PATH] = {
            "post": _post("chat", "Reply to a conversation.", "Chat", answer, refused)
        }
    if embedders(service):
        answer = {JSON: {"schema": _ref("Embeddings")}}
        paths[EMBEDDINGS_PATH] = {
            "post": _post("embed", "Give a vector for each text.", "Embed", answer, refused)
        }
    return paths


def openai_schemas(service: Service) -> dict[str, Any]:
    """Return the schemas that these paths name."""
    limits = service.settings.limits
    return {
        "Chat": _chat(writers(service), limits, needs_name=len(service.models) > 1),
        "Embed": _embed(service, needs_name=len(service.models) > 1),
        "Completion": _completion(),
        "Embeddings": _embeddings(),
        "OpenAIProblem": _problem(),
    }


def _post(
    name: str, summary: str, body: str, answer: dict[str, Any], refused: dict[str, Any]
) -> dict[str, Any]:
    headers = {"X-Request-Id": {"schema": TEXT, "description": "Names it in the log."}}
    given = {"description": "The answer.", "headers": headers, "content": answer}
    return {
        "operationId": name,
        "summary": summary,
        "requestBody": {"required": True, "content": {JSON: {"schema": _ref(body)}}},
        "responses": {"200": given, **refused},
    }


def _chat(models: list[str], limits: ServiceLimits, *, needs_name: bool) -> dict[str, Any]:
    schema = ChatRequest.model_json_schema()
    options = schema.pop("$defs", {}).get("StreamOptions", {})
    words = {name: each["description"] for name, each in schema["properties"].items()}
    stop = {**TEXT, "minLength": 1, "maxLength": LONGEST_STOP}
    most = _or_null({"type": "integer", "minimum": 1, "maximum": limits.written_tokens})
    own: dict[str, Any] = {
        "model": {"enum": [*models, *([] if needs_name else [None])]},
        "messages": {"type": "array", "minItems": 1, "items": _message()},
        "stream_options": _or_null(options),
        "stop": _or_null(stop, {"type": "array", "maxItems": MOST_STOPS, "items": stop}),
        "max_tokens": most,
        "max_completion_tokens": most,
    }
    for name, field in own.items():
        schema["properties"][name] = {**field, "description": words[name]}
    for name, values in ASK_NOTHING.items():
        said = "No model here can do what it asks; only what asks for nothing is taken."
        schema["properties"][name] = {"enum": [None, *values], "description": said}
    for name in CHANGE_NOTHING:
        schema["properties"][name] = {"description": "Changes no reply."}
    schema["required"] = ["messages", *(["model"] if needs_name else [])]
    return schema


def _embed(service: Service, *, needs_name: bool) -> dict[str, Any]:
    limits, models = service.settings.limits, embedders(service)
    schema = EmbeddingsRequest.model_json_schema()
    words = {name: each["description"] for name, each in schema["properties"].items()}
    text = {**TEXT, "maxLength": limits.characters}
    many = {"type": "array", "minItems": 1, "maxItems": limits.rows, "items": text}
    facts = [service.live.pool.models.get(name, {}) for name in models]
    sizes = sorted({fact["vector_size"] for fact in facts if fact.get("vector_size")})
    own: dict[str, Any] = {
        "model": {"enum": [*models, *([] if needs_name else [None])]},
        "input": {"anyOf": [text, many]},
        "dimensions": {"enum": [None, *sizes]},
        "encoding_format": {"enum": ["float", "base64", None], "default": "float"},
    }
    for name, field in own.items():
        schema["properties"][name] = {**field, "description": words[name]}
    for name in CHANGE_NOTHING:
        schema["properties"][name] = {"description": "Changes no vector."}
    schema["required"] = ["input", *(["model"] if needs_name else [])]
    return schema


def _message() -> dict[str, Any]:
    part = {**_object({"type": {"const": "text"}, "text": WORDS}), "additionalProperties": False}
    return {
        "type": "object",
        "required": ["role", "content"],
        "properties": {
            "role": {"enum": list(ROLES)},
            "content": {"anyOf": [WORDS, {"type": "array", "minItems": 1, "items": part}]},
        },
        "additionalProperties": {"type": "null"},
    }


def _completion() -> dict[str, Any]:
    message = _object({"role": {"const": "assistant"}, "content": TEXT})
    choice = _object(
        {"index": COUNT, "message": message, "finish_reason": {"enum": ["stop", "length"]}}
    )
    tokens = _object({"prompt_tokens": COUNT, "completion_tokens": COUNT, "total_tokens": COUNT})
    return _object(
        {
            "id": TEXT,
            "object": {"const": "chat.completion"},
            "created": COUNT,
            "model": TEXT,
            "system_fingerprint": {**TEXT, "description": "The bundle's fingerprint."},
            "choices": {"type": "array", "items": choice},
            "usage": tokens,
        }
    )


def _embeddings() -> dict[str, Any]:
    vector = {"anyOf": [{"type": "array", "items": {"type": "number"}}, TEXT]}
    one = _object({"object": {"const": "embedding"}, "index": COUNT, "embedding": vector})
    return _object(
        {
            "object": {"const": "list"},
            "data": {"type": "array", "items": one},
            "model": TEXT,
            "usage": _object({"prompt_tokens": COUNT, "total_tokens": COUNT}),
        }
    )


def _problem() -> dict[str, Any]:
    some = {"type": ["string", "null"]}
    error = _object({"message": TEXT, "type": TEXT, "param": some, "code": some})
    return _object({"error": error, "request_id": TEXT})


def _or_null(*schemas: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [*schemas, {"type": "null"}]}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}
