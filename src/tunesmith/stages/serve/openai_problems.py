"""What is said to an OpenAI client that is not served: the form its library reads."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from tunesmith.core.errors import Problem, TunesmithError
from tunesmith.stages.serve.problems import Refusal, json_bytes, refuse

CHAT_PATH = "/v1/chat/completions"
EMBEDDINGS_PATH = "/v1/embeddings"
OPENAI_PATHS = (CHAT_PATH, EMBEDDINGS_PATH)

CODES = {
    HTTPStatus.UNAUTHORIZED: "invalid_api_key",
    HTTPStatus.NOT_FOUND: "model_not_found",
    HTTPStatus.TOO_MANY_REQUESTS: "rate_limit_exceeded",
}
"""What OpenAI's own service calls a refusal; others are called by their status."""

BAD_REQUESTS = (HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.CONFLICT)
"""Statuses that such clients know as a bad request."""


class OpenAIRefusal(Refusal):
    """A refusal with the field that it is about, and OpenAI's word for it where there is one."""

    def __init__(
        self,
        problems: Problem | str | list[Problem],
        *,
        param: str | None,
        hint: str = "",
        word: str | None = None,
        status: HTTPStatus = HTTPStatus.BAD_REQUEST,
    ) -> None:
        """Refuse with 400 where no other status is given."""
        super().__init__(status, problems, hint=hint)
        self.param = param
        self.word = word


def in_openai_form(error: TunesmithError, *, param: str | None = None) -> Refusal:
    """Return one of our errors with the status that an OpenAI client expects of it."""
    refusal = refuse(error)
    if isinstance(refusal, OpenAIRefusal) or refusal.status not in BAD_REQUESTS:
        return refusal
    return OpenAIRefusal(list(refusal.problems), param=param, hint=refusal.hint)


def openai_problem_json(refusal: Refusal, *, request_id: str) -> bytes:
    """Return the body of a refusal."""
    return json_bytes(openai_problem(refusal, request_id=request_id))


def openai_problem(refusal: Refusal, *, request_id: str) -> dict[str, Any]:
    """Return `error` with `message`, `type`, `param` and `code`, and the request's id."""
    hint = f". Hint: {refusal.hint}" if refusal.hint else ""
    word = getattr(refusal, "word", None) or CODES.get(refusal.status) or refusal.reason
    is_ours = refusal.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return {
        "error": {
            "message": "; ".join(map(str, refusal.problems)) + hint,
            "type": "server_error" if is_ours else "invalid_request_error",
            "param": getattr(refusal, "param", None),
            "code": word,
        },
        "request_id": request_id,
    }
