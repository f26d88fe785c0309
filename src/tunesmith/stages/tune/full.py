"""Full tuning: the loop with validation, early stopping, checkpoints and exact resume."""

from __future__ import annotations

from collections import Counter
from functools import partial

import numpy as np
import torch
from accelerate import Accelerator

from tunesmith.core.errors import SpecError
from tunesmith.core.events import Said, Step, Validated
from tunesmith.core.methods import Full
from tunesmith.model.batching import plan_batches, plan_units
from tunesmith.model.heads import linear_of
from tunesmith.runtime.engine import window_vectors
from tunesmith.stages.tune.checkpoints import load_checkpoint, load_weights, save_checkpoint
from tunesmith.stages.tune.frozen import freeze_layers
from tunesmith.stages.tune.job import Fitted, Job, selection_score
from tunesmith.stages.tune.linear import fit_linear, set_linear
from tunesmith.stages.tune.loop import Position, Tuning, steps_per_epoch, train
from tunesmith.stages.tune.objectives import (
    Objective,
    binary_cross_entropy,
    choice_cross_entropy,
    cosine_ranking,
    cross_entropy,
    stretch_cross_entropy,
)
from tunesmith.stages.tune.optimizers import make_optimizer
from tunesmith.stages.tune.rate_finder import sweep_rates
from tunesmith.stages.tune.rowwise import make_rowwise
from tunesmith.stages.tune.schedule_free import averaged
from tunesmith.stages.tune.schedules import make_schedule
from tunesmith.store.checkpoints import checkpoint_folder, keep_checkpoints, list_checkpoints

HEAD_START_STRENGTH = 10.0
HEAD_START_ITERATIONS = 200
HEAD_START_WINDOWS = 50_000
"""Enough for a start: more would take minutes to read, and 1.5 KB of memory each."""


def fit_full(job: Job, method: Full) -> Fitted:
    """Train every weight of `job.model` and leave the best checkpoint's in it."""
    resuming = list_checkpoints(job.out)[-1:] if job.resume else []
    fitted = Fitted()
    if _starts_from_probe(job, method) and not resuming:
        _start_head(job)
        fitted.reasons.append("head start: fitted on the frozen vectors before all weights move")
    tuning = _prepare(job)
    if resuming:
        fitted = Fitted(**load_checkpoint(checkpoint_folder(job.out, resuming[0]), tuning))
        job.emit(Said(f"resumed after step {resuming[0]} of {tuning.total_steps}"))
    elif job.recipe.find_learning_rate:
        _find_learning_rate(job, tuning, fitted)
    _run(job, tuning, fitted)
    if fitted.best_step:
        load_weights(checkpoint_folder(job.out, fitted.best_step), job.model)
    return fitted


def _run(job: Job, tuning: Tuning, fitted: Fitted) -> None:
    """Turn the loop until it ends or validation stops gaining."""
    if _is_exhausted(job, fitted):
        return
    for step in train(tuning):
        _record(fitted, step)
        job.emit(step)
        validated, interval = _is_due(job, tuning), job.recipe.checkpoint_steps
        scheduled = step.index % interval == 0 if interval else validated
        if not validated and not scheduled:
            continue
        with averaged(tuning.optimizer):
            if validated:
                _validate(job, fitted, step.index)
            if scheduled or fitted.best_step == step.index or step.index == tuning.total_steps:
                save_checkpoint(checkpoint_folder(job.out, step.index), tuning, fitted.to_json())
                keep_checkpoints(job.out, {step.index, fitted.best_step})
        if validated and _is_exhausted(job, fitted):
            fitted.reasons.append(f"stopped early: no gain in {job.recipe.patience} validations")
            break


def _prepare(job: Job) -> Tuning:
    recipe = job.recipe
    load = freeze_layers(job)
    accelerator = Accelerator(cpu=job.engine.device.type == "cpu")
    plan = partial(_plan, job)
    total = sum(
        steps_per_epoch(
            len(plan(epoch)),
            accumulation=recipe.accumulation,
            processes=accelerator.num_processes,
        )
        for epoch in range(recipe.epochs)
    )
    total = min(total, recipe.max_steps or total)
    if accelerator.num_processes == 1 and job.engine.device.type == "cpu":
        make_rowwise(job.model, recipe)
    optimizer = make_optimizer(job.model, recipe)
    model, optimizer = accelerator.prepare(job.model, optimizer)
    return Tuning(
        model=model,
        objective=_objective(job),
        optimizer=optimizer,
        schedule=make_schedule(optimizer.optimizer, total=total, recipe=recipe),
        plan=plan,
        load=load,
        accelerator=accelerator,
        recipe=recipe,
        precision=job.engine.precision,
        total_steps=total,
        position=Position(),
    )


def _find_learning_rate(job: Job, tuning: Tuning, fitted: Fitted) -> None:
    """Sweep the rates and let `tuning` begin with the one found; no weight is moved for good."""
    sweep = sweep_rates(tuning, make_optimizer(job.model, job.recipe), emit=job.emit)
    fitted.rate_finder = sweep.to_json()
    fitted.reasons.append(sweep.reason)
    job.emit(Said(sweep.reason))
    tuning.recipe = sweep.recipe
    optimizer = make_optimizer(job.model, sweep.recipe)
    tuning.optimizer = tuning.accelerator.prepare(optimizer)
    tuning.schedule = make_schedule(optimizer, total=tuning.total_steps, recipe=sweep.recipe)


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


def _is_due(job: Job, tuning: Tuning) -> bool:
    """Tell whether to validate after this step.

    That is so at the interval, or where none is set at the end of an epoch, and always at the end
    of the run.
    """
    step, every = tuning.position.step, job.recipe.evaluate_every
    at_interval = step % every == 0 if every else tuning.position.batch == 0
    return at_interval or step == tuning.total_steps


def _validate(job: Job, fitted: Fitted, step: int) -> None:
    value = selection_score(job)
    is_best = value > max((past for _, past in fitted.validations), default=-1.0)
    fitted.validations.append((step, value))
    if is_best:
        fitted.best_step = step
    job.emit(Validated(step, job.task.selection, value, is_best, f"step {step}"))


def _is_exhausted(job: Job, fitted: Fitted) -> bool:
    since_best = sum(1 for step, _ in fitted.validations if step > fitted.best_step)
    return bool(job.recipe.patience) and since_best >= job.recipe.patience


def _record(fitted: Fitted, step: Step) -> None:
    fitted.steps = step.index
    fitted.tokens += step.tokens
    fitted.seconds += step.seconds
    fitted.losses.append((step.index, round(step.loss, 6)))
