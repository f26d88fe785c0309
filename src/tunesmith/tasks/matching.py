"""Matching: two texts, and a label or a score that says how they go together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from tunesmith.core.answers import ScoreAnswer
from tunesmith.core.errors import DataError, Problem, SpecError
from tunesmith.core.examples import Example, Inputs, PairInput, Place
from tunesmith.core.measures import Measure
from tunesmith.measure.correlation import correlation_statistics
from tunesmith.measure.intervals import bootstrap_measures
from tunesmith.tasks.labelled import OneLabel
from tunesmith.tasks.labels import first_number, sort_labels
from tunesmith.tasks.marks import plain_marks, search_measures
from tunesmith.tasks.rows import Reader
from tunesmith.tasks.structured import inputs_from_json
from tunesmith.tasks.task import HeadFamily, Marks, Pairs

MATCHING_SHARE = 0.75
"""Where on the scale of the scores two texts begin to count as a match, when one is searched among
many."""

FEWEST_RANKED = 10
"""Matches that a search needs before it is measured."""

NOTED_SHARE = 0.2
"""A score that is further from the gold one, as a share of the scale, is listed as a mistake."""

TINY = 1e-12


@dataclass(frozen=True)
class Matching(OneLabel):
    """Rows `text_a, text_b` with `label` or `score`.

    `pairs` says how two texts are read: `together` in one window (a cross-encoder, which compares
    word with word), `apart` with a vector each (a bi-encoder, whose vectors can be kept and
    searched), or `auto`, together for labels and apart for scores. Texts read apart must
    have scores (0 and 1 will do). `scale` is the lowest and the highest gold score of the training
    rows, where they have scores, and `line` the intercept and slope that turn a cosine into a share
    of it.
    """

    pairs: Pairs = "auto"
    scale: tuple[float, float] | None = None
    line: tuple[float, float] = (0.0, 1.0)

    kind: ClassVar[str] = "matching"
    input_roles: ClassVar[tuple[str, ...]] = ("text_a", "text_b")
    extra_roles: ClassVar[tuple[str, ...]] = ("score",)

    @property
    def head(self) -> HeadFamily:
        """`embed` where texts are read apart, else `classify`."""
        if self.pairs == "auto":
            return "classify" if self.scale is None else "embed"
        return "embed" if self.pairs == "apart" else "classify"

    @property
    def selection(self) -> str:  # type: ignore[override]
        """Spearman's correlation for scores, the accuracy for labels."""
        return "accuracy" if self.scale is None else "spearman"

    def fitted_line(self, examples: Sequence[Example], answers: Sequence[ScoreAnswer]) -> Matching:
        """Return this task with the line that best turns the cosines of `answers` into the scores.

        Least squares; cosines that do not rise with the scores leave it as it is.
        """
        pairs = np.stack([np.asarray(answer.vectors, dtype=np.float64) for answer in answers])
        cosines = (pairs[:, 0] * pairs[:, 1]).sum(axis=1)
        shares = np.array([self._share(example.gold) for example in examples])
        spread = cosines.var()
        slope = float(np.cov(cosines, shares, bias=True)[0, 1] / spread) if spread else 0.0
        if slope <= 0:
            return self
        return replace(self, line=(float(shares.mean() - slope * cosines.mean()), slope))

    def with_pairs(self, pairs: Pairs) -> Matching:
        """Return this task reading two texts that way."""
        return replace(self, pairs=pairs)

    def gold_role(self, row: Mapping[str, Any]) -> str:
        """Return what the training rows had; before that `score` where the row has one."""
        if self.scale is not None:
            return "score"
        has_score = self.columns.get("score", "score") in row
        return "score" if has_score and not self.labels else "label"

    def read(self, row: Mapping[str, Any], *, place: Place) -> tuple[Example | None, list[Problem]]:
        """Return the example of one row; its gold answer is a float where it has a score.

        A task that was learned from labels reads labels alone, and one from scores scores alone.
        """
        reader = Reader(row, columns=self.columns, place=place)
        first, second = reader.text("text_a"), reader.text("text_b")
        gold: float | str | None = None
        if reader.has_value("score") and not self.labels:
            gold = reader.number("score")
        elif reader.has("label") and self.scale is None:
            gold = reader.text("label")
        if first is None or second is None:
            return None, reader.problems
        identity, group = reader.identity(first, second, gold)
        if reader.problems:
            return None, reader.problems
        return Example(identity, PairInput(first, second), gold, place, group), []

    def inputs_of(self, text: str) -> Inputs:
        """Return the inputs of a row written as a JSON object."""
        return inputs_from_json(self, text)

    def input_fields(self, inputs: Any) -> dict[str, Any]:
        """Return both texts by role."""
        return {"text_a": inputs.first, "text_b": inputs.second}

    def gold_fields(self, gold: Any) -> dict[str, Any]:
        """Return the gold answer as a score or a label."""
        return {"label" if isinstance(gold, str) else "score": gold}

    def with_labels_of(self, examples: Iterable[Example]) -> Matching:
        """Return this task with the labels, or the scale of the scores, of `examples`.

        Raises `DataError` where some have one and some the other.
        """
        golds = {example.gold for example in examples if example.gold is not None}
        scores = [gold for gold in golds if isinstance(gold, float)]
        if scores and len(scores) < len(golds):
            labels = sort_labels(gold for gold in golds if isinstance(gold, str))
            raise DataError(
                "rows must all have a score, or all a label; got scores such as "
                f"{min(scores):g} beside labels such as {labels[0]}",
                hint="give each row one of the two: a column `score`, or a column `label`",
            )
        if scores:
            low, high = min(scores), max(scores)
            return replace(self, labels=(), scale=(low, high if high > low else low + 1.0))
        if self.pairs == "apart":
            raise SpecError(
                "texts read apart must have scores; these rows have labels "
                f"({', '.join(sort_labels(golds)[:5])})",
                hint="--column score=COLUMN, with numbers such as 0 and 1, or "
                "--set model.pairs=together",
            )
        return replace(self, labels=sort_labels(golds))

    def outputs(self) -> tuple[str, ...]:
        """Return one output a label, `score`, or none where the head gives vectors."""
        if self.head == "embed":
            return ()
        return self.labels if self.scale is None else ("score",)

    def target(self, example: Example) -> Any:
        """Return the index of the label, or the score as a share of the scale (a list of one)."""
        if self.scale is None:
            return self.labels.index(example.gold)
        return [self._share(example.gold)]

    def strata(self, example: Example) -> tuple[str, ...]:
        """Return the label, or which fifth of the scale the score lies in."""
        if isinstance(example.gold, float):
            return (
                ()
                if self.scale is None
                else (f"fifth {min(4, int(self._share(example.gold) * 5))}",)
            )
        return super().strata(example)

    def answer(self, scores: np.ndarray, inputs: Inputs) -> Any:
        """Return the label, or the score on the scale of the gold ones.

        `scores` are (C,) logits, one of them for a score, or the (2, H) vectors of two texts read
        apart, whose cosine is the share of the scale.
        """
        if self.head == "embed":
            return self._compared(scores)
        if self.scale is None:
            return super().answer(scores, inputs)
        return ScoreAnswer(self._on_scale(1.0 / (1.0 + float(np.exp(-scores[0])))))

    def mark(self, examples: Sequence[Example], answers: Sequence[Any], *, seed: int = 0) -> Marks:
        """Return the marks of a classification, or Pearson's and Spearman's correlation.

        Texts read apart are searched too: each first text among all second ones, where the two are
        a match (at least three quarters up the scale), with MRR and recall.
        """
        marks = self._mark_scores(examples, answers, seed=seed) if self.scale else None
        marks = marks or super().mark(examples, answers, seed=seed)
        found = self._mark_search(examples, answers, seed=seed)
        return replace(marks, measures={**marks.measures, **found})

    def selection_score(self, examples: Sequence[Example], answers: Sequence[Any]) -> float:
        """Return Spearman's correlation, or the accuracy."""
        if self.scale is None:
            return super().selection_score(examples, answers)
        if not examples:
            return 0.0
        statistic = _correlation(examples, answers)
        return statistic(np.ones(len(examples), dtype=np.int64))["spearman"]

    def ask(self, inputs: Any) -> str:
        """Return both texts with the labels, or the scale, to choose from."""
        texts = f"A: {inputs.first}\nB: {inputs.second}\n"
        if self.scale is not None:
            low, high = self.scale
            return f"How alike are A and B, from {low:g} to {high:g}?\n\n{texts}Score:"
        return f"How do A and B go together?\n{self._options()}\n\n{texts}Label:"

    def hear(self, reply: str, inputs: Inputs) -> Any:
        """Return the label, or the first number, that the reply names."""
        if self.scale is None:
            return super().hear(reply, inputs)
        found = first_number(reply)
        return ScoreAnswer(self.scale[0] if found is None else found)

    def show_gold(self, example: Example) -> str:
        """Return the gold label or score."""
        return f"{example.gold:g}" if isinstance(example.gold, float) else example.gold or ""

    def show_answer(self, answer: Any) -> str:
        """Return the predicted label or score."""
        return f"{answer.score:.2f}" if isinstance(answer, ScoreAnswer) else answer.label

    def _share(self, score: float) -> float:
        """Return where a score stands on the scale, 0 to 1."""
        low, high = self.scale or (0.0, 1.0)
        return min(1.0, max(0.0, (score - low) / (high - low)))

    def _on_scale(self, share: float) -> float:
        low, high = self.scale or (0.0, 1.0)
        return low + share * (high - low)

    def _compared(self, vectors: np.ndarray) -> ScoreAnswer:
        """Return the cosine of two vectors on the scale, and the vectors at length 1."""
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        units = (vectors / np.maximum(norms, TINY)).astype(np.float32)
        cosine = float(units[0].astype(np.float64) @ units[1])
        intercept, slope = self.line
        return ScoreAnswer(self._on_scale(intercept + slope * cosine), units)

    def _mark_scores(
        self, examples: Sequence[Example], answers: Sequence[Any], *, seed: int
    ) -> Marks:
        statistic = _correlation(examples, answers)
        measures = bootstrap_measures(statistic, len(examples), unit="correlation", seed=seed)
        distance = np.abs(_gold_scores(examples) - _given_scores(answers))
        measures["mean_absolute_error"] = Measure(float(distance.mean()), "score", len(examples))
        order = np.argsort(-distance, kind="stable")
        low, high = self.scale or (0.0, 1.0)
        wrong = order[distance[order] > NOTED_SHARE * (high - low)]
        return plain_marks(measures, ("spearman", "pearson"), wrong.tolist())

    def _mark_search(
        self, examples: Sequence[Example], answers: Sequence[Any], *, seed: int
    ) -> dict[str, Measure]:
        """Return how well the second text of each match is found by its first among all second."""
        if self.head != "embed":
            return {}
        matches = [row for row, ex in enumerate(examples) if self._share(ex.gold) >= MATCHING_SHARE]
        if len(matches) < FEWEST_RANKED:
            return {}
        firsts = np.stack([answer.vectors[0] for answer in answers])
        seconds, place = _distinct([ex.inputs.second for ex in examples], answers)
        return search_measures(firsts[matches], seconds, place[matches], seed=seed)


def _distinct(texts: Sequence[str], answers: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
    """Return (D, H) the vectors of the different second texts, and (N,) which one each row has."""
    number: dict[str, int] = {}
    place = np.array([number.setdefault(text, len(number)) for text in texts])
    firsts = np.unique(place, return_index=True)[1]
    return np.stack([answers[row].vectors[1] for row in firsts]), place


def _gold_scores(examples: Sequence[Example]) -> np.ndarray:
    return np.array([example.gold for example in examples], dtype=np.float64)


def _given_scores(answers: Sequence[Any]) -> np.ndarray:
    return np.array([answer.score for answer in answers], dtype=np.float64)


def _correlation(examples: Sequence[Example], answers: Sequence[Any]) -> Any:
    return correlation_statistics(_gold_scores(examples), _given_scores(answers))
