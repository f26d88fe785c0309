"""Relation classification: one text, two stretches of it, one relation between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from tunesmith.core.errors import Problem
from tunesmith.core.examples import Example, Inputs, MarkedInput, Place
from tunesmith.measure.intervals import bootstrap_measures
from tunesmith.measure.relations import NO_RELATION, relation_rows, relation_statistics
from tunesmith.tasks.labelled import OneLabel
from tunesmith.tasks.rows import Reader, read_stretch
from tunesmith.tasks.structured import inputs_from_json
from tunesmith.tasks.task import HeadFamily, Marks

NO_RELATIONS = (NO_RELATION, "no_relation", "NA", "none", "无", "其他")
"""Names of the label that says the two are not related; the first that occurs is meant."""

RELATION_MEASURES = ("macro_f1", "micro_f1")


@dataclass(frozen=True)
class Relation(OneLabel):
    """Rows `text, head:{start, end}, tail:{start, end}, label`; a stretch may have a `type` too.

    Labels such as `Cause-Effect(e1,e2)` have a direction: e1 is the head, e2 the tail.
    """

    kind: ClassVar[str] = "relation"
    head: ClassVar[HeadFamily] = "relate"
    selection: ClassVar[str] = "relation_macro_f1"
    input_roles: ClassVar[tuple[str, ...]] = ("text", "head", "tail")

    def read(self, row: Mapping[str, Any], *, place: Place) -> tuple[Example | None, list[Problem]]:
        """Return the example of one row; both stretches must lie in the text and hold something."""
        reader = Reader(row, columns=self.columns, place=place)
        text = reader.text("text")
        head = read_stretch(reader, "head", text=text)
        tail = read_stretch(reader, "tail", text=text)
        label = reader.text("label") if reader.has("label") else None
        if text is None or head is None or tail is None:
            return None, reader.problems
        identity, group = reader.identity(text, head, tail, label)
        if reader.problems:
            return None, reader.problems
        inputs = MarkedInput(
            text, (head.start, head.end), (tail.start, tail.end), (head.type, tail.type)
        )
        return Example(identity, inputs, label, place, group), []

    def inputs_of(self, text: str) -> Inputs:
        """Return the inputs of a row written as a JSON object."""
        return inputs_from_json(self, text)

    def input_fields(self, inputs: Any) -> dict[str, Any]:
        """Return text, head and tail as a row holds them."""
        stretches = {}
        for number, role in enumerate(("head", "tail")):
            start, end = getattr(inputs, role)
            typed = {"type": inputs.types[number]} if inputs.types[number] else {}
            stretches[role] = {"start": start, "end": end, **typed}
        return {"text": inputs.text, **stretches}

    @property
    def no_relation(self) -> str:
        """The label that says the two are not related; SemEval's where no label is known to."""
        return next((name for name in NO_RELATIONS if name in self.labels), NO_RELATION)

    def mark(self, examples: Sequence[Example], answers: Sequence[Any], *, seed: int = 0) -> Marks:
        """Return the marks of a classification, and the scores of SemEval-2010 task 8 before them.

        `relation_macro_f1` averages the relations without regard to direction, though an answer in
        the wrong direction is wrong; neither it nor `relation_micro_f1` counts "no relation".
        """
        marks = super().mark(examples, answers, seed=seed)
        found = bootstrap_measures(self._statistic(examples, answers), len(examples), seed=seed)
        own = {f"relation_{name}": found[name] for name in RELATION_MEASURES}
        return replace(marks, measures={**own, **marks.measures}, headline=(*own, "accuracy"))

    def selection_score(self, examples: Sequence[Example], answers: Sequence[Any]) -> float:
        """Return the macro F1 of the relations."""
        if not examples:
            return 0.0
        statistic = self._statistic(examples, answers)
        return statistic(np.ones(len(examples), dtype=np.int64))["macro_f1"]

    def ask(self, inputs: Any) -> str:
        """Return the text with the two stretches and the relations to choose from."""
        head, tail = (inputs.text[start:end] for start, end in (inputs.head, inputs.tail))
        return (
            f"How is “{head}” related to “{tail}” in the text?\n{self._options()}\n\n"
            f"Text: {inputs.text}\nRelation:"
        )

    def _statistic(self, examples: Sequence[Example], answers: Sequence[Any]) -> Any:
        rows = relation_rows(
            [example.gold for example in examples],
            [answer.label for answer in answers],
            no_relation=self.no_relation,
        )
        return relation_statistics(rows)
