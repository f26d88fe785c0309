"""What all tasks with one label a row share: labels, answers, and how these are marked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from tunesmith.core.answers import LabelAnswer
from tunesmith.core.examples import Example, Inputs
from tunesmith.core.measures import Measure
from tunesmith.measure.calibration import calibration_bins, expected_calibration_error
from tunesmith.measure.classes import (
    averaged_scores,
    class_scores,
    class_statistics,
    confusion_counts,
    confusion_outcomes,
)
from tunesmith.measure.intervals import bootstrap_measures
from tunesmith.tasks.labels import find_label, softmax, sort_labels
from tunesmith.tasks.task import Labelled, Marks

UNKNOWN = "(a label the model does not know)"


@dataclass(frozen=True)
class OneLabel(Labelled):
    """A task whose gold answer is one label (str). Labels are kept in natural order (`2`, `10`)."""

    selection: ClassVar[str] = "accuracy"
    gold_roles: ClassVar[tuple[str, ...]] = ("label",)

    def with_labels_of(self, examples: Iterable[Example]) -> Self:
        """Return this task with the labels of `examples` in natural order."""
        return replace(self, labels=sort_labels({ex.gold for ex in examples if ex.gold}))

    def outputs(self) -> tuple[str, ...]:
        """Return one output a label."""
        return self.labels

    def target(self, example: Example) -> Any:
        """Return the index of the gold label."""
        return self.labels.index(example.gold)

    def strata(self, example: Example) -> tuple[str, ...]:
        """Return the one gold label."""
        return (example.gold,) if example.gold else ()

    def answer(self, scores: np.ndarray, inputs: Inputs) -> Any:  # noqa: ARG002
        """Return the most probable label; `scores` are (C,) logits."""
        probabilities = softmax(scores)
        best = int(probabilities.argmax())
        by_label = dict(zip(self.labels, probabilities.tolist(), strict=True))
        return LabelAnswer(self.labels[best], float(probabilities[best]), by_label)

    def mark(self, examples: Sequence[Example], answers: Sequence[Any], *, seed: int = 0) -> Marks:
        """Return accuracy, F1 averages, the confusion matrix and calibration (95 % bootstrap).

        A gold label that the model was not trained on gets a class of its own and can never be
        right.
        """
        labels, gold, predicted = self._indices(examples, answers)
        confidence = np.array([a.confidence for a in answers], dtype=np.float64)
        confusion = confusion_counts(gold, predicted, classes=len(labels))
        hits, wrongly, missed = confusion_outcomes(confusion)
        statistic = class_statistics(gold, predicted, classes=len(labels))
        measures = bootstrap_measures(statistic, len(gold), seed=seed)
        correct = gold == predicted
        measures["ece"] = Measure(
            expected_calibration_error(confidence, correct), "ratio", len(gold)
        )
        order = np.argsort(-confidence, kind="stable")
        return Marks(
            measures=measures,
            headline=("accuracy", "macro_f1"),
            classes=class_scores(labels, hits, wrongly, missed),
            averages=averaged_scores(hits, wrongly, missed),
            confusion=confusion,
            confusion_labels=labels,
            tokens=(),
            bins=calibration_bins(confidence, correct),
            wrong=tuple(int(row) for row in order if not correct[row]),
        )

    def selection_score(self, examples: Sequence[Example], answers: Sequence[Any]) -> float:
        """Return the accuracy; 0.0 without rows."""
        hits = sum(ex.gold == a.label for ex, a in zip(examples, answers, strict=True))
        return hits / len(examples) if examples else 0.0

    def hear(self, reply: str, inputs: Inputs) -> Any:  # noqa: ARG002
        """Return the label that the reply names first, or an empty label."""
        label = find_label(reply, self.labels)
        scores = {name: float(name == label) for name in self.labels}
        return LabelAnswer(label or "", float(label is not None), scores)

    def show_gold(self, example: Example) -> str:
        """Return the gold label."""
        return example.gold or ""

    def show_answer(self, answer: Any) -> str:
        """Return the predicted label."""
        return answer.label

    def _options(self) -> str:
        """Return the labels as the lines of a question."""
        return "\n".join(f"- {label}" for label in self.labels)

    def _indices(
        self, examples: Sequence[Example], answers: Sequence[Any]
    ) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
        """Return all labels, gold and predicted indices; what nobody knows has a class of its own.

        That is a gold label outside the training's, or an answer outside the labels (an unusable
        text reply).
        """
        labels = self.labels + sort_labels({ex.gold for ex in examples} - set(self.labels))
        index = {label: number for number, label in enumerate(labels)}
        gold = np.array([index[ex.gold] for ex in examples], dtype=np.int64)
        predicted = np.array([index.get(a.label, -1) for a in answers], dtype=np.int64)
        if (predicted >= 0).all():
            return labels, gold, predicted
        return (*labels, UNKNOWN), gold, np.where(predicted < 0, len(labels), predicted)
