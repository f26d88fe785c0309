"""Multi-label classification: one text, any number of labels."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from tunesmith.core.answers import LabelsAnswer
from tunesmith.core.errors import Problem
from tunesmith.core.examples import Example, Inputs, Place, TextInput
from tunesmith.core.measures import Measure
from tunesmith.measure.calibration import calibration_bins, expected_calibration_error
from tunesmith.measure.classes import (
    averaged_scores,
    class_scores,
    multilabel_counts,
    multilabel_statistics,
)
from tunesmith.measure.intervals import bootstrap_measures
from tunesmith.tasks.labels import sigmoid, sort_labels
from tunesmith.tasks.rows import Reader, as_text
from tunesmith.tasks.task import HeadFamily, Labelled, Marks

_LIST_MARKS = re.compile("[,;\n，、；]")
_AROUND = " \t\r.-*。'\"`[]"


@dataclass(frozen=True)
class MultiLabel(Labelled):
    """Rows `text, labels`. A label is given when its probability reaches `threshold`."""

    threshold: float = 0.5

    kind: ClassVar[str] = "multilabel"
    head: ClassVar[HeadFamily] = "classify"
    selection: ClassVar[str] = "micro_f1"
    input_roles: ClassVar[tuple[str, ...]] = ("text",)
    gold_roles: ClassVar[tuple[str, ...]] = ("labels",)

    def read(self, row: Mapping[str, Any], *, place: Place) -> tuple[Example | None, list[Problem]]:
        """Return the example of one row, or None and every problem of it.

        An empty list is a gold answer, a missing column is none.
        """
        reader = Reader(row, columns=self.columns, place=place)
        text = reader.text("text")
        gold = self._read_labels(reader) if reader.has("labels") else None
        identity, group = reader.identity(text, gold)
        if text is None or reader.problems:
            return None, reader.problems
        return Example(identity, TextInput(text), gold, place, group), []

    def inputs_of(self, text: str) -> Inputs:
        """Return the text as the only input."""
        return TextInput(text)

    def with_labels_of(self, examples: Iterable[Example]) -> MultiLabel:
        """Return this task with the labels of `examples` in natural order."""
        return replace(
            self, labels=sort_labels({label for ex in examples for label in ex.gold or ()})
        )

    def outputs(self) -> tuple[str, ...]:
        """Return one output a label."""
        return self.labels

    def target(self, example: Example) -> list[float]:
        """Return 1.0 for each gold label and 0.0 for the rest, in label order."""
        return [float(label in example.gold) for label in self.labels]

    def strata(self, example: Example) -> tuple[str, ...]:
        """Return all gold labels."""
        return example.gold or ()

    def answer(self, scores: np.ndarray, inputs: Inputs) -> LabelsAnswer:  # noqa: ARG002
        """Return the labels whose probability reaches the threshold; `scores` are (C,) logits."""
        probabilities = dict(zip(self.labels, sigmoid(scores).tolist(), strict=True))
        chosen = tuple(name for name, value in probabilities.items() if value >= self.threshold)
        return LabelsAnswer(chosen, probabilities)

    def mark(
        self, examples: Sequence[Example], answers: Sequence[LabelsAnswer], *, seed: int = 0
    ) -> Marks:
        """Return F1 averages, subset accuracy and calibration of the single decisions."""
        foreign = {label for ex in examples for label in ex.gold} - set(self.labels)
        labels = self.labels + sort_labels(foreign)
        gold = _indicator([ex.gold for ex in examples], labels)
        predicted = _indicator([answer.labels for answer in answers], labels)
        probability = np.array(
            [[a.scores.get(label, 0.0) for label in labels] for a in answers], dtype=np.float64
        ).reshape(gold.shape)

        hits, wrongly, missed = multilabel_counts(gold, predicted)
        statistic = multilabel_statistics(gold, predicted)
        measures = bootstrap_measures(statistic, len(gold), seed=seed)
        correct = (gold == predicted).ravel()
        confidence = np.where(predicted, probability, 1.0 - probability).ravel()
        measures["ece"] = Measure(
            expected_calibration_error(confidence, correct), "ratio", correct.size
        )
        faults = (gold != predicted) * np.where(predicted, probability, 1.0 - probability)
        badness = faults.sum(axis=1)
        order = np.argsort(-badness, kind="stable")
        return Marks(
            measures=measures,
            headline=("micro_f1", "macro_f1"),
            classes=class_scores(labels, hits, wrongly, missed),
            averages=averaged_scores(hits, wrongly, missed),
            confusion=None,
            confusion_labels=(),
            tokens=(),
            bins=calibration_bins(confidence, correct),
            wrong=tuple(int(row) for row in order if (gold[row] != predicted[row]).any()),
        )

    def selection_score(
        self, examples: Sequence[Example], answers: Sequence[LabelsAnswer]
    ) -> float:
        """Return the micro-averaged F1; 0.0 where nothing was right."""
        hits = given = wanted = 0
        for example, answer in zip(examples, answers, strict=True):
            hits += len(set(example.gold) & set(answer.labels))
            given += len(answer.labels)
            wanted += len(example.gold)
        return 2 * hits / (given + wanted) if given + wanted else 0.0

    def ask(self, inputs: Inputs) -> str:
        """Return the text with the label names to choose from."""
        options = "\n".join(f"- {label}" for label in self.labels)
        return (
            "Which of these labels apply to the text? Name all that do, separated by commas, "
            f"or say none.\n{options}\n\nText: {inputs.text}\nLabels:"
        )

    def hear(self, reply: str, inputs: Inputs) -> LabelsAnswer:  # noqa: ARG002
        """Return the labels that stand between the commas or lines of the reply.

        The commas may be Chinese ones.
        """
        folded = {label.casefold(): label for label in self.labels}
        parts = _LIST_MARKS.split(reply.casefold())
        heard = {folded[name] for part in parts if (name := part.strip(_AROUND)) in folded}
        return LabelsAnswer(
            tuple(label for label in self.labels if label in heard),
            {label: float(label in heard) for label in self.labels},
        )

    def show_gold(self, example: Example) -> list[str]:
        """Return the gold labels."""
        return list(example.gold or ())

    def show_answer(self, answer: LabelsAnswer) -> list[str]:
        """Return the predicted labels."""
        return list(answer.labels)

    def _read_labels(self, reader: Reader) -> tuple[str, ...]:
        labels = []
        for item in reader.items("labels") or []:
            if label := as_text(item):
                labels.append(label)
            else:
                reader.add("each of `labels` must be a text with characters", item)
        return tuple(dict.fromkeys(labels))


def _indicator(chosen: Sequence[Iterable[str]], labels: tuple[str, ...]) -> np.ndarray:
    """Return an (n, C) boolean array; labels outside `labels` are left out."""
    index = {label: number for number, label in enumerate(labels)}
    matrix = np.zeros((len(chosen), len(labels)), dtype=bool)
    for row, names in enumerate(chosen):
        for name in names:
            if name in index:
                matrix[row, index[name]] = True
    return matrix
