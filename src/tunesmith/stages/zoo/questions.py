"""What a model's vectors are asked to tell: the answers of a sample of rows, as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.errors import DataError
from tunesmith.core.examples import Example
from tunesmith.measure.correlation import spearman_correlation
from tunesmith.tasks.matching import Matching
from tunesmith.tasks.task import Task

MOST_WORDS = 3000
OUTSIDE_WORDS = 2
"""Words outside any entity for each one inside: most of them teach nothing new."""

FIFTHS = 5


@dataclass(frozen=True, slots=True)
class Question:
    """U things that are asked about: texts, pairs, or words; `rows` (U,) says of which example.

    `labels` (U,) are class numbers, of scores which fifth of the rows they lie in; `targets` (U, K)
    the classes as 0 and 1, or the scores. `words` (U,) numbers each word in its example, where
    words are asked about: class 0 is outside any entity then. `has_scores` where there are no
    classes.
    """

    rows: NDArray
    labels: NDArray
    targets: NDArray
    words: NDArray | None = None
    has_scores: bool = False

    def agreement(self, answers: NDArray, chosen: NDArray) -> float:
        """Return how well `answers` (U, K) agree with the targets on the `chosen` (U,), 0 to 1.

        It is the accuracy, Spearman's correlation where there are scores, and of words the micro F1
        of the entities' types, as tuned models of each kind are marked.
        """
        if self.has_scores:
            return max(0.0, spearman_correlation(self.targets[chosen, 0], answers[chosen, 0]))
        found, gold = answers[chosen].argmax(axis=1), self.labels[chosen]
        if self.words is None:
            return float((found == gold).mean())
        given, wanted = (found > 0).sum(), (gold > 0).sum()
        right = ((found == gold) & (gold > 0)).sum()
        return float(2 * right / (given + wanted)) if given + wanted else 0.0


def ask(examples: Sequence[Example], task: Task, *, seed: int) -> Question:
    """Return the question that rows of a task ask. Raises `DataError` where all answers are one."""
    if task.head == "tag":
        question = _ask_words(examples, task, seed=seed)
    elif isinstance(task, Matching) and task.scale is not None:
        question = _ask_scores(examples, task)
    else:
        labels = np.array([task.target(example) for example in examples], dtype=np.int64)
        question = _of_labels(np.arange(len(examples)), labels)
    if len(np.unique(question.labels)) < 2:  # noqa: PLR2004
        found = task.labels[0] if task.labels else "none"
        raise DataError(
            "rows must have at least two different answers for models to be told apart; "
            f"the {len(examples):,} that were read all have one ({found})",
            hint="give rows of every label, or raise --rows",
        )
    return question


def _of_labels(rows: NDArray, labels: NDArray, words: NDArray | None = None) -> Question:
    targets = (labels[:, None] == np.unique(labels)).astype(np.float64)
    numbers = np.unique(labels, return_inverse=True)[1]
    return Question(rows, numbers, targets, words)


def _ask_scores(examples: Sequence[Example], task: Matching) -> Question:
    scores = np.array([task.target(example)[0] for example in examples])
    edges = np.quantile(scores, np.arange(1, FIFTHS) / FIFTHS)
    fifths = np.searchsorted(edges, scores, side="right")
    return Question(np.arange(len(scores)), fifths, scores[:, None], has_scores=True)


def _ask_words(examples: Sequence[Example], task: Any, *, seed: int) -> Question:
    """Return the words of all entities, and some of the others, by entity type."""
    tags = [np.asarray(task.target(example), dtype=np.int64) for example in examples]
    types = np.concatenate([(own + 1) // 2 for own in tags]) if tags else np.empty(0, np.int64)
    rows = np.repeat(np.arange(len(tags)), [len(own) for own in tags])
    words = np.concatenate([np.arange(len(own)) for own in tags]) if tags else rows
    random = np.random.default_rng(seed)
    inside = random.permutation(np.flatnonzero(types > 0))[: MOST_WORDS // (1 + OUTSIDE_WORDS)]
    outside = random.permutation(np.flatnonzero(types == 0))[: MOST_WORDS - len(inside)]
    outside = outside[: max(OUTSIDE_WORDS * len(inside), 1)]
    kept = np.sort(np.concatenate([inside, outside]))
    return _of_labels(rows[kept], types[kept], words[kept])
