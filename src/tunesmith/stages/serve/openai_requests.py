"""What an OpenAI client may ask, and how that becomes what a worker is asked.

A field that changes the answer is honoured or refused, never passed over.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, Field, ValidationError

from tunesmith.core.errors import Problem
from tunesmith.core.serving import ServiceLimits
from tunesmith.core.spec import Part
from tunesmith.runtime.embedding import has_vectors
from tunesmith.stages.serve.conversations import read_conversation
from tunesmith.stages.serve.openai_problems import OpenAIRefusal, in_openai_form
from tunesmith.stages.serve.problems import Refusal
from tunesmith.stages.serve.requests import REQUEST, RequestSpec, read_rows, unwritable
from tunesmith.stages.serve.service import Served
from tunesmith.stages.serve.texts import TextAsked
from tunesmith.store.bundles import Bundle

LARGEST_SEED = 2**32 - 1
MOST_STOPS = 4
LONGEST_STOP = 100
SCHEMA_HINT = "GET /openapi.json shows every field"

ASK_NOTHING: dict[str, tuple[Any, ...]] = {
    "audio": (),
    "frequency_penalty": (0,),
    "function_call": ("none",),
    "functions": ([],),
    "logit_bias": ({},),
    "logprobs": (False,),
    "modalities": (["text"],),
    "n": (1,),
    "prediction": (),
    "presence_penalty": (0,),
    "reasoning_effort": ("none",),
    "response_format": ({"type": "text"},),
    "tool_choice": ("none", "auto"),
    "tools": ([],),
    "top_logprobs": (0,),
    "web_search_options": (),
}
"""Fields of a chat that would change its reply in a way that no bundle can, each with the values
that ask for nothing; null is one for all."""

CHANGE_NOTHING = (
    "metadata",
    "parallel_tool_calls",
    "prompt_cache_key",
    "safety_identifier",
    "service_tier",
    "store",
    "user",
)
"""Fields that are about OpenAI's own service, and change no reply."""


def _listed(value: Any) -> Any:
    """Take a list as the tuple that a frozen request holds, and one text as a list of it."""
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


StopWord = Annotated[str, Field(min_length=1, max_length=LONGEST_STOP)]
StopWords = Annotated[tuple[StopWord, ...], BeforeValidator(_listed), Field(max_length=MOST_STOPS)]
Messages = Annotated[tuple[Any, ...], BeforeValidator(_listed), Field(min_length=1)]
Texts = Annotated[tuple[Any, ...], BeforeValidator(_listed), Field(min_length=1)]


class StreamOptions(Part):
    """What a stream tells beside its pieces."""

    include_usage: bool | None = None
    """Tell the tokens in a last piece of their own."""


class ChatRequest(Part):
    """Reply to a conversation with a model that writes."""

    model: str | None = None
    """Name of the model; none takes the only one."""

    messages: Messages
    """The conversation, role and content each; a user has the last word. A model for translation or
    summarization reads one message, its text."""

    stream: bool | None = None
    """Send the reply piece by piece, as server-sent events."""

    stream_options: StreamOptions | None = None
    """What a stream tells beside its pieces."""

    max_tokens: int | None = Field(None, ge=1)
    """Tokens of the reply at most; none takes what the bundle was tuned with."""

    max_completion_tokens: int | None = Field(None, ge=1)
    """Another name of `max_tokens`."""

    temperature: float | None = Field(None, ge=0, le=2)
    """0 takes the most probable token (or beams, where the bundle has them), above 0 each is drawn;
    none does as the bundle was tuned."""

    top_p: float | None = Field(None, gt=0, le=1)
    """Of drawn tokens, only the fewest most probable ones that together have this probability."""

    seed: int | None = Field(None, ge=0, le=LARGEST_SEED)
    """Seed of what is drawn: the same conversation gets the same reply; none takes the bundle's."""

    stop: StopWords | None = None
    """Up to four texts, before the first of which the reply ends."""

    @property
    def is_streamed(self) -> bool:
        """Whether the reply is sent piece by piece."""
        return bool(self.stream)

    @property
    def tells_usage(self) -> bool:
        """Whether a stream tells the tokens at its end."""
        return bool(self.stream_options and self.stream_options.include_usage)


class EmbeddingsRequest(Part):
    """Give a vector for each text."""

    model: str | None = None
    """Name of the model; none takes the only one."""

    input: Texts
    """The text, or a list of texts."""

    encoding_format: Literal["float", "base64"] = "float"
    """How a vector is written: a list of numbers, or base64 of float32, the lowest byte first."""

    dimensions: int | None = Field(None, ge=1)
    """The numbers of a vector; only as many as the model gives."""


RequestT = TypeVar("RequestT", bound=Part)


def read_chat(fields: Mapping[str, Any]) -> ChatRequest:
    """Return the chat that an object describes. Raises `OpenAIRefusal` with every problem."""
    asking = [
        name
        for name, allowed in ASK_NOTHING.items()
        if fields.get(name) is not None and not _is_any(fields[name], allowed)
    ]
    if asking:
        raise OpenAIRefusal(
            [_cannot(name) for name in asking],
            param=asking[0],
            word="unsupported_parameter",
            hint=SCHEMA_HINT,
        )
    kept = {name: value for name, value in fields.items() if name not in ASK_NOTHING}
    return _read(ChatRequest, kept)


def _cannot(name: str) -> Problem:
    """Return that no model here can do what a field asks, and the values that ask for nothing."""
    values = " or ".join(map(json.dumps, ASK_NOTHING[name]))
    must = f"`{name}` must be {values}, or left out" if values else f"`{name}` must be left out"
    return Problem(must, "what no model here can do", REQUEST)


def read_embeddings(fields: Mapping[str, Any], limits: ServiceLimits) -> EmbeddingsRequest:
    """Return what an object asks vectors for. Raises `OpenAIRefusal` with every problem."""
    request = _read(EmbeddingsRequest, fields)
    texts = request.input
    if all(isinstance(each, int | list) for each in texts):
        must = "`input` must be text: the numbers of tokens are those of another vocabulary"
        hint = "send the texts (in LangChain: check_embedding_ctx_length=False)"
        raise OpenAIRefusal(Problem(must, "numbers", REQUEST), param="input", hint=hint)
    if len(texts) > limits.rows:
        must = f"`input` must hold at most {limits.rows:,} texts"
        raise _wrong_input(must, f"{len(texts):,}", "send several requests")
    for number, text in enumerate(texts, start=1):
        if not isinstance(text, str):
            raise _wrong_input("`input` must be a text or a list of texts", f"item {number}")
        if bad := unwritable(text):
            raise _wrong_input("every text must be Unicode", f"{bad} (item {number})")
        if len(text) > limits.characters:
            must = f"a text must have at most {limits.characters:,} characters"
            raise _wrong_input(must, f"{len(text):,} (item {number})", "send it in parts")
    return request


def _wrong_input(must: str, found: str, hint: str = SCHEMA_HINT) -> OpenAIRefusal:
    return OpenAIRefusal(Problem(must, found, REQUEST), param="input", hint=hint)


def can_chat(bundle: Bundle) -> bool:
    """Tell whether a bundle's model writes texts."""
    return bundle.task.head == "generate"


def require_writer(served: Served) -> None:
    """Raise `OpenAIRefusal` where a model writes no texts."""
    if not can_chat(served.bundle):
        kind = served.bundle.task.kind
        must = f"`model` must be one that writes texts; `{served.name}` is for {kind}"
        raise _unsupported(must, "POST /v1/predict")


def require_vectors(served: Served, size: int, dimensions: int | None) -> None:
    """Raise `OpenAIRefusal` where a model has no vectors, or none of so many numbers."""
    if not size or not has_vectors(served.bundle):
        kind = served.bundle.task.kind
        must = f"`model` must be one that gives vectors; `{served.name}`, for {kind}, gives none"
        raise _unsupported(must, "tunesmith fit DATA --task matching --set model.pairs=apart")
    if dimensions not in (None, size):
        must = f"`dimensions` must be left out, or be the {size:,} that the model gives"
        raise OpenAIRefusal(Problem(must, f"{dimensions:,}", REQUEST), param="dimensions")


def _unsupported(must: str, hint: str) -> OpenAIRefusal:
    problem = Problem(must, "", REQUEST)
    return OpenAIRefusal(problem, param="model", word="unsupported_model", hint=hint)


def text_asked(request: ChatRequest, served: Served, limits: ServiceLimits) -> TextAsked:
    """Return the text that a chat asks of a model. Raises `OpenAIRefusal`."""
    task = served.bundle.task
    row = read_conversation(request.messages, task)
    wished = RequestSpec(row=row)
    try:
        asked = read_rows(wished, task, limits=limits)
    except Refusal as error:
        raise in_openai_form(error, param="messages") from None
    given = {
        "max_tokens": request.max_tokens,
        "max_completion_tokens": request.max_completion_tokens,
    }
    for name, value in given.items():
        if value is not None and value > limits.written_tokens:
            must = f"`{name}` must be at most {limits.written_tokens:,} here"
            raise OpenAIRefusal(Problem(must, f"{value:,}", REQUEST), param=name)
    most = min((value for value in given.values() if value is not None), default=None)
    decoding = {
        "max_new_tokens": most,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "seed": request.seed,
        "beams": 1 if request.temperature else None,
    }
    return TextAsked(
        asked.rows[0],
        asked.tokens,
        {name: value for name, value in decoding.items() if value is not None},
        tuple(request.stop or ()),
        most or limits.written_tokens,
    )


def _read(kind: type[RequestT], fields: Mapping[str, Any]) -> RequestT:
    """Return a request; null stands for a field that was left out. A type is never guessed."""
    given = {
        name: value
        for name, value in fields.items()
        if value is not None and name not in CHANGE_NOTHING
    }
    try:
        return kind.model_validate(given, strict=True)
    except ValidationError as error:
        faults = error.errors()
        names = ", ".join(f"`{name}`" for name in kind.model_fields)
        raise OpenAIRefusal(
            [_problem(fault, names) for fault in faults],
            param=str(faults[0]["loc"][0]) if faults[0]["loc"] else None,
            hint=SCHEMA_HINT,
        ) from None


def _problem(fault: Any, names: str) -> Problem:
    path = ".".join(map(str, fault["loc"]))[:80]
    if fault["type"] == "extra_forbidden":
        return Problem(f"`{path}` must be one of {names}", "an unknown field", REQUEST)
    if fault["type"] == "missing":
        return Problem(f"`{path}` must be given", "nothing", REQUEST)
    must = fault["msg"].removeprefix("Input should ").removeprefix("Value error, ")
    given = fault["input"]
    found = repr(given)[:80] if isinstance(given, bool | int | float) else type(given).__name__
    return Problem(f"`{path}` must {must}", found, REQUEST)


def _is_any(value: Any, allowed: Sequence[Any]) -> bool:
    """Tell whether a value is one of those allowed, of the very kind: false is no 0."""
    is_flag = isinstance(value, bool)
    return any(value == each and is_flag == isinstance(each, bool) for each in allowed)
