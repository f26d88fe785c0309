"""Full tuning: how the head begins, what is minimised, and which batches are turned over."""

from __future__ import annotations

from collections import Counter
from functools import partial

import numpy as np
import torch
from accelerate import Accelerator

from tunesmith.core.errors import SpecError
from tunesmith.core.events import Said
from tunesmith.core.methods import Full
from tunesmith.model.batching import plan_batches, plan_units
from tunesmith.model.heads import linear_of
from tunesmith.runtime.engine import window_vectors
from tunesmith.stages.tune.frozen import freeze_layers
from tunesmith.stages.tune.job import Fitted, Job, selection_score
from tunesmith.stages.tune.linear import fit_linear, set_linear
from tunesmith.stages.tune.loop import Tuning
from tunesmith.stages.tune.objectives import (
    Objective,
    binary_cross_entropy,
    choice_cross_entropy,
    cosine_ranking,
    cross_entropy,
    stretch_cross_entropy,
)
from tunesmith.stages.tune.rowwise import make_rowwise
from tunesmith.stages.tune.watched import Feed, Watch, make_tuning, run_watched

HEAD_START_STRENGTH = 10.0
HEAD_START_ITERATIONS = 200
HEAD_START_WINDOWS = 50_000
"""Enough for a start: more would take minutes to read, and 1.5 KB of memory each."""


def fit_full(job: Job, method: Full) -> Fitted:
    """Train every weight of `job.model` and leave the best checkpoint's in it."""
    watch = Watch(
        model=job.model,
        measure=partial(selection_score, job),
        name=job.task.selection,
        lower_is_better=False,
        out=job.out,
        resume=job.resume,
        emit=job.emit,
    )
    fitted = Fitted()
    if _starts_from_probe(job, method) and watch.last_checkpoint() is None:
        _start_head(job)
        fitted.reasons.append("head start: fitted on the frozen vectors before all weights move")
    return run_watched(_prepare(job), watch, fitted)


def _prepare(job: Job) -> Tuning:
    load, is_on_cpu = freeze_layers(job), job.engine.device.type == "cpu"
    accelerator = Accelerator(cpu=is_on_cpu)
    if accelerator.num_processes == 1 and is_on_cpu:
        make_rowwise(job.model, job.recipe)
    feed = Feed(_objective(job), partial(_plan, job), load)
    return make_tuning(
        job.model, job.recipe, feed, accelerator=accelerator, precision=job.engine.precision
    )


def _starts_from_probe(job: Job, method: Full) -> bool:
    """Tell whether the head is fitted first; by default it is for texts, where that helps.

    Taggers ended lower from a fitted start than from a random one (docs/log.md).
    """
    if job.task.head not in ("classify", "relate", "tag"):
        return False
    return method.head_start == "probe" or (method.head_start == "auto" and job.task.head != "tag")


def _plan(job: Job, epoch: int) -> list[np.ndarray]:
    """Return the batches of an epoch; the windows of rows that are judged whole stay together."""
    rows, budget, seed = job.train, job.recipe.batch_tokens, (job.seed, epoch)
    if rows.windows.slots is None:
        return plan_batches(rows.lengths, batch_tokens=budget, seed=seed)
    return plan_units(rows.lengths, rows.windows.rows, batch_tokens=budget, seed=seed)


def _start_head(job: Job) -> None:
    """Fit the head on the frozen vectors first, so that tuning does not distort them.

    Source: Kumar et al. 2022 (LP-FT).
    """
    job.emit(Said("fitting the head on the frozen vectors"))
    windows, targets = job.train.sample(HEAD_START_WINDOWS, seed=job.seed)
    weight, bias = fit_linear(
        window_vectors(job.engine, windows),
        targets,
        outputs=len(job.task.outputs()),
        strength=HEAD_START_STRENGTH,
        max_iterations=HEAD_START_ITERATIONS,
    )
    set_linear(linear_of(job.model), weight, bias)


def _objective(job: Job) -> Objective:
    """Return the loss of the task's head family. Raises `SpecError` where a wish cannot be met."""
    whole = {
        "span": stretch_cross_entropy,
        "choose": choice_cross_entropy,
        "embed": cosine_ranking,
    }.get(job.task.head)
    if whole is not None:
        if job.recipe.label_smoothing or job.recipe.class_weights != "none":
            raise SpecError(
                f"{job.task.kind} has no labels to smooth or to weigh",
                hint="--set training.label_smoothing=0 --set training.class_weights=none",
            )
        return whole()
    if job.task.head == "generate" and job.recipe.class_weights != "none":
        raise SpecError(
            "a vocabulary has no classes to weigh", hint="--set training.class_weights=none"
        )
    targets = job.train.flat_targets()
    is_multilabel = targets.ndim > 1
    weights = None
    if job.recipe.class_weights == "balanced":
        if is_multilabel and job.task.kind != "multilabel":
            raise SpecError(
                "scores are no labels to weigh", hint="--set training.class_weights=none"
            )
        weights = _balanced_weights(targets, len(job.task.outputs())).to(job.engine.device)
    make = binary_cross_entropy if is_multilabel else cross_entropy
    return make(label_smoothing=job.recipe.label_smoothing, class_weights=weights)


def _balanced_weights(targets: np.ndarray, outputs: int) -> torch.Tensor:
    """Return (C,) weights: rows / (classes x rows of the class).

    For 0/1 targets they are negatives / positives of each label. A class without rows weighs 1.
    """
    if targets.ndim > 1:
        positive = np.maximum(targets.sum(axis=0), 1)
        return torch.tensor((len(targets) - positive) / positive, dtype=torch.float32)
    counts = Counter(targets.tolist())
    return torch.tensor(
        [
            len(targets) / (outputs * counts[index]) if counts[index] else 1.0
            for index in range(outputs)
        ]
    )
