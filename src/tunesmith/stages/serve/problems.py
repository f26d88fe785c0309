"""What is said to a client that is not served: one JSON form, the right status, no stack trace."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from tunesmith.core.errors import Problem, TunesmithError

SHORTEST_RETRY_SECONDS = 1


class Refusal(TunesmithError):
    """A request that is not answered, with its status.

    `retry_seconds` stands in `Retry-After`; `headers` are further ones.
    """

    code = "refused"

    def __init__(
        self,
        status: HTTPStatus,
        problems: Problem | str | Iterable[Problem | str],
        *,
        hint: str = "",
        retry_seconds: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Name the refusal after its status."""
        super().__init__(problems, hint=hint)
        self.status = status
        more = dict(headers or {})
        if retry_seconds is not None:
            more["retry-after"] = str(max(SHORTEST_RETRY_SECONDS, round(retry_seconds)))
        self.headers = more

    @property
    def reason(self) -> str:
        """The status in words, such as `too_many_requests`: for programs, logs and metrics."""
        return reason_of(self.status)


def reason_of(status: HTTPStatus) -> str:
    """Return a status as one word."""
    return status.phrase.lower().replace(" ", "_").replace("-", "_")


def refuse(error: TunesmithError, *, hint: str | None = None) -> Refusal:
    """Return one of our errors as a refusal, with the status that its class carries."""
    if isinstance(error, Refusal):
        return error
    status = HTTPStatus(error.http_status)
    return Refusal(status, error.problems, hint=error.hint if hint is None else hint)


def problem_json(refusal: Refusal, *, request_id: str) -> bytes:
    """Return the body of a refusal."""
    fields: dict[str, Any] = refusal.to_json()
    fields |= {"error": refusal.reason, "request_id": request_id}
    return json_bytes(fields)


def json_bytes(fields: Any) -> bytes:
    """Return JSON as it leaves; half a character that came with a request is written out."""
    text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    try:
        return text.encode()
    except UnicodeEncodeError:
        return json.dumps(fields, separators=(",", ":"), allow_nan=False).encode()
