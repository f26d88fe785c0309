"""The loop under watch: validation, early stopping, checkpoints, exact resume, the best weights.

Tuning on rows and pretraining on text both run through here; what is measured, the caller says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accelerate import Accelerator

from tunesmith.core.events import Event, Said, Step, Validated
from tunesmith.core.recipe import TrainingRecipe
from tunesmith.stages.tune.boosters.averages import stood_in
from tunesmith.stages.tune.checkpoints import load_checkpoint, load_weights, save_checkpoint
from tunesmith.stages.tune.job import Fitted
from tunesmith.stages.tune.loop import Feed, Position, Tuning, steps_per_epoch, train
from tunesmith.stages.tune.optimizers import make_optimizer
from tunesmith.stages.tune.rate_finder import sweep_rates
from tunesmith.stages.tune.schedule_free import averaged
from tunesmith.stages.tune.schedules import make_schedule
from tunesmith.store.checkpoints import checkpoint_folder, keep_checkpoints, list_checkpoints


@dataclass(frozen=True, slots=True)
class Watch:
    """How a run is watched: what is measured between steps, and where checkpoints go.

    `measure` returns the validation value of `model` as it is, `name` says which one it is, and
    `lower_is_better` which way it should go. `resume` goes on from the last checkpoint in `out`.
    """

    model: Any
    measure: Callable[[], float]
    name: str
    lower_is_better: bool
    out: Path
    resume: bool
    emit: Callable[[Event], None]

    def last_checkpoint(self) -> int | None:
        """Return the step to go on from, or None where the run begins."""
        steps = list_checkpoints(self.out) if self.resume else []
        return steps[-1] if steps else None


def make_tuning(
    model: Any, recipe: TrainingRecipe, feed: Feed, *, accelerator: Accelerator, precision: str
) -> Tuning:
    """Return a run of `recipe` at its beginning."""
    total = _count_steps(feed, recipe, processes=accelerator.num_processes)
    prepared, optimizer = accelerator.prepare(model, make_optimizer(model, recipe))
    return Tuning(
        model=prepared,
        feed=feed,
        optimizer=optimizer,
        schedule=make_schedule(optimizer.optimizer, total=total, recipe=recipe),
        accelerator=accelerator,
        recipe=recipe,
        precision=precision,
        total_steps=total,
        position=Position(),
    )


def _count_steps(feed: Feed, recipe: TrainingRecipe, *, processes: int) -> int:
    """Return the optimiser steps of all epochs, or `max_steps`; no more epochs are planned."""
    total = 0
    for epoch in range(recipe.epochs):
        batches = len(feed.plan(epoch))
        total += steps_per_epoch(batches, accumulation=recipe.accumulation, processes=processes)
        if recipe.max_steps and total >= recipe.max_steps:
            return recipe.max_steps
    return total


def run_watched(tuning: Tuning, watch: Watch, fitted: Fitted) -> Fitted:
    """Return how the run went, with the weights that measured best in the model.

    A run that is resumed continues bit for bit; its record takes the place of `fitted`.
    """
    step = watch.last_checkpoint()
    if step is not None:
        fitted = Fitted(**load_checkpoint(checkpoint_folder(watch.out, step), tuning))
        watch.emit(Said(f"resumed after step {step} of {tuning.total_steps}"))
    elif tuning.recipe.find_learning_rate:
        _find_learning_rate(tuning, watch, fitted)
    _turn(tuning, watch, fitted)
    if fitted.best_step:
        load_weights(checkpoint_folder(watch.out, fitted.best_step), watch.model)
    return fitted


def _turn(tuning: Tuning, watch: Watch, fitted: Fitted) -> None:
    """Turn the loop until it ends or validation stops gaining."""
    patience, interval = tuning.recipe.patience, tuning.recipe.checkpoint_steps
    if _is_exhausted(fitted, patience):
        return
    for step in train(tuning):
        _record(fitted, step)
        watch.emit(step)
        validated = _is_due(tuning)
        scheduled = step.index % interval == 0 if interval else validated
        if not validated and not scheduled:
            continue
        with averaged(tuning.optimizer), stood_in(tuning.average):
            if validated:
                _validate(watch, fitted, step.index)
            if scheduled or fitted.best_step == step.index or step.index == tuning.total_steps:
                save_checkpoint(checkpoint_folder(watch.out, step.index), tuning, fitted.to_json())
                keep_checkpoints(watch.out, {step.index, fitted.best_step})
        if validated and _is_exhausted(fitted, patience):
            fitted.reasons.append(f"stopped early: no gain in {patience} validations")
            break


def _find_learning_rate(tuning: Tuning, watch: Watch, fitted: Fitted) -> None:
    """Sweep the rates and let `tuning` begin with the one found; no weight is moved for good."""
    sweep = sweep_rates(tuning, make_optimizer(watch.model, tuning.recipe), emit=watch.emit)
    fitted.rate_finder = sweep.to_json()
    fitted.reasons.append(sweep.reason)
    watch.emit(Said(sweep.reason))
    tuning.recipe = sweep.recipe
    optimizer = make_optimizer(watch.model, sweep.recipe)
    tuning.optimizer = tuning.accelerator.prepare(optimizer)
    tuning.schedule = make_schedule(optimizer, total=tuning.total_steps, recipe=sweep.recipe)


def _is_due(tuning: Tuning) -> bool:
    """Tell whether to validate after this step.

    That is so at the interval, or where none is set at the end of an epoch, and always at the end
    of the run.
    """
    step, every = tuning.position.step, tuning.recipe.evaluate_every
    at_interval = step % every == 0 if every else tuning.position.batch == 0
    return at_interval or step == tuning.total_steps


def _validate(watch: Watch, fitted: Fitted, step: int) -> None:
    value = watch.measure()
    past = [known for _, known in fitted.validations]
    is_best = not past or (value < min(past) if watch.lower_is_better else value > max(past))
    fitted.validations.append((step, value))
    if is_best:
        fitted.best_step = step
    watch.emit(Validated(step, watch.name, value, is_best, f"step {step}"))


def _is_exhausted(fitted: Fitted, patience: int) -> bool:
    since_best = sum(1 for step, _ in fitted.validations if step > fitted.best_step)
    return bool(patience) and since_best >= patience


def _record(fitted: Fitted, step: Step) -> None:
    fitted.steps = step.index
    fitted.tokens += step.tokens
    fitted.seconds += step.seconds
    fitted.losses.append((step.index, round(step.loss, 6)))
    if step.parts:
        fitted.parts.append({name: round(loss, 6) for name, loss in step.parts.items()})
