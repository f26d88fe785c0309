"""What is learned beside a task: its batches stand beside the task's, its loss is added to theirs.

The loop turns joined batches as it turns others. Which of a companion's batches stands beside which
of the task's follows from the plans alone, so a resumed run needs no more state than one without.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
import torch

from tunesmith.core.companions import JointRecipe
from tunesmith.core.recipe import TrainingRecipe
from tunesmith.model.batching import Batch, join_batches, split_batch
from tunesmith.stages.tune.loop import Feed

Weight: TypeAlias = Callable[[float], float]
"""From the share of training that is done to the weight of a loss, where the task's is 1."""

TASK = "task"
"""The name of the main task's own loss."""


@dataclass(frozen=True, slots=True)
class Stream:
    """What stands beside the task's batches, under a name, and how much it weighs."""

    name: str
    feed: Feed
    weight: Weight


@dataclass(frozen=True, slots=True)
class Draw:
    """One batch of each stream by its numbers, the task's first, and how far training is."""

    numbers: tuple[Any, ...]
    done: float


def text_weight(recipe: JointRecipe) -> Weight:
    """Return the weight of the text's loss: 1 / λ, so that L_pre + λ·L_fin is minimised."""
    first = recipe.task_weight
    last = first if recipe.final_task_weight is None else recipe.final_task_weight
    return lambda done: 1.0 / (first + (last - first) * done)


def join_feeds(
    task: Feed, streams: Sequence[Stream], recipe: TrainingRecipe, *, processes: int = 1
) -> Feed:
    """Return the feed of joined batches, one of each stream beside each of the task's.

    An epoch is one of the task; the streams go round in epochs of their own. Its losses are (K,),
    not weighted; `weights` (K,) of a batch are positive and their sum is 1.
    """
    course = Course(task.plan)
    most = (recipe.max_steps or 0) * recipe.accumulation * processes
    epochs = 0
    while epochs < recipe.epochs and not (most and course.start(epochs) >= most):
        epochs += 1
    total = min(course.start(epochs), most or course.start(epochs))
    beside = tuple(Course(stream.feed.plan) for stream in streams)
    joined = _Joined(task, tuple(streams), course, beside, total)
    names = (TASK, *(stream.name for stream in streams))
    return Feed(joined.objective, joined.plan, joined.load, names)


@dataclass(slots=True)
class Course:
    """The batches of all epochs end to end; `starts[e]` counts those before epoch e, once asked."""

    plan: Callable[[int], Sequence[Any]]
    starts: list[int] = field(default_factory=lambda: [0])

    def __post_init__(self) -> None:
        """Keep the plans that are asked for again at once."""
        self.plan = lru_cache(maxsize=2)(self.plan)

    def start(self, epoch: int) -> int:
        """Return how many batches stand before an epoch."""
        while len(self.starts) <= epoch:
            self.starts.append(self.starts[-1] + len(self.plan(len(self.starts) - 1)))
        return self.starts[epoch]

    def take(self, first: int, count: int) -> list[Any]:
        """Return `count` batches from number `first` on."""
        while self.starts[-1] <= first:
            self.start(len(self.starts))
        epoch = bisect_right(self.starts, first) - 1
        taken: list[Any] = []
        while len(taken) < count:
            begin = max(0, first - self.start(epoch))
            taken += self.plan(epoch)[begin : begin + count - len(taken)]
            epoch += 1
        return taken


@dataclass(slots=True)
class _Joined:
    """Feeds side by side; `total` counts the batches of the task in the whole training."""

    task: Feed
    streams: tuple[Stream, ...]
    course: Course
    beside: tuple[Course, ...]
    total: int

    def plan(self, epoch: int) -> list[Draw]:
        start = self.course.start(epoch)
        own = self.course.plan(epoch)
        beside = [course.take(start, len(own)) for course in self.beside]
        return [
            Draw(numbers, min(1.0, (start + place) / max(1, self.total - 1)))
            for place, numbers in enumerate(zip(own, *beside, strict=True))
        ]

    def load(self, draw: Draw) -> Batch:
        feeds = (self.task, *(stream.feed for stream in self.streams))
        batches = [feed.load(numbers) for feed, numbers in zip(feeds, draw.numbers, strict=True)]
        weights = np.array([1.0, *(stream.weight(draw.done) for stream in self.streams)])
        shares = torch.from_numpy(weights / weights.sum()).float()
        return join_batches(batches, weights=shares)

    def objective(self, outputs: Sequence[torch.Tensor], batch: Batch) -> torch.Tensor:
        objectives = [self.task.objective, *(stream.feed.objective for stream in self.streams)]
        parts = split_batch(batch)
        losses = [
            objective(output, part)
            for objective, output, part in zip(objectives, outputs, parts, strict=True)
        ]
        return torch.stack([loss.float() for loss in losses])
