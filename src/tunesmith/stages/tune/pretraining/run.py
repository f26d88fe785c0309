"""One pretraining: the watched loop over windows of text, measured on held-out text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from accelerate import Accelerator

from tunesmith.core.events import Event
from tunesmith.core.pretraining import PretrainingObjective, PretrainingRecipe
from tunesmith.model.batching import Batch
from tunesmith.model.pretraining import TextModel
from tunesmith.model.pretraining.vocabulary import Vocabulary
from tunesmith.stages.tune.job import Fitted
from tunesmith.stages.tune.loop import Feed, Tuning
from tunesmith.stages.tune.objectives import cross_entropy
from tunesmith.stages.tune.pretraining.batches import make_loader
from tunesmith.stages.tune.pretraining.held_out import HeldOut, measure_held_out
from tunesmith.stages.tune.pretraining.windows import TextWindows
from tunesmith.stages.tune.watched import Watch, make_tuning, run_watched

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
    watch = Watch(
        model=job.model,
        measure=lambda: read_held_out(job, windows=WATCHED_WINDOWS).loss,
        name="loss",
        lower_is_better=True,
        out=job.out,
        resume=job.resume,
        emit=job.emit,
    )
    return run_watched(_prepare(job), watch, Fitted())


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
    feed = Feed(
        cross_entropy(label_smoothing=job.recipe.label_smoothing),
        partial(job.train.plan, batch_tokens=job.recipe.batch_tokens, seed=job.seed),
        make_loader(job.objective, job.train, job.vocabulary, seed=job.seed),
    )
    accelerator = Accelerator(cpu=job.device.type == "cpu")
    return make_tuning(
        job.model, job.recipe, feed, accelerator=accelerator, precision=job.precision
    )
