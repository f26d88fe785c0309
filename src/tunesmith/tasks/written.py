"""What the tasks share whose answer a model writes: its score, and who took which text for which.

How a text is marked is the affair of each task.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from tunesmith.core.answers import TextAnswer
from tunesmith.core.errors import SpecError
from tunesmith.core.examples import Example
from tunesmith.measure.rouge import rouge_tokens
from tunesmith.tasks.referenced import Referenced
from tunesmith.tasks.task import HeadFamily, Marks

TELLING_WORDS = 60
"""Frequent words of one side that are rare on the other, kept to tell the two apart."""

TELLING_ROWS = 20_000
"""Rows that are looked at for them."""

FEWEST_HITS = 2
"""Telling words of the other side that a text must have more of than of its own to look swapped."""

SHOWN_ROWS = 100
"""The best answers that are kept to be shown."""

GOOD_SHARE = 0.7
"""A row marked above this, of 1, is not listed as a mistake."""


@dataclass(frozen=True)
class Written(Referenced):
    """A row is a text and one or more texts that would be right to write from it.

    The first reference is what training teaches. `source_words` and `target_words` are frequent on
    one side of the training rows and rare on the other, so that columns taken for one another are
    noticed.
    """

    source_words: tuple[str, ...] = ()
    target_words: tuple[str, ...] = ()

    selection: ClassVar[str] = "log_probability"
    beams: ClassVar[int] = 4

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

    def answer(self, scores: np.ndarray, inputs: Any) -> TextAnswer:  # noqa: ARG002
        """Raise `TypeError`: only who has the tokenizer can read what a model wrote."""
        raise TypeError("what was written is decoded by `runtime.engine.make_answer`")

    def selection_score(self, examples: Sequence[Example], answers: Sequence[TextAnswer]) -> float:  # noqa: ARG002
        """Return the mean log-probability of the answers; training asks that of the references."""
        scores = [answer.score for answer in answers if answer.score is not None]
        return float(np.mean(scores)) if scores else 0.0

    def looks_swapped(self, example: Example) -> bool:
        """Tell whether a row's source reads like a target, and its target like a source."""
        if not example.gold:
            return False
        source = self._leaning(example.inputs.text)
        return source <= -FEWEST_HITS and self._leaning(example.gold[0]) >= FEWEST_HITS

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
