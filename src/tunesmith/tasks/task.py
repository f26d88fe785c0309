"""The contract of a task: what a row is, what an answer is, how it is asked, heard and marked.

A task is a frozen value that is saved inside the bundle. It knows no model and no file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, ClassVar, Literal, Protocol, Self, runtime_checkable

import numpy as np

from tunesmith.core.answers import Answer
from tunesmith.core.errors import Problem, SpecError
from tunesmith.core.examples import Example, Inputs, Place, Span
from tunesmith.core.measures import Measure
from tunesmith.measure.calibration import CalibrationBin
from tunesmith.measure.classes import ClassScore

HeadFamily = Literal[
    "classify",
    "tag",
    "span",
    "embed",
    "choose",
    "relate",
    "recommend",
    "extract",
    "generate",
]
Pairs = Literal["auto", "together", "apart"]


@dataclass(frozen=True, slots=True)
class Marks:
    """How a set of answers was marked.

    `measures` by name; `classes` one a label or entity type; `averages` micro / macro / weighted;
    `confusion` (C, C) with gold rows, or None where a row may have many labels; `tokens` the
    word-level table of tagging tasks; `bins` the reliability diagram; `wrong` the indices of rows
    answered wrongly, the most confident first; `right` those of the rows shown as answered best;
    `notes` what a reader must know beside the figures.
    """

    measures: dict[str, Measure]
    headline: tuple[str, ...]
    classes: tuple[ClassScore, ...]
    averages: dict[str, dict[str, float]]
    confusion: np.ndarray | None
    confusion_labels: tuple[str, ...]
    tokens: tuple[ClassScore, ...]
    bins: tuple[CalibrationBin, ...]
    wrong: tuple[int, ...]
    right: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()


@runtime_checkable
class Task(Protocol):
    """One kind of problem with its labels in their fixed order.

    `input_roles` and `gold_roles` are the columns a row needs, `extra_roles` those it may have in
    their place; `head` names the head family that trains it; `selection` the measure that chooses
    the best checkpoint.
    """

    kind: ClassVar[str]
    input_roles: ClassVar[tuple[str, ...]]
    gold_roles: ClassVar[tuple[str, ...]]
    extra_roles: ClassVar[tuple[str, ...]]

    @property
    def head(self) -> HeadFamily:
        """The head family that trains it."""
        ...

    @property
    def selection(self) -> str:
        """The measure that chooses the best checkpoint."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """The label names; indices never change once a model was trained on them."""
        ...

    @property
    def columns(self) -> Mapping[str, str]:
        """The column mapping, role → name."""
        ...

    def with_columns(self, columns: Mapping[str, str]) -> Task:
        """Return this task with `columns` laid over its own."""
        ...

    def with_pairs(self, pairs: Pairs) -> Task:
        """Return this task with how it reads two texts, where it does: together, or apart."""
        ...

    def with_method(self, method: str) -> Task:
        """Return this task for a method. Raises `SpecError` where the method cannot tune it."""
        ...

    def gold_role(self, row: Mapping[str, Any]) -> str:
        """Return the role that holds the gold answer of a row of these columns."""
        ...

    def lacking_gold(self, row: Mapping[str, Any]) -> tuple[str, str]:
        """Return what a row without its gold answer must have, and what was found."""
        ...

    def read(self, row: Mapping[str, Any], *, place: Place) -> tuple[Example | None, list[Problem]]:
        """Return the example a row holds, or None and every problem of it."""
        ...

    def inputs_of(self, text: str) -> Inputs:
        """Return the inputs that one bare text stands for."""
        ...

    def input_fields(self, inputs: Inputs) -> dict[str, Any]:
        """Return the inputs as a row holds them, by role."""
        ...

    def gold_fields(self, gold: Any) -> dict[str, Any]:
        """Return a gold answer as a row holds it, by role."""
        ...

    def with_labels_of(self, examples: Iterable[Example]) -> Task:
        """Return this task with the labels that occur in `examples`, in a fixed order."""
        ...

    def outputs(self) -> tuple[str, ...]:
        """Return the names of the head's outputs, in order: the model's `id2label`."""
        ...

    def target(self, example: Example) -> Any:
        """Return what the head is trained on.

        That is a class index, a list of 0..1 or of one tag index a word, the (start, end)
        characters of an answer, a score of 0..1, the index of a choice or an item, or a text to be
        written.
        """
        ...

    def strata(self, example: Example) -> tuple[str, ...]:
        """Return the gold names that a stratified split keeps in proportion."""
        ...

    def answer(self, scores: np.ndarray, inputs: Inputs) -> Answer:
        """Return the answer that the head's raw outputs mean.

        `scores` are in the shape that `runtime.merging` gives for the task's head family.
        """
        ...

    def mark(self, examples: Sequence[Example], answers: Sequence[Any], *, seed: int = 0) -> Marks:
        """Return the marks of `answers` against the gold answers, with bootstrap intervals."""
        ...

    def selection_score(self, examples: Sequence[Example], answers: Sequence[Any]) -> float:
        """Return the `selection` measure alone, without intervals: what training watches."""
        ...

    def ask(self, inputs: Inputs) -> str:
        """Return the task on these inputs as a question, for a model that reads prompts."""
        ...

    def hear(self, reply: str, inputs: Inputs) -> Answer:
        """Return the answer a text reply means; an unusable reply becomes the empty answer."""
        ...

    def to_json(self) -> dict[str, Any]:
        """Return the task as `bundle.json` keeps it; `task_from_json` reads it."""
        ...

    def attachments(self) -> Mapping[str, str]:
        """Return the files that the bundle keeps beside the task, by name, where it has any."""
        ...

    def with_attachments(self, contents: Mapping[str, str]) -> Task:
        """Return this task with the files that `attachments` gave."""
        ...

    def show_inputs(self, inputs: Inputs) -> str:
        """Return the inputs as a person reads them."""
        ...

    def show_gold(self, example: Example) -> str | list[str]:
        """Return the gold answer as a person reads it."""
        ...

    def show_answer(self, answer: Any) -> str | list[str]:
        """Return an answer as a person reads it."""
        ...


@dataclass(frozen=True)
class Labelled:
    """The fields every task has: the labels in order and the column mapping.

    The index of a label never changes once a head is trained.
    """

    kind: ClassVar[str]
    gold_roles: ClassVar[tuple[str, ...]]
    extra_roles: ClassVar[tuple[str, ...]] = ()

    labels: tuple[str, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)

    def with_columns(self, columns: Mapping[str, str]) -> Self:
        """Return this task with `columns` laid over its own."""
        return replace(self, columns={**self.columns, **columns})

    def with_pairs(self, pairs: Pairs) -> Self:  # noqa: ARG002
        """Return this task as it is: it does not read pairs."""
        return self

    def with_method(self, method: str) -> Self:
        """Return this task as it is. Raises `SpecError` for methods that are for one other task."""
        if method == "zero-shot" and self.kind != "classification":
            raise SpecError(
                "the method `zero-shot` compares a text with the names of labels; "
                f"{self.kind} has other answers",
                hint="--method full",
            )
        if method == "extractive":
            raise SpecError(
                f"the method `extractive` must have documents to summarise; {self.kind} has none",
                hint="--method full",
            )
        return self

    def gold_role(self, row: Mapping[str, Any]) -> str:  # noqa: ARG002
        """Return the only role of the gold answer."""
        return self.gold_roles[0]

    def lacking_gold(self, row: Mapping[str, Any]) -> tuple[str, str]:
        """Return that the column of the gold answer must hold a value, and what it holds."""
        role = self.gold_role(row)
        column = self.columns.get(role, role)
        found = "null" if row.get(column) is None else "an empty value"
        return f"column `{column}` must hold a value", found

    def input_fields(self, inputs: Any) -> dict[str, Any]:
        """Return the text."""
        return {"text": inputs.text}

    def attachments(self) -> Mapping[str, str]:
        """Return no files: everything stands in `bundle.json`."""
        return {}

    def with_attachments(self, contents: Mapping[str, str]) -> Self:  # noqa: ARG002
        """Return this task as it is."""
        return self

    def show_inputs(self, inputs: Any) -> str:
        """Return the text."""
        return inputs.text

    def gold_fields(self, gold: Any) -> dict[str, Any]:
        """Return the gold answer under its role, spans as mappings."""
        if isinstance(gold, tuple):
            gold = [asdict(item) if isinstance(item, Span) else item for item in gold]
        return {self.gold_roles[0]: gold}

    def to_json(self) -> dict[str, Any]:
        """Return the kind and every field, as `bundle.json` keeps them."""
        own = {part.name: getattr(self, part.name) for part in fields(self)}
        lists = {name: list(value) for name, value in own.items() if isinstance(value, tuple)}
        return {"kind": self.kind, **own, "columns": dict(self.columns), **lists}
