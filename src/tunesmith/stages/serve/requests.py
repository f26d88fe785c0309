"""What a client may ask, and how a body becomes that: every bound is held before work begins."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, ValidationError, field_validator

from tunesmith.core.errors import DataError, Problem, TunesmithError
from tunesmith.core.examples import Inputs, Place
from tunesmith.core.reliability import Demands
from tunesmith.core.serving import ServiceLimits
from tunesmith.core.spec import build_spec
from tunesmith.stages.serve.problems import Refusal, refuse
from tunesmith.tasks.structured import read_inputs
from tunesmith.tasks.task import Task

DEEPEST = 16
"""Lists and objects within each other; the rows of no task need more than five."""

LARGEST_DIGITS = 400
SCHEMA_HINT = "GET /openapi.json shows every field"
REQUEST = "request"
UNASKED = ("id", "group")
"""Roles of a row that change no answer, as the gold ones: they are not looked at."""

BYTES_A_TOKEN = 3
"""Of UTF-8: a Han character is a token of three bytes, an English token has four or five."""


def _listed(value: Any) -> Any:
    """Take a list as the tuple that a frozen request holds."""
    return tuple(value) if isinstance(value, list) else value


def _require_row(value: Any) -> Any:
    if not isinstance(value, str | dict):
        raise ValueError("a row must be a text or an object")
    return value


def _require_row_if_any(value: Any) -> Any:
    return value if value is None else _require_row(value)


Rows = Annotated[tuple[Annotated[Any, AfterValidator(_require_row)], ...], BeforeValidator(_listed)]
Row = Annotated[Any, AfterValidator(_require_row_if_any)]


class RequestSpec(Demands):
    """Answer rows with a model. What is asked beside the answer is as the service was started."""

    model: str | None = None
    """Name of the model; none takes the only one."""

    rows: Rows | None = None
    """The rows to answer: a text each, or an object with the roles of the model's task."""

    row: Row = None
    """One row, in the place of `rows`."""

    all_scores: bool = False
    """Give every label's probability (for entities: every word's tag)."""

    @field_validator("*")
    @classmethod
    def _refuse_nul(cls, value: Any) -> Any:
        """Refuse nothing: a row is a text to be read, and no file is named here."""
        return value


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that was read: its rows by role, and about how many tokens each of them has."""

    rows: tuple[dict[str, Any], ...]
    lengths: tuple[int, ...]

    @property
    def tokens(self) -> int:
        """About how many tokens all rows have."""
        return sum(self.lengths)


def read_json(body: bytes) -> dict[str, Any]:
    """Return the object a body holds.

    Raises `Refusal` (400) where it is no JSON object, or holds what JSON has no word for.
    """
    try:
        fields = json.loads(
            body.decode("utf-8"),
            parse_constant=_refuse_constant,
            parse_float=_read_float,
            parse_int=_read_int,
        )
    except UnicodeDecodeError as error:
        raise _malformed(
            "the body must be UTF-8", f"byte {error.start} of another encoding"
        ) from None
    except RecursionError:
        raise _malformed(_DEPTH, "a deeper one") from None
    except _ForbiddenNumber as error:
        raise _malformed("numbers of the body must be finite", str(error)) from None
    except json.JSONDecodeError as error:
        found = f"{error.msg} at character {error.pos}"
        raise _malformed("the body must be JSON", found) from None
    if not isinstance(fields, dict):
        raise _malformed("the body must be a JSON object", _kind(fields))
    _check_depth(fields)
    return fields


_DEPTH = f"lists and objects of the body must be at most {DEEPEST} deep"


class _ForbiddenNumber(ValueError):
    """A number that JSON cannot say, or that nobody can mean."""


def _refuse_constant(name: str) -> Any:
    raise _ForbiddenNumber(name)


def _read_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _ForbiddenNumber(text[:40])
    return value


def _read_int(text: str) -> int:
    if len(text) > LARGEST_DIGITS or not math.isfinite(float(text)):
        raise _ForbiddenNumber(f"an integer of {len(text):,} digits")
    return int(text)


def _check_depth(fields: Any) -> None:
    level = [fields]
    for _ in range(DEEPEST):
        level = [
            inner
            for value in level
            for inner in (value.values() if isinstance(value, dict) else value)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return
    raise _malformed(_DEPTH, "a deeper one")


def _kind(value: Any) -> str:
    return {list: "a list", str: "a text", type(None): "null", bool: "true or false"}.get(
        type(value), "a number"
    )


def _malformed(must: str, found: str) -> Refusal:
    return Refusal(HTTPStatus.BAD_REQUEST, Problem(must, found, REQUEST), hint=SCHEMA_HINT)


def read_request(fields: dict[str, Any], *, defaults: Demands) -> RequestSpec:
    """Return the request that an object describes, the service's own demands where it has none.

    A type is never guessed: `"0.9"` is no number. Raises `Refusal` (422) with every problem.
    """
    own = {name: getattr(defaults, name) for name in Demands.model_fields}
    if nulls := [name for name in ("model", "rows", "row") if fields.get(name, "") is None]:
        raise Refusal(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            [Problem(f"`{name}` must be given or left out", "null", REQUEST) for name in nulls],
            hint=SCHEMA_HINT,
        )
    try:
        return RequestSpec.model_validate({**own, **fields}, strict=True)
    except ValidationError:
        pass
    try:  # for its words; a value that only a lenient reading takes is named after it
        build_spec(RequestSpec, {**own, **fields}, where=REQUEST)
    except TunesmithError as error:
        raise refuse(error, hint=SCHEMA_HINT) from None
    raise Refusal(
        HTTPStatus.UNPROCESSABLE_ENTITY, _type_problems({**own, **fields}), hint=SCHEMA_HINT
    )


def _type_problems(values: dict[str, Any]) -> list[Problem]:
    """Return what is wrong with values that are right but for their type."""
    try:
        RequestSpec.model_validate(values, strict=True)
    except ValidationError as error:
        return [
            Problem(
                f"`{'.'.join(map(str, fault['loc'][:1]))}`: {fault['msg']}",
                repr(fault["input"])[:80],
                REQUEST,
            )
            for fault in error.errors()
        ]
    return []


def read_rows(request: RequestSpec, task: Task, *, limits: ServiceLimits) -> Asked:
    """Return the rows of a request, each of which the task can read.

    Raises `Refusal` (422) with every problem of every row, or with the limit that is passed.
    """
    if (request.row is None) == (request.rows is None):
        found = "neither" if request.row is None else "both"
        must = "`rows` or `row` must be given, not both"
        raise Refusal(
            HTTPStatus.UNPROCESSABLE_ENTITY, Problem(must, found, REQUEST), hint=SCHEMA_HINT
        )
    given = [request.row] if request.rows is None else list(request.rows)
    if not given:
        problem = Problem("`rows` must hold a row", "none", REQUEST)
        raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, problem, hint=SCHEMA_HINT)
    if len(given) > limits.rows:
        must = f"a request must hold at most {limits.rows:,} rows"
        raise too_much(must, f"{len(given):,}", "send several requests")
    problems: list[Problem] = []
    rows: list[dict[str, Any]] = []
    lengths: list[int] = []
    for number, row in enumerate(given, start=1):
        place = Place(REQUEST, number)
        if bad := unwritable(row):
            problems.append(Problem("every text must be Unicode", bad, str(place)))
            continue
        try:
            inputs = _inputs(task, row, place)
        except DataError as error:
            problems += [_without_flags(problem) for problem in error.problems]
            continue
        if len(inputs.text) > limits.characters:
            must = f"a row must have at most {limits.characters:,} characters"
            raise too_much(must, f"{len(inputs.text):,} ({place})", "send it in parts")
        lengths.append(count_tokens(inputs))
        rows.append(task.input_fields(inputs))
    if problems:
        roles = ", ".join(f"`{role}`" for role in task.input_roles)
        raise Refusal(
            HTTPStatus.UNPROCESSABLE_ENTITY, problems, hint=f"a row for {task.kind} holds {roles}"
        )
    return Asked(tuple(rows), tuple(lengths))


def count_tokens(inputs: Inputs) -> int:
    """Return about how many tokens an input has, two special ones with them; never too few by much.

    To know it the text would have to be encoded, which is a good part of answering.
    """
    return count_tokens_of(inputs.text)


def count_tokens_of(text: str) -> int:
    """Return about how many tokens a text has, as `count_tokens` does."""
    return 2 + len(text.encode("utf-8", "replace")) // BYTES_A_TOKEN


def _inputs(task: Task, row: str | dict[str, Any] | None, place: Place) -> Inputs:
    if isinstance(row, str):
        return task.inputs_of(row)
    asked = {*task.input_roles, *task.extra_roles}
    others = {*task.gold_roles, *UNASKED} - asked
    others |= {task.columns.get(role, role) for role in others}
    given = {name: value for name, value in (row or {}).items() if name not in others}
    return read_inputs(task, given, place=place)


def _without_flags(problem: Problem) -> Problem:
    """Return a problem of a row without what could be typed about it on a command line."""
    return replace(problem, found=re.sub(r"; map another one with `[^`]*`", "", problem.found))


def unwritable(row: Any) -> str:
    """Return the half character that a row holds, or nothing."""
    text = row if isinstance(row, str) else json.dumps(row, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return f"half a character, {text[error.start]!r}"
    return ""


def too_much(must: str, found: str, hint: str) -> Refusal:
    """Return the refusal of a request beyond a limit."""
    return Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, Problem(must, found, REQUEST), hint=hint)


def demands_of(request: RequestSpec) -> dict[str, Any]:
    """Return what a request asks beside its answers, and how they are to be shown."""
    names: Sequence[str] = (*Demands.model_fields, "all_scores")
    return {name: getattr(request, name) for name in names}
