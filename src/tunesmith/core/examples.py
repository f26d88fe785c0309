"""The rows everybody speaks of: what goes in, what should come out, and where it stands.

Character offsets count Unicode code points from 0 and ends are exclusive, for every language.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row was read: a file (or `<text>`, `<stdin>`) and its 1-based line."""

    file: str
    line: int

    def __str__(self) -> str:
        """Return `file:line`."""
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A typed stretch of text, `text[start:end]`."""

    start: int
    end: int
    type: str


@dataclass(frozen=True, slots=True)
class TextInput:
    """One text to be read as a whole."""

    text: str


@dataclass(frozen=True, slots=True)
class WordsInput:
    """One text and the (start, end) offsets of its words, in order, without overlaps."""

    text: str
    words: tuple[tuple[int, int], ...]


Inputs: TypeAlias = TextInput | WordsInput


@dataclass(frozen=True, slots=True)
class Example:
    """One row: its inputs, its gold answer if it has one, its id and its place.

    `inputs` and `gold` are what the row's task makes them: a `TextInput` with a label (str) or
    labels (tuple of str), a `WordsInput` with entities (tuple of `Span`). `gold` is None where the
    row has no answer. `id` is the same in every run. `group` names the document a row belongs to,
    where known; rows of one group are never split apart.
    """

    id: str
    inputs: Any
    gold: Any
    place: Place
    group: str | None = None
