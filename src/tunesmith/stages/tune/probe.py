"""The probe: a regularised linear head on frozen vectors.

The strength of the regularisation is chosen on the validation rows.
"""

from __future__ import annotations

import time
from functools import partial

import numpy as np

from tunesmith.core.errors import SpecError
from tunesmith.core.events import Progress, Said, Validated
from tunesmith.core.methods import Probe
from tunesmith.model.heads import linear_of
from tunesmith.runtime.engine import window_vectors
from tunesmith.runtime.merging import merge_windows
from tunesmith.stages.tune.job import Fitted, Job, marked_score
from tunesmith.stages.tune.linear import Outputs, fit_linear, read_linear, set_linear

PROBED = ("classify", "relate", "tag")
"""The head families that are one linear layer over the vectors of rows or words."""


def fit_probe(job: Job, method: Probe) -> Fitted:
    """Fit the head of `job.model` and leave everything below it as it was.

    The strength is chosen on the validation rows; `finish` then fits the head once more on all rows
    with it. Where texts are compared by their vectors alone there is nothing to fit: the model
    stays as it was. Raises `SpecError` for tasks whose rows are not one vector each.
    Source: linear probing (Alain & Bengio 2017) with L2-regularised logistic regression.
    """
    if job.task.head == "embed":
        return Fitted(reasons=["nothing is fitted: the frozen vectors are compared as they are"])
    if job.task.head not in PROBED:
        raise SpecError(
            f"a probe needs one vector a row or word; {job.task.kind} has other answers",
            hint="--method full",
        )
    started = time.perf_counter()
    count = len(job.train.windows) + len(job.valid.windows)
    job.emit(Said(f"reading {count:,} windows once through the frozen model"))
    train = window_vectors(job.engine, job.train.windows)
    valid = window_vectors(job.engine, job.valid.windows)
    strength, value = _choose_strength(job, method, train, valid)
    _, bias = read_linear(linear_of(job.model))
    return Fitted(
        tokens=int(job.train.lengths.sum() + job.valid.lengths.sum()),
        seconds=time.perf_counter() - started,
        reasons=[
            f"strength {strength:g}: best of {len(method.strengths)} on the validation rows "
            f"({value:.3f})"
        ],
        finish=partial(_fit_all, job, method, (train, valid), (strength, bias)),
    )


def _choose_strength(
    job: Job, method: Probe, train: np.ndarray, valid: np.ndarray
) -> tuple[float, float]:
    """Leave the best head on the validation rows in the model; return its strength and score."""
    inputs = [example.inputs for example in job.valid.examples]
    targets = job.train.flat_targets()
    outputs = len(job.task.outputs())
    best_strength, best_value = method.strengths[0], -1.0
    start = None
    for number, strength in enumerate(method.strengths, start=1):
        start = weight, bias = fit_linear(
            train,
            targets,
            outputs=Outputs.of(linear_of(job.model)),
            strength=strength,
            max_iterations=method.max_iterations,
            start=start,
        )
        logits = valid @ weight.T + bias
        merged = merge_windows(
            [(job.valid.windows, logits)], inputs, family=job.task.head, outputs=outputs
        )
        value = marked_score(job.task, job.valid, merged)
        is_best = value > best_value
        if is_best:
            best_strength, best_value = strength, value
            set_linear(linear_of(job.model), weight, bias)
        state = f"strength {strength:g}"
        job.emit(Validated(number, job.task.selection, value, is_best, state))
        job.emit(Progress("fitting the head", number, len(method.strengths), "strengths", state))
    return best_strength, best_value


def _fit_all(
    job: Job,
    method: Probe,
    vectors: tuple[np.ndarray, np.ndarray],
    chosen: tuple[float, np.ndarray],
) -> str:
    """Fit the head on train and validation rows together.

    `chosen` is the strength and the bias it led to: a decision that was shifted since stays so.
    """
    strength, bias_before = chosen
    linear = linear_of(job.model)
    before, shifted = read_linear(linear)
    targets = np.concatenate([job.train.flat_targets(), job.valid.flat_targets()])
    weight, bias = fit_linear(
        np.concatenate(vectors),
        targets,
        outputs=Outputs.of(linear),
        strength=strength,
        max_iterations=method.max_iterations,
        start=(before, bias_before),
    )
    set_linear(linear, weight, bias + (shifted - bias_before))
    rows = len(job.train.examples) + len(job.valid.examples)
    return f"The bundle's head was fitted on the train and valid rows together ({rows:,})."
