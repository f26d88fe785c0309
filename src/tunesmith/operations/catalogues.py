"""The item file beside the events: what can be recommended, and who had what."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import cast

from tunesmith.core.data_spec import RowsSpec
from tunesmith.core.errors import NotFoundError, SpecError
from tunesmith.core.events import Said
from tunesmith.core.examples import Example, TextInput
from tunesmith.data.examples import read_examples
from tunesmith.data.histories import in_time
from tunesmith.data.splits import Splits
from tunesmith.session import Session
from tunesmith.tasks.catalogue import ItemRows, make_catalogue
from tunesmith.tasks.recommendation import Recommendation
from tunesmith.tasks.task import Task

NEEDS_ITEMS = "tunesmith fit RATINGS --task recommendation --items FILE"


def require_items(spec: RowsSpec) -> str:
    """Return the item file of a request. Raises `SpecError` where there is none."""
    if spec.items is None:
        raise SpecError(
            "recommendation needs `items`, a file with the columns `item` and `text`; got none",
            hint=NEEDS_ITEMS,
        )
    return spec.items


def refuse_items(spec: RowsSpec) -> None:
    """Raise `SpecError` where an item file was given to a task that reads none."""
    if spec.items is not None:
        raise SpecError(
            f"`items` must be left out for {spec.task}; got {spec.items}",
            hint="--task recommendation",
        )


def read_items(spec: RowsSpec, session: Session) -> Sequence[Example]:
    """Return the rows of the item file, one an item, those of its own columns alone."""
    path = require_items(spec)
    session.emit(Said(f"reading {path}"))
    columns = {role: name for role, name in spec.column.items() if role in ItemRows.input_roles}
    try:
        rows = cast(Task, ItemRows(columns=columns))  # all of a task that reading asks for
        return read_examples(path, rows, require_gold=False)
    except NotFoundError as error:
        raise NotFoundError(error.problems, hint=NEEDS_ITEMS) from error


def with_catalogue(
    task: Recommendation, items: Sequence[Example], splits: Splits
) -> Recommendation:
    """Return the task recommending from `items`, with all events of the splits known."""
    later = chain(in_time(splits.valid), in_time(splits.test))
    catalogue = make_catalogue(items, in_time(splits.train), later, is_liked=task.is_liked)
    return task.with_catalogue(catalogue)


def item_rows(task: Recommendation, items: Sequence[Example]) -> list[Example]:
    """Return one example an item of the catalogue, in its order, at its place where it has one."""
    known = {example.id: example for example in reversed(items)}
    unnamed = Example("", TextInput(""), None, items[0].place)
    return [known.get(item, unnamed) for item in task.catalogue.items]
