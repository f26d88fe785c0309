"""Rows for a bundle that is made already: its task, its remembered columns, one file."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from os import PathLike

from tunesmith.core.errors import DataError, NotFoundError, SpecError
from tunesmith.core.examples import Example
from tunesmith.data.examples import collect_examples, read_examples, stream_examples
from tunesmith.data.folders import find_splits
from tunesmith.data.formats import scan_rows
from tunesmith.data.histories import place_histories
from tunesmith.data.hub import is_hub, scan_hub
from tunesmith.data.sources import KeyedList
from tunesmith.tasks import make_task
from tunesmith.tasks.recommendation import Recommendation
from tunesmith.tasks.task import Task


def read_for(
    task: Task, data: str | PathLike[str] | KeyedList, *, columns: Mapping[str, str]
) -> tuple[Task, Sequence[Example]]:
    """Return the task with its columns, and the labelled rows to evaluate on.

    Those are the rows of a file, or the test split of a folder, JSON file or hub data set. Events
    are asked about with what the bundle knows of their users, and what comes before them there.
    """
    task = with_columns(task, columns)
    examples = _read_labelled(task, data)
    if isinstance(task, Recommendation):
        examples = place_histories(task.catalogue, [examples], task)[0]
        if not examples:
            raise DataError(
                f"`{data}` must hold events that the bundle does not know yet; got none",
                hint="hold some out before tuning: --set split.test=0.1, or --test FILE",
            )
    return task, examples


def _read_labelled(task: Task, data: str | PathLike[str] | KeyedList) -> Sequence[Example]:
    if is_hub(data):
        scans = scan_hub(str(data)).get("test")
    elif not isinstance(data, KeyedList) and (splits := find_splits(data)) is not None:
        scans = [scan_rows(source) for source in splits.get("test", ())]
    else:
        return read_examples(data, task)
    if not scans:
        raise NotFoundError(f"`{data}` must hold a test split", hint="name the file to evaluate on")
    return collect_examples(scans, task)


def stream_for(
    task: Task, source: str | PathLike[str] | KeyedList, *, columns: Mapping[str, str], kind: str
) -> Iterator[Example]:
    """Yield the rows of a file, or of standard input (`-`), with or without gold answers.

    Raises `SpecError` where standard input is closed, or a terminal that nobody types rows into.
    """
    task = with_columns(task, columns)
    if source != "-":
        return stream_examples(source, task, require_gold=False)
    if sys.stdin is None or sys.stdin.isatty():
        raise SpecError(
            "predict needs texts, `--data FILE`, or rows on standard input; got none",
            hint='tunesmith predict BUNDLE "some text"',
        )
    wanted = None if kind == "auto" else kind
    return stream_examples(source, task, require_gold=False, kind=wanted)


def with_columns(task: Task, columns: Mapping[str, str]) -> Task:
    """Return the task with `columns` laid over those it was tuned with."""
    if not columns:
        return task
    make_task(task.kind, columns=columns)
    return task.with_columns(columns)
