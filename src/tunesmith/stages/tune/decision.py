"""What the validation rows decide once a model is tuned: the line between yes and no, and more.

A model trained by likelihood answers "outside" or "no" too readily where positives are rare, and F1
does not reward that caution. The shift is written into the head's own bias, so that every engine,
and plain transformers, decides alike. What one tag says of the next is kept in the task.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import islice

import numpy as np
import torch

from tunesmith.core.events import Said
from tunesmith.core.examples import Example
from tunesmith.model.heads import linear_of
from tunesmith.stages.tune.job import Fitted, Job, marked_score
from tunesmith.stages.tune.rows import Rows
from tunesmith.tasks.decoding import tag_transitions
from tunesmith.tasks.matching import Matching
from tunesmith.tasks.ner import Ner
from tunesmith.tasks.task import Task

SHIFTS = np.arange(-2.0, 4.01, 0.25)
FEWEST_ROWS = 50

WEIGHTS = (0.5, 1.0)
COUNTED_ROWS = 50_000
MOST_OUTPUTS = 201
"""A hundred entity types: the table of transitions grows with their square."""


def settle(job: Job, fitted: Fitted, read: Callable[[], Sequence[np.ndarray]]) -> float:
    """Add to `fitted` what the validation rows still teach a tuned model, and why.

    That is which tag follows which (taggers), where the line between yes and no is drawn (taggers,
    multi-label), and what a cosine means (texts read apart). Fewer than 50 validation rows teach
    nothing; without `recipe.tune_decision` no answer changes. `read` gives the raw outputs of these
    rows; returned is what was added to the logits that were moved.
    """
    tunes = job.recipe.tune_decision and _moved_outputs(job.task) is not None
    is_line = isinstance(job.task, Matching) and job.task.head == "embed"
    if len(job.valid.examples) < FEWEST_ROWS or not (tunes or is_line):
        return 0.0
    inputs = [example.inputs for example in job.valid.examples]
    scores = read()
    if isinstance(job.task, Matching) and is_line:
        answers = [job.task.answer(row, item) for row, item in zip(scores, inputs, strict=True)]
        fitted.task = job.task.fitted_line(job.valid.examples, answers)
        return 0.0
    task = job.task
    if isinstance(task, Ner):
        task, reason = weigh_transitions(task, job.train.examples, job.valid, scores)
        fitted.task = task
        _tell(job, fitted, reason)
    shift, reason = shift_decision(job, task, scores)
    _tell(job, fitted, reason)
    return shift


def weigh_transitions(
    task: Ner, train: Iterable[Example], valid: Rows, scores: Sequence[np.ndarray]
) -> tuple[Ner, str | None]:
    """Return the task with the transitions of its training tags, weighed, and a sentence on it.

    The weight, none, a half or all of their log-probability, is the one whose sequences score best
    on the validation rows; `scores` are the (words, C) logits of these. Without a gain the task
    stays as it is. The first 50,000 training rows are counted.
    """
    outputs = len(task.outputs())
    if outputs > MOST_OUTPUTS:
        return task, None
    tags = (task.target(example) for example in islice(train, COUNTED_ROWS))
    learned = tag_transitions(tags, outputs)
    tried = {0.0: task, **{by: task.with_transitions(by * learned) for by in WEIGHTS}}
    values = {by: marked_score(each, valid, scores) for by, each in tried.items()}
    best = max(values, key=lambda by: (values[by], -by))
    if not best:
        return task, None
    return tried[best], (
        f"decision: which tag follows which counts {best:g} times for the {task.selection} "
        f"on the validation rows ({values[0.0]:.3f} to {values[best]:.3f})"
    )


def shift_decision(job: Job, task: Task, scores: Sequence[np.ndarray]) -> tuple[float, str | None]:
    """Shift the bias of taggers and multi-label heads to the best selection measure.

    Returns the shift and a sentence on what was done, or 0 and None. `scores` are the logits of the
    validation rows, `task` says what they mean. For taggers the logit of "outside" is lowered, for
    multi-label heads every logit is raised, by the same amount. A gain within one standard error is
    noise, and the line stays (the rule of Breiman et al. 1984, §3.4.3); so does that of a layer
    without a bias. Source: choosing a threshold for F1 (Lipton, Elkan & Narayanaswamy 2014).
    """
    moved = _moved_outputs(task)
    if moved is None or linear_of(job.model).bias is None:
        return 0.0, None
    values = {
        float(shift): marked_score(task, job.valid, [row + shift * moved for row in scores])
        for shift in SHIFTS
    }
    best = max(values, key=lambda shift: (values[shift], -abs(shift)))
    noise = math.sqrt(values[0.0] * (1.0 - values[0.0]) / len(job.valid.examples))
    if values[best] - values[0.0] <= noise:
        return 0.0, None
    with torch.no_grad():
        bias = linear_of(job.model).bias
        bias.add_(best * torch.from_numpy(moved).to(bias))
    return best, (
        f"decision: logits shifted by {best:+g} for the {task.selection} "
        f"on the validation rows ({values[0.0]:.3f} to {values[best]:.3f})"
    )


def _tell(job: Job, fitted: Fitted, reason: str | None) -> None:
    if reason is not None:
        fitted.reasons.append(reason)
        job.emit(Said(reason))


def _moved_outputs(task: Task) -> np.ndarray | None:
    """Return (C,) how each logit moves with the shift, or None where no line is drawn."""
    outputs = len(task.outputs())
    if task.head == "tag":
        return np.array([-1.0] + [0.0] * (outputs - 1))
    return np.ones(outputs) if task.kind == "multilabel" else None
