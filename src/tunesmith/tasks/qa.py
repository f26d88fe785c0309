"""Extractive question answering: a question, a context, and the stretch of it that answers."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from tunesmith.core.answers import StretchAnswer
from tunesmith.core.errors import Problem
from tunesmith.core.examples import Example, Inputs, Place, QuestionInput, Span
from tunesmith.measure.intervals import bootstrap_measures
from tunesmith.measure.means import mean_statistics
from tunesmith.measure.reading import reading_marks
from tunesmith.tasks.labels import softmax
from tunesmith.tasks.marks import confidence_marks, plain_marks
from tunesmith.tasks.rows import Reader
from tunesmith.tasks.structured import inputs_from_json
from tunesmith.tasks.task import HeadFamily, Labelled, Marks

ANSWERED = "answered"
UNANSWERABLE = "unanswerable"


@dataclass(frozen=True)
class Qa(Labelled):
    """Rows `context, question, answers:[{text, start}]`; no answers mean that there is none.

    `labels` are `answered` and, where the training rows have questions without an answer,
    `unanswerable`: only then may the model say so.
    """

    kind: ClassVar[str] = "qa"
    head: ClassVar[HeadFamily] = "span"
    selection: ClassVar[str] = "f1"
    input_roles: ClassVar[tuple[str, ...]] = ("context", "question")
    gold_roles: ClassVar[tuple[str, ...]] = ("answers",)

    def read(self, row: Mapping[str, Any], *, place: Place) -> tuple[Example | None, list[Problem]]:
        """Return the example of one row; each answer must stand in the context where it says."""
        reader = Reader(row, columns=self.columns, place=place)
        context, question = reader.text("context"), reader.text("question")
        if context is None or question is None:
            return None, reader.problems
        gold = _read_answers(reader, context) if reader.has("answers") else None
        identity, group = reader.identity(question, context, gold)
        if reader.problems:
            return None, reader.problems
        return Example(identity, QuestionInput(question, context), gold, place, group), []

    def inputs_of(self, text: str) -> Inputs:
        """Return the inputs of a row written as a JSON object."""
        return inputs_from_json(self, text)

    def input_fields(self, inputs: Any) -> dict[str, Any]:
        """Return context and question by role."""
        return {"context": inputs.context, "question": inputs.question}

    def gold_fields(self, gold: Any) -> dict[str, Any]:
        """Return the answers by their stretches."""
        return {"answers": [{"start": span.start, "end": span.end} for span in gold]}

    def with_labels_of(self, examples: Iterable[Example]) -> Qa:
        """Return this task knowing whether some questions have no answer."""
        has_none = any(example.gold == () for example in examples)
        return replace(self, labels=(ANSWERED, UNANSWERABLE) if has_none else (ANSWERED,))

    def outputs(self) -> tuple[str, ...]:
        """Return the two outputs at each token: an answer begins here, or ends here."""
        return ("start", "end")

    def target(self, example: Example) -> tuple[int, int]:
        """Return the (start, end) characters of the first gold answer, (-1, -1) without one.

        White space around it is left out: no token stands for it.
        """
        if not example.gold:
            return -1, -1
        start, end = example.gold[0].start, example.gold[0].end
        stretch = example.inputs.context[start:end]
        bare = stretch.strip()
        return (start + stretch.index(bare), start + stretch.index(bare) + len(bare))

    def strata(self, example: Example) -> tuple[str, ...]:
        """Return whether the question has an answer."""
        return () if example.gold is None else (ANSWERED if example.gold else UNANSWERABLE,)

    def answer(self, scores: np.ndarray, inputs: Any) -> StretchAnswer:
        """Return the best stretch, or none where that is more probable and was ever taught.

        `scores` are (n, 3): -1, -1 and the score of no answer, then start, end and score of each
        stretch.
        """
        can_refuse = UNANSWERABLE in self.labels
        considered = self.considered(scores)
        probabilities = softmax(considered[:, 2])
        null = float(probabilities[0]) if can_refuse else 0.0
        best = int(probabilities.argmax())
        start, end = int(considered[best, 0]), int(considered[best, 1])
        confidence = float(probabilities[best])
        if start < 0:
            return StretchAnswer("", 0, 0, confidence, null if can_refuse else 1.0)
        stretch = inputs.context[start:end]  # tokens of some vocabularies begin or end with blanks
        bare = stretch.strip() or stretch
        start += stretch.index(bare)
        return StretchAnswer(bare, start, start + len(bare), confidence, null)

    def considered(self, scores: np.ndarray) -> np.ndarray:
        """Return the rows of (n, 3) scores that may be the answer: no answer only where it can be.

        Where there is nothing else it stays.
        """
        return scores if UNANSWERABLE in self.labels or len(scores) == 1 else scores[1:]

    def mark(
        self, examples: Sequence[Example], answers: Sequence[StretchAnswer], *, seed: int = 0
    ) -> Marks:
        """Return exact match and F1 as SQuAD's scorer counts them, or CMRC's for Chinese answers.

        The best of several gold answers counts. Where some questions have no answer, both are given
        for those alone too.
        """
        marks = _mark_rows(examples, answers)
        measures = bootstrap_measures(mean_statistics(marks), len(examples), seed=seed)
        confidence = np.array([answer.confidence for answer in answers])
        measures["ece"], bins, wrong = confidence_marks(confidence, marks["exact_match"] > 0)
        return plain_marks(measures, ("f1", "exact_match"), wrong, bins=bins)

    def selection_score(
        self, examples: Sequence[Example], answers: Sequence[StretchAnswer]
    ) -> float:
        """Return the mean F1; 0.0 without rows."""
        return float(_mark_rows(examples, answers)["f1"].mean()) if examples else 0.0

    def ask(self, inputs: Any) -> str:
        """Return context and question, with what to say where there is no answer."""
        rule = "in the very words of the text" + (
            ", or say none if it does not say" if UNANSWERABLE in self.labels else ""
        )
        return f"{inputs.context}\n\nAnswer {rule}.\nQuestion: {inputs.question}\nAnswer:"

    def hear(self, reply: str, inputs: Any) -> StretchAnswer:
        """Return where the reply stands in the context; nowhere means no answer."""
        wanted = reply.strip().strip("\"“”'。.").strip()
        start = inputs.context.casefold().find(wanted.casefold()) if wanted else -1
        if start < 0:
            return StretchAnswer("", 0, 0, 1.0, 1.0)
        end = start + len(wanted)
        return StretchAnswer(inputs.context[start:end], start, end, 1.0, 0.0)

    def show_gold(self, example: Example) -> list[str]:
        """Return the different gold answers."""
        return list(dict.fromkeys(_texts(example)))

    def show_answer(self, answer: StretchAnswer) -> str:
        """Return the answer's text."""
        return answer.text


def _texts(example: Example) -> list[str]:
    context = example.inputs.context
    return [context[span.start : span.end] for span in example.gold or ()]


def _mark_rows(
    examples: Sequence[Example], answers: Sequence[StretchAnswer]
) -> dict[str, np.ndarray]:
    return reading_marks([_texts(ex) for ex in examples], [answer.text for answer in answers])


def _read_answers(reader: Reader, context: str) -> tuple[Span, ...] | None:
    items = _listed(reader)
    if items is None:
        return None
    placed = [item for item in items if not _is_unplaced(item)]
    spans = [_read_answer(item, context, reader) for item in placed or items]
    return tuple(span for span in spans if span is not None)


def _listed(reader: Reader) -> list[Any] | None:
    """Return the answers as a list of mappings; `{text: […], answer_start: […]}` is read too."""
    value = reader.row[reader.columns.get("answers", "answers")]
    if isinstance(value, str) and value.lstrip().startswith("{"):
        with contextlib.suppress(ValueError, RecursionError):
            value = json.loads(value)
    if isinstance(value, Mapping) and isinstance(value.get("text"), list):
        starts = value.get("answer_start", value.get("start"))
        texts = value["text"]
        if isinstance(starts, list) and len(starts) == len(texts):
            return [{"text": t, "start": s} for t, s in zip(texts, starts, strict=True)]
    return reader.items("answers")


def _is_unplaced(item: Any) -> bool:
    """Tell whether an answer says itself, by -1, that it stands nowhere in the context.

    Such answers (CMRC 2018 has some) are left out where the question has others.
    """
    return isinstance(item, Mapping) and -1 in (item.get("start"), item.get("answer_start"))


def _cut(context: str, start: int, length: int) -> str:
    """Return what stands at `start`, at most 40 characters of it."""
    return context[start : start + min(length, 40)] if start >= 0 else ""


def _read_answer(item: Any, context: str, reader: Reader) -> Span | None:
    """Return where an answer stands: by start and text, by start and end, or by its only place."""
    given = item if isinstance(item, Mapping) else {"text": item}
    text, start = given.get("text"), given.get("start", given.get("answer_start"))
    end = given.get("end")
    if type(start) is int and isinstance(text, str) and text:
        if start >= 0 and context[start : start + len(text)] == text:
            return Span(start, start + len(text), "")
        place = context.find(text)
        reader.add(
            "an answer must stand in the context at its `start`",
            f"`{text[:40]}` at {start}, where there is `{_cut(context, start, len(text))}`"
            + (f"; it stands at {place}" if place >= 0 else "; it stands nowhere in the context"),
        )
        return None
    if type(start) is int and type(end) is int and 0 <= start < end <= len(context):
        return Span(start, end, "")
    if isinstance(text, str) and text and start is None:
        if context.count(text) == 1:
            place = context.index(text)
            return Span(place, place + len(text), "")
        reader.add(
            "an answer without `start` must stand in the context exactly once",
            f"`{text[:40]}`, {context.count(text)} times",
        )
        return None
    reader.add("each answer must have a `text` and its `start` in the context", item)
    return None
