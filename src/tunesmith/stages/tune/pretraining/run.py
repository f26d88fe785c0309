"""One pretraining: the loop with measurements on held-out text, checkpoints and exact resume."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from tunesmith.core.events import Event, Said, Step, Validated
from tunesmith.core.pretraining import PretrainingObjective, PretrainingRecipe
from tunesmith.model.batching import Batch
from tunesmith.model.pretraining import TextModel
from tunesmith.model.pretraining.vocabulary import Vocabulary
from tunesmith.stages.tune.checkpoints import load_checkpoint, load_weights, save_checkpoint
from tunesmith.stages.tune.job import Fitted
from tunesmith.stages.tune.loop import Position, Tuning, steps_per_epoch, train
from tunesmith.stages.tune.objectives import cross_entropy
from tunesmith.stages.tune.optimizers import make_optimizer
from tunesmith.stages.tune.pretraining.batches import make_loader
from tunesmith.stages.tune.pretraining.held_out import HeldOut, measure_held_out
from tunesmith.stages.tune.pretraining.windows import TextWindows
from tunesmith.stages.tune.schedules import make_schedule
from tunesmith.store.checkpoints import checkpoint_folder, keep_checkpoints, list_checkpoints

WATCHED_WINDOWS = 256
"""Held-out windows that are read while training; all of them are read once at the end."""


@dataclass(frozen=True, slots=True)
class PretrainingJob:
    """A network, the text it learns from, and how. `out` is the run's folder."""

    model: TextModel
    objective: PretrainingObjective
    vocabulary: Vocabulary
    train: TextWindows
    valid: TextWindows
    recipe: PretrainingRecipe
    device: torch.device
    precision: str
    seed: int
    out: Path
    resume: bool
    emit: Callable[[Event], None]


def pretrain(job: PretrainingJob) -> Fitted:
    """Train `job.model` in place and leave the state in it that read held-out text best."""
    tuning = _prepare(job)
    fitted = Fitted()
    resuming = list_checkpoints(job.out)[-1:] if job.resume else []
    if resuming:
        fitted = Fitted(**load_checkpoint(checkpoint_folder(job.out, resuming[0]), tuning))
        job.emit(Said(f"resumed after step {resuming[0]} of {tuning.total_steps}"))
    _run(job, tuning, fitted)
    if fitted.best_step and fitted.best_step != tuning.position.step:
        load_weights(checkpoint_folder(job.out, fitted.best_step), job.model)
    return fitted


def pretraining_loss(model: TextModel, batch: Batch) -> torch.Tensor:
    """Return the mean loss of a pretraining batch, for whoever trains it beside another task."""
    return cross_entropy()(model(batch), batch)


def read_held_out(job: PretrainingJob, *, windows: int | None = None) -> HeldOut:
    """Return what the model as it is makes of the held-out text, or of a sample of its windows."""
    chosen = job.valid.sample(len(job.valid) if windows is None else windows)
    load = make_loader(job.objective, job.valid, job.vocabulary, seed=job.seed)
    return measure_held_out(
        job.model,
        job.valid.framed_lengths,
        load,
        chosen=chosen,
        computing=(job.device, job.precision, job.recipe.batch_tokens),
        seed=job.seed,
    )


def _prepare(job: PretrainingJob) -> Tuning:
    recipe = job.recipe
    accelerator = Accelerator(cpu=job.device.type == "cpu")
    plan = partial(job.train.plan, batch_tokens=recipe.batch_tokens, seed=job.seed)
    total = sum(
        steps_per_epoch(
            len(plan(epoch)),
            accumulation=recipe.accumulation,
            processes=accelerator.num_processes,
        )
        for epoch in range(recipe.epochs)
    )
    total = min(total, recipe.max_steps or total)
    network: Any = job.model
    optimizer = make_optimizer(network, recipe)
    model, optimizer = accelerator.prepare(network, optimizer)
    return Tuning(
        model=model,
        objective=cross_entropy(label_smoothing=recipe.label_smoothing),
        optimizer=optimizer,
        schedule=make_schedule(optimizer.optimizer, total=total, recipe=recipe),
        plan=plan,
        load=make_loader(job.objective, job.train, job.vocabulary, seed=job.seed),
        accelerator=accelerator,
        recipe=recipe,
        precision=job.precision,
        total_steps=total,
        position=Position(),
    )


def _run(job: PretrainingJob, tuning: Tuning, fitted: Fitted) -> None:
    """Turn the loop until it ends, or held-out text is read no better for long enough."""
    if _is_exhausted(job, fitted):
        return
    for step in train(tuning):
        _record(fitted, step)
        job.emit(step)
        is_last = step.index == tuning.total_steps
        every = job.recipe.evaluate_every
        is_due = step.index % every == 0 if every else tuning.position.batch == 0
        if is_due or is_last:
            _watch(job, fitted, step.index)
        interval = job.recipe.checkpoint_steps
        is_scheduled = step.index % interval == 0 if interval else is_due
        if is_scheduled or is_last or fitted.best_step == step.index:
            save_checkpoint(checkpoint_folder(job.out, step.index), tuning, fitted.to_json())
            keep_checkpoints(job.out, {step.index, fitted.best_step})
        if is_due and _is_exhausted(job, fitted):
            fitted.reasons.append(f"stopped early: no gain in {job.recipe.patience} validations")
            break


def _watch(job: PretrainingJob, fitted: Fitted, step: int) -> None:
    loss = read_held_out(job, windows=WATCHED_WINDOWS).loss
    is_best = loss < min((past for _, past in fitted.validations), default=float("inf"))
    fitted.validations.append((step, loss))
    if is_best:
        fitted.best_step = step
    job.emit(Validated(step, "loss", loss, is_best, f"step {step}"))


def _is_exhausted(job: PretrainingJob, fitted: Fitted) -> bool:
    since_best = sum(1 for step, _ in fitted.validations if step > fitted.best_step)
    return bool(job.recipe.patience) and since_best >= job.recipe.patience


def _record(fitted: Fitted, step: Step) -> None:
    fitted.steps = step.index
    fitted.tokens += step.tokens
    fitted.seconds += step.seconds
    fitted.losses.append((step.index, round(step.loss, 6)))
