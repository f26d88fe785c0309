"""What the tasks share whose answer is a text: references, answers, and who took which for which.

How a text is marked is the affair of each task.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from tunesmith.core.answers import TextAnswer
from tunesmith.core.errors import Problem, SpecError
from tunesmith.core.examples import Example, Inputs, Place, TextInput
from tunesmith.measure.rouge import rouge_tokens
from tunesmith.tasks.rows import Reader, as_text
from tunesmith.tasks.task import HeadFamily, Labelled, Marks

TELLING_WORDS = 60
"""Frequent words of one side that are rare on the other, kept to tell the two apart."""

TELLING_ROWS = 20_000
"""Rows that are looked at for them."""

FEWEST_HITS = 2
"""Telling words of the other side that a text must have more of than of its own to look swapped."""

SWAPPED_SHARE = 0.5
SHOWN_ROWS = 100
"""The best answers that are kept to be shown."""

GOOD_SHARE = 0.7
"""A row marked above this, of 1, is not listed as a mistake."""


@dataclass(frozen=True)
class Written(Labelled):
    """A row is a text and one or more texts that would be right to write from it.

    The first reference is what training teaches. `source_words` and `target_words` are frequent on
    one side of the training rows and rare on the other, so that columns taken for one another are
    noticed.
    """

    source_words: tuple[str, ...] = ()
    target_words: tuple[str, ...] = ()

    selection: ClassVar[str] = "log_probability"
    beams: ClassVar[int] = 4
    input_roles: ClassVar[tuple[str, ...]]

    @property
    def head(self) -> HeadFamily:
        """`generate`: a model writes the answer."""
        return "generate"

    def with_method(self, method: str) -> Self:
        """Return this task as it is. Raises `SpecError` for methods that write nothing."""
        if method == "probe":
            raise SpecError(
                f"a probe fits one layer over vectors and writes no text; {self.kind} must be "
                "tuned by a method that changes the whole model",
                hint="--method full",
            )
        return super().with_method(method)

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
        return Example(identity, TextInput(source), gold, place, group), []

    def inputs_of(self, text: str) -> Inputs:
        """Return a bare text as the source."""
        return TextInput(text)

    def input_fields(self, inputs: Any) -> dict[str, Any]:
        """Return the source by its role."""
        return {self.input_roles[0]: inputs.text}

    def gold_fields(self, gold: Any) -> dict[str, Any]:
        """Return the only reference as a text, several as a list."""
        return {self.gold_roles[0]: gold[0] if len(gold) == 1 else list(gold)}

    def with_labels_of(self, examples: Iterable[Example]) -> Self:
        """Return this task with the words that tell source and target of `examples` apart."""
        sides: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
        for example, _ in zip(examples, range(TELLING_ROWS), strict=False):
            if example.gold:
                sides[0].update(set(rouge_tokens(example.inputs.text)))
                sides[1].update(set(rouge_tokens(example.gold[0])))
        source, target = (_telling(own, other) for own, other in (sides, sides[::-1]))
        return replace(self, source_words=source, target_words=target)

    def outputs(self) -> tuple[str, ...]:
        """Return nothing: a vocabulary is the model's affair."""
        return ()

    def target(self, example: Example) -> str:
        """Return the first reference."""
        return example.gold[0]

    def strata(self, example: Example) -> tuple[str, ...]:  # noqa: ARG002
        """Return nothing: there are no classes to keep in proportion."""
        return ()

    def answer(self, scores: np.ndarray, inputs: Any) -> TextAnswer:  # noqa: ARG002
        """Raise `TypeError`: only who has the tokenizer can read what a model wrote."""
        raise TypeError("what was written is decoded by `runtime.engine.make_answer`")

    def selection_score(self, examples: Sequence[Example], answers: Sequence[TextAnswer]) -> float:  # noqa: ARG002
        """Return the mean log-probability of the answers; training asks that of the references."""
        scores = [answer.score for answer in answers if answer.score is not None]
        return float(np.mean(scores)) if scores else 0.0

    def hear(self, reply: str, inputs: Any) -> TextAnswer:  # noqa: ARG002
        """Return the reply as it is, without white space around it."""
        return TextAnswer(reply.strip())

    def show_gold(self, example: Example) -> list[str]:
        """Return the references."""
        return list(example.gold or ())

    def show_answer(self, answer: TextAnswer) -> str:
        """Return what was written."""
        return answer.text

    def looks_swapped(self, example: Example) -> bool:
        """Tell whether a row's source reads like a target, and its target like a source."""
        if not example.gold:
            return False
        source = self._leaning(example.inputs.text)
        return source <= -FEWEST_HITS and self._leaning(example.gold[0]) >= FEWEST_HITS

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

    def _leaning(self, text: str) -> int:
        """Return how many more words a text has that tell a source than that tell a target."""
        words = set(rouge_tokens(text))
        return len(words.intersection(self.source_words)) - len(
            words.intersection(self.target_words)
        )


def rank_rows(scores: np.ndarray) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the rows marked low, the worst first, and those marked best, the best first.

    `scores` (n,) are in 0..1; no row is in both.
    """
    order = np.argsort(scores, kind="stable")
    wrong = [int(row) for row in order if scores[row] < GOOD_SHARE]
    right = [int(row) for row in order[::-1] if scores[row] >= GOOD_SHARE]
    return tuple(wrong), tuple(right[:SHOWN_ROWS])


def with_remarks(marks: Marks, *, scores: np.ndarray, notes: Sequence[str]) -> Marks:
    """Return marks with the rows that are shown, by their own `scores`, and with `notes`."""
    wrong, right = rank_rows(scores)
    return replace(marks, wrong=wrong, right=right, notes=tuple(notes))


def references_of(examples: Sequence[Example]) -> list[tuple[str, ...]]:
    """Return the references of each row."""
    return [example.gold for example in examples]


def _telling(own: Counter[str], other: Counter[str]) -> tuple[str, ...]:
    """Return the words that stand in the most rows of one side and in few of the other."""
    ranked = sorted(own, key=lambda word: (other[word] - own[word], word))
    return tuple(word for word in ranked[:TELLING_WORDS] if own[word] > 2 * other[word])


def read_references(reader: Reader, role: str) -> tuple[str, ...] | None:
    """Return the references of a row, or None where it has none.

    A text is one reference; a list, also written as JSON in a cell, holds several.
    """
    column = reader.columns.get(role, role)
    value = reader.row.get(column)
    if value is None:
        return None
    if isinstance(value, str) and value.startswith('["'):
        try:
            value = json.loads(value)
        except ValueError:
            value = [value]
    items = value.tolist() if hasattr(value, "tolist") else value
    items = list(items) if isinstance(items, list | tuple) else [items]
    texts = [text for item in items if (text := as_text(item)) is not None]
    if not items or len(texts) < len(items):
        reader.add(f"column `{column}` must hold a text, or a list of texts", value)
        return None
    if not all(text.strip() for text in texts):
        reader.add(f"column `{column}` must hold the text to be written", "an empty text")
        return None
    return tuple(texts)
