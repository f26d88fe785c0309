"""Full tuning: how the head begins, what is minimised, and which batches are turned over."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from functools import partial
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator

from tunesmith.core.errors import SpecError
from tunesmith.core.events import Said, Warned
from tunesmith.core.methods import Full
from tunesmith.model.batching import plan_batches, plan_units
from tunesmith.model.heads import linear_of
from tunesmith.model.packing import plan_packed, why_unpacked
from tunesmith.model.sharing import Together
from tunesmith.runtime.engine import window_vectors
from tunesmith.stages.tune.adalora import move_ranks
from tunesmith.stages.tune.boosters import boost_feed, boost_tuning
from tunesmith.stages.tune.companions import Stream, join_feeds, text_weight
from tunesmith.stages.tune.distilling import with_teachers
from tunesmith.stages.tune.frozen import freeze_layers
from tunesmith.stages.tune.job import (
    Companion,
    Fitted,
    Job,
    TaskCompanion,
    TextCompanion,
    selection_score,
)
from tunesmith.stages.tune.linear import Outputs, fit_linear, set_linear
from tunesmith.stages.tune.loop import Feed, Tuning
from tunesmith.stages.tune.objectives import (
    Objective,
    binary_cross_entropy,
    choice_cross_entropy,
    cosine_ranking,
    cross_entropy,
    stretch_cross_entropy,
)
from tunesmith.stages.tune.rowwise import make_rowwise
from tunesmith.stages.tune.watched import Watch, make_tuning, run_watched

HEAD_START = "head start: fitted on the frozen vectors before all weights move"
HEAD_START_STRENGTH = 10.0
HEAD_START_ITERATIONS = 200
HEAD_START_WINDOWS = 50_000
"""Enough for a start: more would take minutes to read, and 1.5 KB of memory each."""


def fit_full(job: Job, method: Full) -> Fitted:
    """Train every weight of `job.model` and leave the best checkpoint's in it.

    What is learned beside the task is trained with it, in the same steps.
    """
    model: Any = job.model
    if job.companions:
        model = Together(job.model, [companion.model for companion in job.companions])
    watch = Watch(
        model=model,
        measure=partial(selection_score, job),
        name=job.task.selection,
        lower_is_better=False,
        out=job.out,
        resume=job.resume,
        emit=job.emit,
    )
    fitted = Fitted()
    if watch.last_checkpoint() is None:
        tasks = [each.job for each in job.companions if isinstance(each, TaskCompanion)]
        started = [each for each in (job, *tasks) if _starts_from_probe(each, method)]
        for each in started:
            _start_head(each)
        if started:
            fitted.reasons.append(HEAD_START)
    with ExitStack() as hooks:
        fitted = run_watched(_prepare(job, model, hooks), watch, fitted)
    fitted.reasons += [f"boosters: {', '.join(job.boost.names)}"] if job.boost.chosen else []
    fitted.reasons += _losses_beside(fitted, job)
    if job.soft_targets is not None:
        fitted.reasons.append(job.soft_targets.sentence)
    return fitted


def _losses_beside(fitted: Fitted, job: Job) -> list[str]:
    """Say how the losses of what was learned beside the task went: means of its first and last."""
    ends = max(1, len(fitted.parts) // 10)
    names = [companion.name for companion in job.companions]
    means = [
        [np.mean([parts[name] for parts in some]) for name in names]
        for some in (fitted.parts[:ends], fitted.parts[-ends:])
    ]
    return [
        f"beside the task: {name}, its loss {first:.3f} in the first tenth of the steps, "
        f"{last:.3f} in the last"
        for name, first, last in zip(names, *means, strict=True)
    ]


def _prepare(job: Job, model: Any, hooks: ExitStack) -> Tuning:
    """Return the run at its beginning; `hooks` ends what boosters do to the model."""
    is_on_cpu = job.engine.device.type == "cpu"
    accelerator = Accelerator(cpu=is_on_cpu)
    feed = boost_feed(with_teachers(_feed(job), job.train, job.soft_targets), job, hooks)
    if job.companions:
        streams = [_stream(companion, job) for companion in job.companions]
        feed = join_feeds(feed, streams, job.recipe, processes=accelerator.num_processes)
    if accelerator.num_processes == 1 and is_on_cpu:
        make_rowwise(model, job.recipe)
    tuning = make_tuning(
        model, job.recipe, feed, accelerator=accelerator, precision=job.engine.precision
    )
    if job.delta is not None and job.delta.tuner is not None:
        move_ranks(tuning, job.delta)
    boost_tuning(tuning, job, hooks)
    return tuning


def _feed(job: Job) -> Feed:
    load = freeze_layers(job)
    if job.recipe.packing:
        if not (reason := why_unpacked(job.model)):
            return Feed(_objective(job), partial(_plan_packed, job), job.train.packed_batch)
        job.emit(Warned(f"`training.packing` is left out: {reason}"))
    return Feed(_objective(job), partial(_plan, job), load)


def _plan_packed(job: Job, epoch: int) -> list[list[np.ndarray]]:
    """Return the batches of an epoch with several windows a row."""
    budget = job.recipe.batch_tokens
    row_tokens = min(budget, job.engine.reading.max_length)
    return plan_packed(
        job.train.lengths, row_tokens=row_tokens, batch_tokens=budget, seed=(job.seed, epoch)
    )


def _stream(companion: Companion, job: Job) -> Stream:
    """Return the batches of what is learned beside `job`, their loss and its weight."""
    match companion:
        case TaskCompanion(name, other, weight):
            return Stream(name, _feed(other), lambda _: weight)
        case TextCompanion(name, _, windows, load, recipe):
            budget = recipe.batch_tokens or job.recipe.batch_tokens
            plan = partial(windows.plan, batch_tokens=budget, seed=job.seed)
            return Stream(name, Feed(cross_entropy(), plan, load), text_weight(recipe))


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
        outputs=Outputs.of(linear_of(job.model)),
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
    gamma = job.boost.focal.gamma if job.boost.focal is not None else 0.0
    return make(label_smoothing=job.recipe.label_smoothing, class_weights=weights, gamma=gamma)


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
