"""Inputs of more than one text, given as one: a JSON object with the roles of a row."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from tunesmith.core.errors import DataError
from tunesmith.core.examples import Inputs, Place
from tunesmith.tasks.task import Task

GIVEN = Place("<text>", 1)


PLACEHOLDERS: dict[str, Any] = {
    "text": "one two",
    "head": {"start": 0, "end": 3},
    "tail": {"start": 4, "end": 7},
    "choices": ["…", "…"],
    "history": ["…"],
}
"""What stands for a role in a row that shows how one is written; `…` for a text of any kind."""


def sample_row(roles: Iterable[str]) -> str:
    """Return a row with these roles as JSON, of the right form, to be filled in."""
    row = {role: PLACEHOLDERS.get(role, "…") for role in roles}
    return json.dumps(row, ensure_ascii=False)


def inputs_from_json(task: Task, text: str) -> Inputs:
    """Return the inputs of the row that `text` holds.

    Raises `DataError` where it is no JSON object or lacks a role.
    """
    try:
        row = json.loads(text)
    except (ValueError, RecursionError):
        row = None
    if not isinstance(row, dict):
        raise DataError(
            f"a text for {task.kind} must be a JSON object with {', '.join(task.input_roles)}; "
            f"got {text[:60]!r}",
            hint=f"tunesmith predict BUNDLE '{sample_row(task.input_roles)}'",
        )
    return read_inputs(task, row)


def read_inputs(task: Task, row: dict[str, Any], *, place: Place = GIVEN) -> Inputs:
    """Return the inputs of a row by its roles, whatever its columns were called in the data.

    Raises `DataError` with every problem of the row.
    """
    named = {task.columns.get(role, role): value for role, value in row.items()}
    example, problems = task.read(named, place=place)
    if example is None:
        raise DataError(problems, hint=f"give {', '.join(task.input_roles)}")
    return example.inputs
