"""Rows of a text and of texts that would be right to make of it: how they are read and shown.

Whether those texts are written or put together of the text itself, and how they are marked, is the
affair of each task.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from tunesmith.core.answers import TextAnswer
from tunesmith.core.errors import Problem
from tunesmith.core.examples import Example, Inputs, Place, TextInput
from tunesmith.tasks.rows import Reader, as_text
from tunesmith.tasks.task import Labelled

SWAPPED_SHARE = 0.5
"""The share of the rows that must look swapped before it is said."""

_JSON_TEXTS = re.compile(r'\s*\[\s*"')
"""How a list of texts begins in a cell; a text may well begin with a bracket."""


@dataclass(frozen=True)
class Referenced(Labelled):
    """A row is a text and one or more references: texts that would be right to make of it."""

    input_roles: ClassVar[tuple[str, ...]]

    def read(self, row: Mapping[str, Any], *, place: Place) -> tuple[Example | None, list[Problem]]:
        """Return the example of one row, its gold answer a tuple of references."""
        reader = Reader(row, columns=self.columns, place=place)
        source = reader.text(self.input_roles[0])
        gold = read_references(reader, self.gold_roles[0])
        if source is None:
            return None, reader.problems
        identity, group = reader.identity(source, gold)
        if reader.problems:
            return None, reader.problems
        return Example(identity, self.inputs_of(source), gold, place, group), []

    def inputs_of(self, text: str) -> Inputs:
        """Return a bare text as the source."""
        return TextInput(text)

    def input_fields(self, inputs: Any) -> dict[str, Any]:
        """Return the source by its role."""
        return {self.input_roles[0]: inputs.text}

    def gold_fields(self, gold: Any) -> dict[str, Any]:
        """Return the only reference as a text, several as a list."""
        return {self.gold_roles[0]: gold[0] if len(gold) == 1 else list(gold)}

    def with_labels_of(self, examples: Iterable[Example]) -> Self:  # noqa: ARG002
        """Return this task as it is: it has no labels."""
        return self

    def strata(self, example: Example) -> tuple[str, ...]:  # noqa: ARG002
        """Return nothing: there are no classes to keep in proportion."""
        return ()

    def hear(self, reply: str, inputs: Any) -> TextAnswer:  # noqa: ARG002
        """Return the reply as it is, without white space around it."""
        return TextAnswer(reply.strip())

    def show_gold(self, example: Example) -> list[str]:
        """Return the references."""
        return list(example.gold or ())

    def show_answer(self, answer: TextAnswer) -> str:
        """Return the text."""
        return answer.text

    def looks_swapped(self, example: Example) -> bool:  # noqa: ARG002
        """Tell whether a row's two columns look as if one had been taken for the other: unknown."""
        return False

    def swap_notes(self, examples: Sequence[Example]) -> tuple[str, ...]:
        """Return a remark where most rows look as if their columns had been swapped."""
        swapped = sum(map(self.looks_swapped, examples))
        if swapped <= SWAPPED_SHARE * len(examples):
            return ()
        source, target = self.input_roles[0], self.gold_roles[0]
        return (
            f"{swapped:,} of {len(examples):,} rows look as if `{source}` and `{target}` were "
            f"swapped: try --column {source}={self.columns.get(target, target)} "
            f"--column {target}={self.columns.get(source, source)}",
        )


def read_references(reader: Reader, role: str) -> tuple[str, ...] | None:
    """Return the references of a row, or None where it has none: no such column, an empty cell.

    A text is one reference; a list, also written as JSON in a cell, holds several. Of several none
    may be empty, and one may not be mere white space.
    """
    if not reader.has_value(role):
        return None
    column = reader.columns.get(role, role)
    value = reader.row[column]
    items = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(items, str) and _JSON_TEXTS.match(items):
        with contextlib.suppress(ValueError, RecursionError):
            items = json.loads(items)
    items = list(items) if isinstance(items, list | tuple) else [items]
    texts = [text for item in items if (text := as_text(item)) is not None and text.strip()]
    if not texts or len(texts) < len(items):
        reader.add(f"column `{column}` must hold a {role}, or a list of them, none empty", value)
        return None
    return tuple(texts)
