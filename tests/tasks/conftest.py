"""What the tests of `tasks/` share: one line of a file, and readings that must or must not fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tunesmith.core.examples import Example, Place
from tunesmith.tasks.task import Task

PLACE = Place("rows.jsonl", 7)


@pytest.fixture
def read() -> Callable[[Task, dict[str, Any]], Example]:
    """Return a function that reads a row that must be good."""

    def good(task: Task, row: dict[str, Any]) -> Example:
        example, problems = task.read(row, place=PLACE)
        assert problems == []
        assert example is not None
        return example

    return good


@pytest.fixture
def faults() -> Callable[[Task, dict[str, Any]], list[str]]:
    """Return a function that reads a row that must be bad and returns its problems as lines."""

    def bad(task: Task, row: dict[str, Any]) -> list[str]:
        example, problems = task.read(row, place=PLACE)
        assert example is None
        assert problems
        assert {problem.where for problem in problems} == {"rows.jsonl:7"}
        return [str(problem) for problem in problems]

    return bad
