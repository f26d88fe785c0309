"""The tasks: one file each, and this table of them."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from tunesmith.core.errors import SpecError
from tunesmith.tasks.classification import Classification
from tunesmith.tasks.multilabel import MultiLabel
from tunesmith.tasks.ner import Ner
from tunesmith.tasks.task import Task

TASKS: dict[str, type] = {task.kind: task for task in (Classification, MultiLabel, Ner)}


def make_task(kind: str, *, columns: Mapping[str, str] | None = None) -> Task:
    """Return the task `kind` with no labels yet.

    Raises `SpecError` where the column mapping names a role that the task does not have.
    """
    task = TASKS[kind](columns=dict(columns or {}))
    roles = {*task.input_roles, *task.gold_roles, *EXTRA_ROLES.get(kind, ()), "id", "group"}
    unknown = sorted(set(task.columns) - roles)
    if unknown:
        near = get_close_matches(unknown[0], sorted(roles), n=1, cutoff=0.5) or task.gold_roles
        raise SpecError(
            f"`column` must map a role of {kind} ({', '.join(sorted(roles))}); "
            f"got {', '.join(unknown)}",
            hint=f"--column {near[0]}={task.columns[unknown[0]]}",
        )
    return task


def task_from_json(fields: Mapping[str, Any]) -> Task:
    """Return the task that `Task.to_json` wrote."""
    settings = {key: value for key, value in fields.items() if key != "kind"}
    settings["labels"] = tuple(settings["labels"])
    return TASKS[fields["kind"]](**settings)


EXTRA_ROLES = {"ner": ("tokens", "tags")}
