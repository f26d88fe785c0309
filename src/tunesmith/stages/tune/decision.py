"""Where the line between yes and no is drawn: one bias, chosen on the validation rows.

A model trained by likelihood answers "outside" or "no" too readily where positives are rare, and F1
does not reward that caution. The shift is written into the head's own bias, so that every engine,
and plain transformers, decides alike.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from tunesmith.core.events import Said
from tunesmith.model.heads import linear_of
from tunesmith.runtime.engine import score_windows
from tunesmith.stages.tune.job import Job, marked_score
from tunesmith.tasks.matching import Matching
from tunesmith.tasks.task import Task

SHIFTS = np.arange(-2.0, 4.01, 0.25)
FEWEST_ROWS = 50


def tune_decision(job: Job) -> str | None:
    """Shift the bias of taggers and multi-label heads to the best selection measure.

    Returns a sentence on what was done, or None. For taggers the logit of "outside" is lowered, for
    multi-label heads every logit is raised, by the same amount. A gain within one standard error of
    the score is noise, and the line stays (the rule of Breiman et al. 1984, §3.4.3). Single-label
    heads and fewer than 50 validation rows are left alone. Source: choosing a threshold for F1
    (Lipton, Elkan & Narayanaswamy 2014).
    """
    moved = _moved_outputs(job)
    if moved is None or len(job.valid.examples) < FEWEST_ROWS:
        return None
    inputs = [example.inputs for example in job.valid.examples]
    scores = score_windows(job.engine, job.valid.windows, inputs)
    values = {
        float(shift): marked_score(job.task, job.valid, [row + shift * moved for row in scores])
        for shift in SHIFTS
    }
    best = max(values, key=lambda shift: (values[shift], -abs(shift)))
    noise = math.sqrt(values[0.0] * (1.0 - values[0.0]) / len(job.valid.examples))
    if values[best] - values[0.0] <= noise:
        return None
    with torch.no_grad():
        bias = linear_of(job.model).bias
        bias.add_(best * torch.from_numpy(moved).to(bias))
    reason = (
        f"decision: logits shifted by {best:+g} for the {job.task.selection} "
        f"on the validation rows ({values[0.0]:.3f} to {values[best]:.3f})"
    )
    job.emit(Said(reason))
    return reason


def read_scores(job: Job) -> Task | None:
    """Return the task with the line from cosines to scores fitted on the validation rows.

    None where answers are no scores of texts read apart, or on fewer than 50 rows. No order of two
    answers changes.
    """
    if not isinstance(job.task, Matching) or job.task.head != "embed":
        return None
    if len(job.valid.examples) < FEWEST_ROWS:
        return None
    inputs = [example.inputs for example in job.valid.examples]
    scores = score_windows(job.engine, job.valid.windows, inputs)
    answers = [job.task.answer(row, item) for row, item in zip(scores, inputs, strict=True)]
    return job.task.fitted_line(job.valid.examples, answers)


def _moved_outputs(job: Job) -> np.ndarray | None:
    """Return (C,) how each logit moves with the shift, or None where no line is drawn."""
    outputs = len(job.task.outputs())
    if job.task.head == "tag":
        return np.array([-1.0] + [0.0] * (outputs - 1))
    return np.ones(outputs) if job.task.kind == "multilabel" else None
