"""The description of the API: true of this very service, its models and its limits."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from tunesmith.core.environment import installed_version
from tunesmith.core.errors import DataError
from tunesmith.core.serving import ServiceLimits
from tunesmith.stages.serve.openai_schemas import openai_paths, openai_schemas
from tunesmith.stages.serve.requests import RequestSpec
from tunesmith.tasks.structured import PLACEHOLDERS
from tunesmith.tasks.task import Task

if TYPE_CHECKING:
    from tunesmith.stages.serve.service import Service

JSON = "application/json"
SEEN = "text/plain"
PAGES = {"/docs": "text/html", "/docs.js": "text/javascript", "/docs.css": "text/css"}
REFUSALS = {
    400: "The request is not what it must be.",
    401: "No key, or one that is wrong, expired or revoked.",
    403: "The key does not open this.",
    404: "There is no such path or model.",
    405: "The path has other methods.",
    408: "Head or body came too slowly.",
    409: "The model cannot meet what is asked of it.",
    413: "The body has too many bytes.",
    415: "The body is not sent as JSON.",
    421: "`Host` names another machine than this one.",
    422: "A field or a row is not what it must be, or there are too many.",
    429: "Too many requests.",
    500: "Something failed in the service.",
    503: "Not ready, or the queue is full.",
    504: "The answer took too long.",
}
FOR_ALL = (400, 421, 500)
FOR_CALLERS = (401, 403, 429, 503)
FOR_BODIES = (404, 408, 409, 413, 415, 422, 504)
FOR_OPENAI = (404, 408, 413, 415, 504)
TEXT = {"type": ["string", "number"]}
STRETCH = {
    "type": "object",
    "required": ["start", "end"],
    "properties": {"start": {"type": "integer"}, "end": {"type": "integer"}},
}
TEXTS = {"type": "array", "items": TEXT}
ROLES: dict[str, Any] = {
    "head": STRETCH,
    "tail": STRETCH,
    "choices": {**TEXTS, "minItems": 2},
    "history": TEXTS,
    "passed": TEXTS,
    "tokens": TEXTS,
    "messages": {
        "type": "array",
        "minItems": 1,
        "items": {
            "type": "object",
            "required": ["role", "content"],
            "properties": {
                "role": {"enum": ["system", "user", "assistant"]},
                "content": {"type": "string"},
            },
        },
    },
}
"""Roles of a row that are no text."""


def describe_api(service: Service) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of a service."""
    has_keys = not service.gatekeeper.is_open
    paths = {
        "/v1/predict": {"post": _predict(service)},
        **openai_paths(service, _refused((*FOR_CALLERS, *FOR_OPENAI), "OpenAIProblem")),
        "/v1/models": {"get": _get("The models that answer.", "Models", FOR_CALLERS)},
        "/v1/models/{model}": {"get": _one_model(service)},
        "/v1/operations": {
            "get": _get(
                "Every operation of Tunesmith with its settings.", "Operations", FOR_CALLERS
            )
        },
        "/healthz": {"get": _open(_get("Whether the process is alive.", "Health"))},
        "/readyz": {"get": _open(_ready())},
        "/openapi.json": {"get": _open(_get("This document.", None))},
        **{path: {"get": _open(_page(kind))} for path, kind in PAGES.items()},
    }
    if not service.settings.is_admin_apart:
        paths["/metrics"] = {"get": _metrics()}
        paths["/v1/models/{model}/reload"] = {"post": _reload(service)}
    keys = {
        "key": {"type": "http", "scheme": "bearer", "description": "`tunesmith keys add NAME`"},
        "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tunesmith",
            "version": installed_version("tunesmith") or "0",
            "summary": "Tuned models that answer.",
        },
        "paths": paths,
        "components": {
            "schemas": _schemas(service),
            **({"securitySchemes": keys} if has_keys else {}),
        },
        **({"security": [{"key": []}, {"header": []}]} if has_keys else {}),
    }


def _predict(service: Service) -> dict[str, Any]:
    served = next(iter(service.models.values()))
    rows = [_example_row(served.bundle.task)]
    example = {"model": served.name, "rows": rows}
    body = {"required": True, "content": {JSON: {"schema": _ref("Predict"), "example": example}}}
    same_side = {
        "name": "X-Conversation-Id",
        "in": "header",
        "schema": _STRING,
        "description": "Requests with the same are all answered by the same version of two.",
    }
    return {
        "operationId": "predict",
        "summary": "Answer rows.",
        "parameters": [same_side],
        "requestBody": body,
        "responses": _responses("Answers", (*FOR_CALLERS, *FOR_BODIES)),
    }


def _get(summary: str, schema: str | None, refusals: Iterable[int] = ()) -> dict[str, Any]:
    return {"summary": summary, "responses": _responses(schema, refusals)}


def _one_model(service: Service) -> dict[str, Any]:
    found = _get("One of the models.", "Model", (*FOR_CALLERS, 404))
    name = {"name": "model", "in": "path", "required": True}
    found["parameters"] = [{**name, "schema": {"enum": list(service.models)}}]
    return found


def _ready() -> dict[str, Any]:
    found = _get("Whether requests are answered; 503 says why not.", "Health")
    found["responses"]["503"] = _response("It is not ready.", _ref("Health"))
    return found


def _page(kind: str) -> dict[str, Any]:
    found = _get("The page that shows this document.", None)
    found["responses"]["200"] = {"description": "A page.", "content": {kind: {"schema": _STRING}}}
    return found


def _metrics() -> dict[str, Any]:
    found = _get("Figures for Prometheus; needs the scope `admin`.", None, FOR_CALLERS)
    found["responses"]["200"] = {"description": "Figures.", "content": {SEEN: {"schema": _STRING}}}
    return found


def _reload(service: Service) -> dict[str, Any]:
    names = {"type": "string", "enum": list(service.models)}
    return {
        "operationId": "reload",
        "summary": "Read again where a model came from; needs the scope `admin`.",
        "parameters": [{"name": "model", "in": "path", "required": True, "schema": names}],
        "responses": _responses("Reloaded", (*FOR_CALLERS, 404, 409)),
    }


_STRING = {"type": "string"}


def _open(operation: dict[str, Any]) -> dict[str, Any]:
    return {**operation, "security": []}


def _responses(schema: str | None, refusals: Iterable[int]) -> dict[str, Any]:
    shown = _ref(schema) if schema else {"type": "object"}
    return {"200": _response("The answer.", shown), **_refused(refusals, "Problem")}


def _refused(refusals: Iterable[int], schema: str) -> dict[str, Any]:
    statuses = sorted({*FOR_ALL, 405, *refusals})
    return {str(status): _response(REFUSALS[status], _ref(schema)) for status in statuses}


def _response(words: str, schema: dict[str, Any]) -> dict[str, Any]:
    headers = {"X-Request-Id": {"schema": _STRING, "description": "Names it in the log."}}
    return {"description": words, "headers": headers, "content": {JSON: {"schema": schema}}}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _schemas(service: Service) -> dict[str, Any]:
    text = _STRING
    problem = _object({"must": text, "found": text, "where": text})
    reasons = {"type": "array", "items": text}
    other = _object({"version": text, "engine": text})
    model = _object(
        {
            "model": text,
            "version": {**text, "description": "The bundle's fingerprint."},
            "task": text,
            "labels": reasons,
            "roles": {**reasons, "description": "What a row holds."},
            "engine": text,
        }
    )
    model["properties"] |= {
        "candidate": {**other, "description": "What answers a share of the requests."},
        "shadow": {**other, "description": "What is asked beside, and only compared."},
    }
    listed = {
        "id": text,
        "object": {"const": "model"},
        "created": {"type": "integer"},
        "owned_by": text,
    }
    answer = {
        "type": "object",
        "required": ["abstained"],
        "properties": {
            "label": text,
            "confidence": {"type": "number", "minimum": 0, "maximum": 1.000001},
            "abstained": {"type": "boolean"},
            "masked": {
                "type": "object",
                "additionalProperties": {"type": "integer"},
                "description": "What was masked in the row, by kind, where the service masks.",
            },
        },
    }
    return {
        "Predict": _predict_schema(service),
        "Answers": _object(
            {
                "request_id": text,
                "model": text,
                "version": text,
                "engine": text,
                "answers": {"type": "array", "items": answer},
                "warnings": {**reasons, "description": "What a reader of the answers must know."},
            }
        ),
        "Models": _object(
            {
                "models": {"type": "array", "items": model},
                "object": {"const": "list"},
                "data": {"type": "array", "items": _object(listed)},
            }
        ),
        "Model": {
            **model,
            "required": [*listed, *model["required"]],
            "properties": {**listed, **model["properties"]},
        },
        **openai_schemas(service),
        "Operations": _object({"operations": {"type": "array", "items": {"type": "object"}}}),
        "Health": {
            "type": "object",
            "required": ["status"],
            "properties": {
                "status": text,
                "reasons": reasons,
                "warnings": {**reasons, "description": "Which replacements were refused, and why."},
            },
        },
        "Reloaded": _object(
            {
                "model": text,
                "version": {**text, "description": "What answers now."},
                "before": {**text, "description": "What answered before."},
                "replaced": {**reasons, "description": "`live`, `candidate`, `shadow`."},
            }
        ),
        "Problem": _object(
            {
                "error": text,
                "problems": {"type": "array", "items": problem},
                "hint": text,
                "request_id": text,
            }
        ),
    }


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}


def _predict_schema(service: Service) -> dict[str, Any]:
    """Return the spec's schema with the models and limits of this service."""
    schema = RequestSpec.model_json_schema()
    limits, properties = service.settings.limits, schema["properties"]
    rows = [row_schema(served.bundle.task, limits) for served in service.models.values()]
    row = rows[0] if len(rows) == 1 else {"anyOf": rows}
    words = {name: properties[name]["description"] for name in ("model", "rows", "row")}
    properties["model"] = {"enum": list(service.models), "description": words["model"]}
    properties["rows"] = {
        "type": "array",
        "minItems": 1,
        "maxItems": limits.rows,
        "items": row,
        "description": words["rows"],
    }
    properties["row"] = {**row, "description": words["row"]}
    needs = [] if len(service.models) == 1 else ["model"]
    schema["oneOf"] = [{"required": [*needs, name]} for name in ("rows", "row")]
    for name, value in service.settings.demands.model_dump().items():
        properties[name]["default"] = value
    return schema


def row_schema(task: Task, limits: ServiceLimits) -> dict[str, Any]:
    """Return the schema of a row of a task; a text alone where the task reads one."""
    forms = [_row_object(task, renamed=False)]
    if any(task.columns.get(role, role) != role for role in task.input_roles):
        forms.append(_row_object(task, renamed=True))
    if _reads_bare_text(task):
        forms.insert(0, {"type": "string", "maxLength": limits.characters})
    return forms[0] if len(forms) == 1 else {"anyOf": forms}


def _row_object(task: Task, *, renamed: bool) -> dict[str, Any]:
    def name(role: str) -> str:
        return task.columns.get(role, role) if renamed else role

    roles = (*task.input_roles, *task.extra_roles)
    return {
        "type": "object",
        "required": [name(role) for role in task.input_roles],
        "properties": {name(role): ROLES.get(role, TEXT) for role in roles},
    }


def _reads_bare_text(task: Task) -> bool:
    try:
        task.inputs_of("a text")
    except DataError:
        return False
    return True


def _example_row(task: Task) -> Any:
    if _reads_bare_text(task):
        return "my order is late"
    return {role: PLACEHOLDERS.get(role, "…") for role in task.input_roles}
