"""The tasks: one file each, and this table of them."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from tunesmith.core.errors import SpecError
from tunesmith.tasks.choice import Choice
from tunesmith.tasks.classification import Classification
from tunesmith.tasks.generation import Generation
from tunesmith.tasks.matching import Matching
from tunesmith.tasks.multilabel import MultiLabel
from tunesmith.tasks.ner import Ner
from tunesmith.tasks.qa import Qa
from tunesmith.tasks.recommendation import Recommendation
from tunesmith.tasks.relation import Relation
from tunesmith.tasks.summarization import Summarization, WrittenSummarization
from tunesmith.tasks.task import Pairs, Task
from tunesmith.tasks.translation import Translation

TASKS: dict[str, type] = {
    task.kind: task
    for task in (
        *(Classification, MultiLabel, Ner, Matching, Relation, Qa, Choice),
        Recommendation,
        Summarization,
        Translation,
        Generation,
    )
}

VARIANTS: dict[tuple[str, str], type] = {
    (task.kind, "generate"): task for task in (WrittenSummarization,)
}
"""What a method makes of a task of the table, by kind and by the head that `bundle.json` names."""


def make_task(
    kind: str, *, columns: Mapping[str, str] | None = None, pairs: Pairs = "auto"
) -> Task:
    """Return the task `kind` with no labels yet, reading two texts as `pairs` says.

    Raises `SpecError` where the column mapping names a role that the task does not have.
    """
    task: Task = TASKS[kind](columns=dict(columns or {})).with_pairs(pairs)
    roles = {*task.input_roles, *task.gold_roles, *task.extra_roles, "id", "group"}
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
    """Return the task that `Task.to_json` wrote; summaries of no named head are extractive."""
    settings = {key: value for key, value in fields.items() if key not in ("kind", "head")}
    tuples = {name: tuple(value) for name, value in settings.items() if isinstance(value, list)}
    kind, head = fields["kind"], fields.get("head", "")
    return VARIANTS.get((kind, head), TASKS[kind])(**{**settings, **tuples})
