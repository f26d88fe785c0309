"""Single-label classification: one text, one label of many."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from tunesmith.core.errors import Problem
from tunesmith.core.examples import Example, Inputs, Place, TextInput
from tunesmith.tasks.labelled import OneLabel
from tunesmith.tasks.rows import Reader
from tunesmith.tasks.task import HeadFamily


@dataclass(frozen=True)
class Classification(OneLabel):
    """Rows `text, label`."""

    kind: ClassVar[str] = "classification"
    head: ClassVar[HeadFamily] = "classify"
    input_roles: ClassVar[tuple[str, ...]] = ("text",)

    def read(self, row: Mapping[str, Any], *, place: Place) -> tuple[Example | None, list[Problem]]:
        """Return the example of one row; a row without the label column has no gold answer."""
        reader = Reader(row, columns=self.columns, place=place)
        text = reader.text("text")
        label = reader.text("label") if reader.has("label") else None
        if text is None:
            return None, reader.problems
        identity, group = reader.identity(text, label)
        if reader.problems:
            return None, reader.problems
        return Example(identity, TextInput(text), label, place, group), []

    def inputs_of(self, text: str) -> Inputs:
        """Return the text as the only input."""
        return TextInput(text)

    def ask(self, inputs: Inputs) -> str:
        """Return the text with the label names to choose from."""
        return f"Which label fits the text best?\n{self._options()}\n\nText: {inputs.text}\nLabel:"
