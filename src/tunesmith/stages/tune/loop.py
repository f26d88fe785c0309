"""The one training loop: a generator of optimiser steps.

It does not log, validate, save or stop early; the caller does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.optimizer import AcceleratedOptimizer

from tunesmith.core.errors import ResourceError
from tunesmith.core.events import Step
from tunesmith.core.recipe import TrainingRecipe
from tunesmith.model.batching import Batch, count_tokens, move
from tunesmith.model.device import autocast
from tunesmith.model.memory import HeapKeeper
from tunesmith.stages.tune.objectives import Objective
from tunesmith.stages.tune.rowwise import clip_gradients


@dataclass(slots=True)
class Position:
    """Where the loop stands: optimiser steps done, and the next batch of which epoch."""

    step: int = 0
    epoch: int = 0
    batch: int = 0


@dataclass(frozen=True, slots=True)
class Feed:
    """What the loop turns over: the loss, the batches of an epoch, and the tensors of one.

    What stands in the plan for a batch, often an array of indices, is for `load` alone. `names` are
    those of the losses, where the objective returns several.
    """

    objective: Objective
    plan: Callable[[int], Sequence[Any]]
    load: Callable[[Any], Batch]
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Lesson:
    """One batch of a step that `count` batches make together, to be read once or several times."""

    tuning: Tuning
    batch: Batch
    count: int

    def losses(self) -> torch.Tensor:
        """Return its part of the step's loss, or (K,) of the losses by name: one forward pass."""
        tuning = self.tuning
        with autocast(tuning.accelerator.device, tuning.precision):
            outputs = tuning.model(self.batch)
        return tuning.feed.objective(outputs, self.batch) / self.count

    def total(self, losses: torch.Tensor) -> torch.Tensor:
        """Return the one loss that is minimised."""
        return (losses * self.batch["weights"]).sum() if self.tuning.feed.names else losses

    def backward(self, losses: torch.Tensor) -> None:
        """Add the gradients of `losses` to those of the step."""
        self.tuning.accelerator.backward(self.total(losses))

    def look(self, inputs: Callable[[], torch.Tensor]) -> torch.Tensor:
        """Return the gradient by what `inputs` gives after a pass; those of the step stay."""
        with self.tuning.accelerator.no_sync(self.tuning.model):
            losses = self.losses()
            return torch.autograd.grad(self.total(losses), inputs())[0]


Learn: TypeAlias = Callable[[Lesson], torch.Tensor]
"""From a batch, whose gradients are added to the step's, to its losses without a graph."""


def learn_once(lesson: Lesson) -> torch.Tensor:
    """Read a batch once and return its losses."""
    losses = lesson.losses()
    lesson.backward(losses)
    return losses.detach()


class Average(Protocol):
    """What stands in for the trained weights while they are validated and saved."""

    def after_step(self, done: float) -> None:
        """Take in the weights of a step; `done` is the share of training behind it."""

    def enter(self) -> None:
        """Put the average into the model; training must not go on before it leaves."""

    def leave(self) -> None:
        """Put the trained weights back, bit for bit."""

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return what a checkpoint needs beside the average, which it saves as the weights."""

    def restore(self, tensors: dict[str, torch.Tensor]) -> None:
        """Take over what `tensors` gave, with the average in the model, and put the others there.

        Raises `KeyError` where a tensor is missing.
        """


@dataclass(slots=True)
class Tuning:
    """Everything the loop turns.

    What a checkpoint must bring back is `model`, `optimizer`, `schedule`, `position` and, where
    there is one, `average`. `feed.plan(epoch)` lists the batches of an epoch, the same ones each
    time it is asked. `learn` takes a batch's gradients and returns its loss. `after_step` is called
    with the step's number while its gradients are still there.
    """

    model: Any
    feed: Feed
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    accelerator: Accelerator
    recipe: TrainingRecipe
    precision: str
    total_steps: int
    position: Position
    after_step: Callable[[int], None] | None = None
    learn: Learn = learn_once
    average: Average | None = None


def train(tuning: Tuning) -> Iterator[Step]:
    """Yield a `Step` after each optimiser step until `total_steps`.

    It stops earlier where the caller stops asking. Losses of accumulated batches are averaged with
    equal weight. Under torchrun every process takes its own share of each epoch's batches. Raises
    `ResourceError` where the loss is not finite.
    """
    position, heap = tuning.position, HeapKeeper()
    while position.step < tuning.total_steps:
        batches = _share(tuning.feed.plan(position.epoch), tuning.accelerator)
        while position.batch < len(batches) and position.step < tuning.total_steps:
            group = batches[position.batch : position.batch + tuning.recipe.accumulation]
            started = time.perf_counter()
            loss, tokens, parts = _optimise(tuning, group)
            position.step += 1
            position.batch += len(group)
            heap.after_step()
            if position.batch >= len(batches):
                position.epoch, position.batch = position.epoch + 1, 0
                batches = []
            yield Step(
                index=position.step,
                loss=loss,
                learning_rate=float(tuning.schedule.get_last_lr()[0]),
                tokens=tokens,
                seconds=time.perf_counter() - started,
                epoch=position.epoch if position.batch else position.epoch - 1,
                total=tuning.total_steps,
                parts=parts,
            )


def steps_per_epoch(batches: int, *, accumulation: int, processes: int = 1) -> int:
    """Return the optimiser steps that one epoch of `batches` takes."""
    return -(-(batches // processes or 1) // accumulation)


def _optimise(tuning: Tuning, group: Sequence[Any]) -> tuple[float, int, dict[str, float]]:
    """Do one optimiser step; return the loss, the real tokens read, and the losses by name."""
    tuning.model.train()
    feed, total, tokens = tuning.feed, 0.0, 0
    parts = dict.fromkeys(feed.names, 0.0)
    for numbers in group:
        batch = move(feed.load(numbers), tuning.accelerator.device)
        lesson = Lesson(tuning, batch, len(group))
        losses = tuning.learn(lesson)
        total += float(lesson.total(losses))
        tokens += count_tokens(batch)
        if feed.names:
            for name, part in zip(feed.names, losses.tolist(), strict=True):
                parts[name] += part
    if not np.isfinite(total):
        raise ResourceError(
            f"the loss must stay finite; got {total} at step {tuning.position.step + 1}",
            hint=f"--set training.learning_rate={tuning.recipe.learning_rate / 10:g}",
        )
    if tuning.recipe.max_grad_norm:
        _clip(tuning)
    tuning.optimizer.step()
    step = tuning.position.step + 1
    if tuning.after_step is not None:
        tuning.after_step(step)
    if tuning.average is not None:
        tuning.average.after_step(step / tuning.total_steps)
    tuning.schedule.step()
    tuning.optimizer.zero_grad(set_to_none=True)
    return total, tokens, parts


def _clip(tuning: Tuning) -> None:
    parameters = tuning.model.parameters()
    if tuning.accelerator.num_processes > 1:
        tuning.accelerator.clip_grad_norm_(parameters, tuning.recipe.max_grad_norm)
    else:
        own = tuning.optimizer
        if isinstance(own, AcceleratedOptimizer):
            own = own.optimizer
        clip_gradients(parameters, tuning.recipe.max_grad_norm, before=own)


def _share(batches: Sequence[Any], accelerator: Accelerator) -> Sequence[Any]:
    """Return this process's batches: as many as every other process has, at least one."""
    world, rank = accelerator.num_processes, accelerator.process_index
    if world == 1:
        return batches
    each = max(1, len(batches) // world)
    return [batches[(rank + number * world) % len(batches)] for number in range(each)]
