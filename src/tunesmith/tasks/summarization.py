"""Summarization: a document in, its summary out, of its own sentences or written by a model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from tunesmith.core.answers import TextAnswer
from tunesmith.core.errors import SpecError
from tunesmith.core.examples import Example, SentencesInput, TextInput
from tunesmith.measure.intervals import bootstrap_measures
from tunesmith.measure.means import mean_statistics
from tunesmith.measure.rouge import ngram_score, rouge_marks, rouge_tokens
from tunesmith.tasks.extraction import (
    CENTROID_WEIGHTS,
    SEEN,
    rank_sentences,
    sentence_features,
)
from tunesmith.tasks.marks import plain_marks
from tunesmith.tasks.referenced import Referenced
from tunesmith.tasks.sentences import lead_sentences, split_sentences, write_summary
from tunesmith.tasks.task import HeadFamily, Marks, Task
from tunesmith.tasks.written import Written

LEAD = 3
"""Sentences, or turns, of the baseline that stands beside every measure."""

WORST_SHARE = 0.25
"""The share of the rows, those least like their reference, that are listed as the worst."""

VARIANTS = ("rouge_1", "rouge_2", "rouge_l")


@dataclass(frozen=True)
class Summaries(Referenced):
    """Rows `document, summary`; `summary` is one text, or a list of several that are all right.

    What makes the summary is the affair of the method: `with_method` gives the task for it.
    """

    kind: ClassVar[str] = "summarization"
    input_roles: ClassVar[tuple[str, ...]] = ("document",)
    gold_roles: ClassVar[tuple[str, ...]] = ("summary",)

    def with_labels_of(self, examples: Iterable[Example]) -> Self:  # noqa: ARG002
        """Return this task as it is: it learns nothing of its rows beforehand."""
        return self

    def looks_swapped(self, example: Example) -> bool:
        """Tell whether every reference of a row is longer than its document."""
        return bool(example.gold) and min(map(len, example.gold)) > len(example.inputs.text)

    def mark(
        self, examples: Sequence[Example], answers: Sequence[TextAnswer], *, seed: int = 0
    ) -> Marks:
        """Return ROUGE F1 beside that of the lead, and by how much it is beaten.

        Of several references the best counts; `mean_rouge_1` and so on are the means over them.
        """
        references = [example.gold for example in examples]
        texts = [answer.text for answer in answers]
        leads = [lead_summary(example.inputs).text for example in examples]
        own, lead = (_variants(references, side) for side in (texts, leads))
        values = {name: own[name] for name in VARIANTS}
        if any(len(gold) > 1 for gold in references):
            values |= {f"mean_{name}": own[f"mean_{name}"] for name in VARIANTS}
        values |= {f"lead_{name}": lead[name] for name in values}
        values |= {f"{name}_over_lead": own[name] - lead[name] for name in VARIANTS}
        measures = bootstrap_measures(mean_statistics(values), len(examples), seed=seed)
        order = np.argsort(own["rouge_1"], kind="stable")
        worst = order[: int(np.ceil(WORST_SHARE * len(order)))].tolist()
        marks = plain_marks(measures, ("rouge_1", "rouge_l"), worst)
        return replace(marks, notes=self.swap_notes(examples))


@dataclass(frozen=True)
class Summarization(Summaries):
    """The task as the method `extractive` tunes it: a document's own sentences are its summary.

    `most` is how many sentences a summary has, `redundancy` what a sentence loses whose words are
    said already, `weights` what each of `extraction.FEATURES` adds to the model's own logit.
    """

    most: int = LEAD
    redundancy: float = 0.1
    weights: tuple[float, ...] = CENTROID_WEIGHTS

    head: ClassVar[HeadFamily] = "extract"
    selection: ClassVar[str] = "rouge_1"

    def with_method(self, method: str) -> Task:  # type: ignore[override]
        """Return this task, or that of a model which writes, as the method tunes it.

        Raises `SpecError` for methods that do neither.
        """
        if method == "extractive":
            return self
        return WrittenSummarization(self.labels, self.columns).with_method(method)

    def inputs_of(self, text: str) -> SentencesInput:
        """Return a document with its sentences."""
        return SentencesInput(text, split_sentences(text))

    def outputs(self) -> tuple[str, ...]:
        """Return the one output: how much a sentence says of its document."""
        return SEEN[:1]

    def target(self, example: Example) -> int:  # noqa: ARG002
        """Return 0: the method finds out itself which sentences are like the reference."""
        return 0

    def salience(self, scores: np.ndarray, inputs: SentencesInput) -> np.ndarray:
        """Return (S,) in 0..1: how much each sentence should stand in the summary."""
        logits = scores[:, 0] + sentence_features(inputs, scores) @ np.array(self.weights)
        return 0.5 * (1.0 + np.tanh(0.5 * logits))

    def chosen(self, scores: np.ndarray, inputs: SentencesInput) -> list[int]:
        """Return the sentences of the summary in the order they are chosen."""
        return rank_sentences(
            inputs, self.salience(scores, inputs), most=self.most, redundancy=self.redundancy
        )

    def answer(self, scores: np.ndarray, inputs: Any) -> TextAnswer:
        """Return the summary; `scores` are (S, 3), what the model sees of each sentence."""
        return _extract(inputs, self.chosen(scores, inputs))

    def fitted(self, *, most: int, redundancy: float, weights: Sequence[float]) -> Self:
        """Return this task with how it chooses sentences."""
        return replace(self, most=most, redundancy=redundancy, weights=tuple(map(float, weights)))

    def selection_score(self, examples: Sequence[Example], answers: Sequence[TextAnswer]) -> float:
        """Return ROUGE-1 alone, the mean over the rows."""
        scores = [
            reference_f1(example.gold, answer.text)
            for example, answer in zip(examples, answers, strict=True)
        ]
        return float(np.mean(scores)) if scores else 0.0

    def ask(self, inputs: Any) -> str:
        """Return the document with the wish for a summary."""
        return f"Summarize in at most {self.most} sentences.\n\n{inputs.text}\n\nSummary:"


@dataclass(frozen=True)
class WrittenSummarization(Summaries, Written):
    """The task as a method that changes the whole model tunes it: the model writes the summary.

    Length, not words, tells a document from its summary: the words of both stay empty.
    """

    def with_method(self, method: str) -> Self:
        """Return this task as it is. Raises `SpecError` for methods that write nothing."""
        if method == "probe":
            raise SpecError(
                "a probe fits one layer over vectors and makes no summary; got `probe`",
                hint="--method extractive, or --method full with a model that writes",
            )
        return super().with_method(method)

    def ask(self, inputs: Any) -> str:
        """Return the document with the wish for a summary; the examples say how long it is."""
        return f"Summarize:\n{inputs.text}\n\nSummary:"

    def to_json(self) -> dict[str, Any]:
        """Return the fields with the head, by which `task_from_json` knows that it is written."""
        return {**super().to_json(), "head": self.head}


def lead_summary(inputs: SentencesInput | TextInput) -> TextAnswer:
    """Return what a document begins with: three sentences, or the first three turns."""
    if isinstance(inputs, TextInput):
        inputs = SentencesInput(inputs.text, split_sentences(inputs.text))
    return _extract(inputs, lead_sentences(inputs.text, inputs.sentences, most=LEAD))


def reference_f1(references: Sequence[str], text: str) -> float:
    """Return the best ROUGE-1 F1 of a text against its references."""
    said = rouge_tokens(text)
    return max(ngram_score(rouge_tokens(reference), said, 1)[2] for reference in references)


def _extract(inputs: SentencesInput, chosen: Sequence[int]) -> TextAnswer:
    text = write_summary(inputs.text, inputs.sentences, chosen)
    return TextAnswer(text, sentences=tuple(inputs.sentences[number] for number in sorted(chosen)))


def _variants(references: Sequence[Sequence[str]], texts: Sequence[str]) -> dict[str, np.ndarray]:
    """Return each variant's F1 of each row: the best over the references, and the mean."""
    best = rouge_marks(references, texts)
    pairs = [(row, reference) for row, gold in enumerate(references) for reference in gold]
    each = rouge_marks([[reference] for _, reference in pairs], [texts[row] for row, _ in pairs])
    rows = np.array([row for row, _ in pairs])
    counts = np.bincount(rows, minlength=len(texts))
    means = {
        f"mean_{name}": np.bincount(rows, each[f"{name}_f1"], len(texts)) / counts
        for name in VARIANTS
    }
    return {name: best[f"{name}_f1"] for name in VARIANTS} | means
