"""One operation: a frozen, validated spec and one function that carries it out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from tunesmith.core.spec import Spec


class Result(Protocol):
    """What an operation gives back: a frozen record that every door can show."""

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON-ready fields."""
        ...


@dataclass(frozen=True, slots=True)
class Operation:
    """A row of the table of operations.

    `summary` is the one sentence that help and schema show; runs of an operation that is
    `recorded` enter the log.
    """

    name: str
    summary: str
    spec: type[Spec]
    result: type[Result]
    run: Callable[[Any, Any], Any]
    recorded: bool = False
