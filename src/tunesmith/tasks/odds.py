"""Which tasks answer with probabilities, and the numbers behind those answers.

Answers that are a stretch of text, entities, scores, rankings or texts have none here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.examples import Example
from tunesmith.measure.calibrators import Calibrator, Link
from tunesmith.tasks.choice import Choice
from tunesmith.tasks.labelled import OneLabel
from tunesmith.tasks.multilabel import MultiLabel
from tunesmith.tasks.task import Task


@dataclass(frozen=True, slots=True)
class Odds:
    """The logits of rows whose gold answer the model can give.

    `logits` holds (C,) a row, of which the rows of multiple choice may have different numbers;
    `gold` the index of the right one, or, where each output is judged by itself, (C,) of 0 and 1.
    """

    link: Link
    logits: tuple[NDArray, ...]
    gold: tuple[Any, ...]

    def __len__(self) -> int:
        """Return how many rows there are."""
        return len(self.gold)

    def take(self, rows: Iterable[int]) -> Odds:
        """Return some of the rows."""
        chosen = list(rows)
        logits, gold = ([part[row] for row in chosen] for part in (self.logits, self.gold))
        return Odds(self.link, tuple(logits), tuple(gold))


def link_of(task: Task) -> Link | None:
    """Return how the logits of a task become probabilities, or None where they do not."""
    if isinstance(task, MultiLabel):
        return "sigmoid"
    is_labelled = isinstance(task, OneLabel) and task.head in ("classify", "relate")
    return "softmax" if isinstance(task, Choice) or (is_labelled and task.labels) else None


def odds_of(task: Task, scores: Sequence[NDArray], examples: Sequence[Example]) -> Odds:
    """Return the numbers behind answers to labelled rows; `scores` are raw outputs, one a row.

    Rows whose gold label the model does not know are left out. Raises `ValueError` where the task
    has no probabilities.
    """
    link = link_of(task)
    if link is None:
        raise ValueError(f"{task.kind} answers without probabilities")
    known = set(task.labels)
    logits, gold = [], []
    for row, example in zip(scores, examples, strict=True):
        if isinstance(task, OneLabel) and example.gold not in known:
            continue
        logits.append(np.asarray(row, dtype=np.float64).reshape(-1))
        gold.append(np.asarray(task.target(example), dtype=np.int64))
    return Odds(link, tuple(logits), tuple(gold))


def calibrated(calibrator: Calibrator, scores: NDArray) -> NDArray:
    """Return the raw outputs of one row, calibrated, in the shape they came in."""
    return calibrator(np.asarray(scores).reshape(-1)).reshape(np.shape(scores))
