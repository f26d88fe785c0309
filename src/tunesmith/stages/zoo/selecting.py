"""Which entries answer a wish: by task, language, size, licence, family and name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tunesmith.core.data_spec import TaskKind
from tunesmith.core.errors import NotFoundError, Problem
from tunesmith.model.known import Entry

COMMERCIAL = "commercial"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a model must be; what is None does not matter.

    `licence` is `commercial` (allowed, perhaps on conditions) or the licence's name.
    """

    task: TaskKind | None = None
    language: str | None = None
    max_parameters: int | None = None
    licence: str | None = None
    family: str | None = None

    def suits(self, entry: Entry) -> bool:
        """Tell whether an entry is all of it."""
        return (
            (self.task is None or self.task in entry.tasks)
            and (self.language is None or entry.speaks(self.language))
            and (self.max_parameters is None or entry.parameters <= self.max_parameters)
            and (self.licence is None or has_licence(entry, self.licence))
            and (self.family is None or entry.family.lower() == self.family.lower())
        )


def has_licence(entry: Entry, wanted: str) -> bool:
    """Tell whether an entry's licence is the wanted one, or allows commercial use."""
    if wanted.lower() == COMMERCIAL:
        return entry.commercial in ("allowed", "conditional")
    return entry.licence.lower() == wanted.lower()


def select_entries(entries: Iterable[Entry], wanted: Wanted) -> tuple[Entry, ...]:
    """Return the entries that are as wanted, the smallest first.

    Raises `NotFoundError`, which says what each wish alone leaves, where none is.
    """
    known = tuple(entries)
    found = sorted(filter(wanted.suits, known), key=lambda entry: entry.parameters)
    if not found:
        raise NotFoundError(
            Problem("a model must be all that was asked for", _alone(known, wanted)),
            hint="tunesmith zoo list",
        )
    return tuple(found)


def _alone(entries: tuple[Entry, ...], wanted: Wanted) -> str:
    """Return how many entries each wish would leave by itself."""
    counts = []
    for name in Wanted.__slots__:
        value = getattr(wanted, name)
        if value is not None:
            count = sum(map(Wanted(**{name: value}).suits, entries))
            counts.append(f"{count} with {name.replace('_', ' ')} {value}")
    return f"none; {', '.join(counts)}"
