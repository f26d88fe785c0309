"""Summarization: a document in, its summary out, made of the document's own sentences."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from tunesmith.core.answers import TextAnswer
from tunesmith.core.errors import Problem, SpecError
from tunesmith.core.examples import Example, Place, SentencesInput
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
from tunesmith.tasks.rows import Reader, as_text
from tunesmith.tasks.sentences import lead_sentences, split_sentences, write_summary
from tunesmith.tasks.task import HeadFamily, Labelled, Marks

LEAD = 3
"""Sentences, or turns, of the baseline that stands beside every measure."""

WORST_SHARE = 0.25
"""The share of the rows, those least like their reference, that are listed as the worst."""

VARIANTS = ("rouge_1", "rouge_2", "rouge_l")


@dataclass(frozen=True)
class Summarization(Labelled):
    """Rows `document, summary`; `summary` is one text, or a list of several that are all right.

    `most` is how many sentences a summary has, `redundancy` what a sentence loses whose words are
    said already, `weights` what each of `extraction.FEATURES` adds to the model's own logit.
    """

    most: int = LEAD
    redundancy: float = 0.1
    weights: tuple[float, ...] = CENTROID_WEIGHTS

    kind: ClassVar[str] = "summarization"
    head: ClassVar[HeadFamily] = "extract"
    selection: ClassVar[str] = "rouge_1"
    input_roles: ClassVar[tuple[str, ...]] = ("document",)
    gold_roles: ClassVar[tuple[str, ...]] = ("summary",)

    def with_method(self, method: str) -> Self:
        """Return this task as it is. Raises `SpecError` for methods that write by themselves."""
        if method != "extractive":
            raise SpecError(
                f"summarization must be tuned by the method `extractive`; got `{method}`",
                hint="--method extractive",
            )
        return self

    def read(self, row: Mapping[str, Any], *, place: Place) -> tuple[Example | None, list[Problem]]:
        """Return the example of one row; its gold answer is a tuple of references."""
        reader = Reader(row, columns=self.columns, place=place)
        document = reader.text("document")
        gold = _read_references(reader) if reader.has_value("summary") else None
        if document is None:
            return None, reader.problems
        identity, group = reader.identity(document, gold)
        if reader.problems:
            return None, reader.problems
        return Example(identity, self.inputs_of(document), gold, place, group), []

    def inputs_of(self, text: str) -> SentencesInput:
        """Return a document with its sentences."""
        return SentencesInput(text, split_sentences(text))

    def input_fields(self, inputs: Any) -> dict[str, Any]:
        """Return the document."""
        return {"document": inputs.text}

    def gold_fields(self, gold: Any) -> dict[str, Any]:
        """Return one reference as a text, several as a list."""
        return {"summary": gold[0] if len(gold) == 1 else list(gold)}

    def with_labels_of(self, examples: Iterable[Example]) -> Self:  # noqa: ARG002
        """Return this task as it is: it has no labels."""
        return self

    def outputs(self) -> tuple[str, ...]:
        """Return the one output: how much a sentence says of its document."""
        return SEEN[:1]

    def target(self, example: Example) -> int:  # noqa: ARG002
        """Return 0: the method finds out itself which sentences are like the reference."""
        return 0

    def strata(self, example: Example) -> tuple[str, ...]:  # noqa: ARG002
        """Return nothing to keep in proportion."""
        return ()

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
        return plain_marks(measures, ("rouge_1", "rouge_l"), worst)

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

    def hear(self, reply: str, inputs: Any) -> TextAnswer:  # noqa: ARG002
        """Return the reply: any text is a summary."""
        return TextAnswer(reply.strip())

    def show_gold(self, example: Example) -> list[str]:
        """Return the references."""
        return list(example.gold or ())

    def show_answer(self, answer: TextAnswer) -> str:
        """Return the summary."""
        return answer.text


def lead_summary(inputs: SentencesInput) -> TextAnswer:
    """Return what a document begins with: three sentences, or the first three turns."""
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


def _read_references(reader: Reader) -> tuple[str, ...] | None:
    """Return the references of a row: a text, a list, or a list written as JSON."""
    column = reader.columns.get("summary", "summary")
    value = reader.row[column]
    items = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(items, str) and items.lstrip().startswith("["):
        with contextlib.suppress(ValueError, RecursionError):
            items = json.loads(items)
    items = list(items) if isinstance(items, list | tuple) else [value]
    texts = [as_text(item) for item in items]
    kept = tuple(text for text in texts if text is not None and text.strip())
    if not kept or len(kept) < len(items):
        reader.add(f"column `{column}` must hold a summary, or a list of them, none empty", value)
        return None
    return kept
