"""The part of the description of the API that tells of long jobs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tunesmith.core.jobs import RunRequest
from tunesmith.stages.serve.job_routes import EVENTS, LISTED, MOST_LISTED, RUN, RUNS
from tunesmith.stages.serve.openapi import FOR_ALL, FOR_CALLERS, JSON, REFUSALS
from tunesmith.stages.serve.trails import EVENT_STREAM

NO_RUN = "There is no such run, or no such operation."
OVER = "The run has ended already, or another service carries it out."
UNFIT = "A setting is not what it must be, or leads outside the folders of the service."
FOR_BODIES = (404, 408, 413, 415, 422)
RUN_ID = {
    "name": "run",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "pattern": "^[0-9a-f]{8}$"},
}
LIMIT = {
    "name": "limit",
    "in": "query",
    "schema": {"type": "integer", "minimum": 1, "maximum": MOST_LISTED, "default": LISTED},
}
LAST_EVENT = {
    "name": "Last-Event-ID",
    "in": "header",
    "description": "The last event that was read; the stream goes on behind it.",
    "schema": {"type": "string", "pattern": "^[0-9]{1,15}$"},
}
TEXT = {"type": "string"}
MAYBE_TEXT = {"type": ["string", "null"]}


def with_jobs(document: dict[str, Any], offered: Iterable[str]) -> dict[str, Any]:
    """Return the document of a service with the routes of its jobs."""
    paths = {
        RUNS: {"get": _list(), "post": _ask()},
        RUN: {"get": _look(), "delete": _stop()},
        EVENTS: {"get": _follow()},
    }
    components = document["components"]
    schemas = {**components["schemas"], **_schemas(tuple(offered))}
    return {
        **document,
        "paths": {**document["paths"], **paths},
        "components": {**components, "schemas": schemas},
    }


def _ask() -> dict[str, Any]:
    example = {"operation": "check", "spec": {"data": "rows.csv", "task": "classification"}}
    content = {JSON: {"schema": _ref("RunRequest"), "example": example}}
    accepted = _answer("It is on record and waits.", "Asked")
    accepted["headers"]["Location"] = {"schema": TEXT, "description": "Where to look at it."}
    return {
        "operationId": "ask",
        "summary": "Ask for an operation as a run; needs the scope `operate`.",
        "requestBody": {"required": True, "content": content},
        "responses": {"202": accepted, **_refusals(*FOR_BODIES)},
    }


def _list() -> dict[str, Any]:
    return {
        "operationId": "list",
        "summary": "The newest runs that were asked for over HTTP.",
        "parameters": [LIMIT],
        "responses": {"200": _answer("The answer.", "Runs"), **_refusals(422)},
    }


def _look() -> dict[str, Any]:
    return {
        "operationId": "look",
        "summary": "How a run stands: what was asked, its result or its problem.",
        "parameters": [RUN_ID],
        "responses": {"200": _answer("The answer.", "RunShown"), **_refusals(404)},
    }


def _stop() -> dict[str, Any]:
    return {
        "operationId": "stop",
        "summary": "Stop a run as Ctrl-C does.",
        "parameters": [RUN_ID],
        "responses": {
            "202": _answer("It is being stopped.", "RunShown"),
            **_refusals(404, 409),
        },
    }


def _follow() -> dict[str, Any]:
    events = {
        "description": "Events, one after the other, the last of them `end`.",
        "headers": _headers(),
        "content": {EVENT_STREAM: {"schema": TEXT}},
    }
    gone = {"description": "All events were read.", "headers": _headers()}
    return {
        "operationId": "follow",
        "summary": "The events of a run, as server-sent events.",
        "parameters": [RUN_ID, LAST_EVENT],
        "responses": {"200": events, "204": gone, **_refusals(404, 409, 422)},
    }


def _answer(words: str, schema: str) -> dict[str, Any]:
    content = {JSON: {"schema": _ref(schema)}}
    return {"description": words, "headers": _headers(), "content": content}


def _refusals(*statuses: int) -> dict[str, Any]:
    own = {404: NO_RUN, 409: OVER, 422: UNFIT}
    return {
        str(status): _answer(own.get(status, REFUSALS[status]), "Problem")
        for status in sorted({*FOR_ALL, *FOR_CALLERS, 405, *statuses})
    }


def _headers() -> dict[str, Any]:
    return {"X-Request-Id": {"schema": TEXT, "description": "Names it in the log."}}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _schemas(offered: tuple[str, ...]) -> dict[str, Any]:
    request = RunRequest.model_json_schema()
    request["properties"]["operation"] |= {"enum": list(offered)}
    names = {"id": TEXT, "operation": {"enum": list(offered)}, "status": TEXT, "started": TEXT}
    maybe = dict.fromkeys(("finished", "out", "name", "note"), MAYBE_TEXT)
    texts = {"type": "array", "items": TEXT}
    summary = _object({**names, **maybe, "tags": texts, "events": TEXT})
    outcome = {"type": ["object", "null"]}
    more = {"spec": {"type": "object"}, "result": outcome, "problem": outcome}
    run = _object({**summary["properties"], **more})
    return {
        "RunRequest": request,
        "Run": run,
        "RunShown": _object({"run": _ref("Run")}),
        "Asked": _object({"request_id": TEXT, "run": _ref("Run")}),
        "Runs": _object({"runs": {"type": "array", "items": summary}}),
    }


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}
