"""Distillation: what teachers say of the training rows, asked once, and the loss that reads it.

Source: Hinton et al. 2015, §2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from tunesmith.core.distillation import DistillationRecipe
from tunesmith.core.errors import SpecError
from tunesmith.core.events import Event, Progress
from tunesmith.model.batching import Batch
from tunesmith.runtime.engine import Engine, chunked, score
from tunesmith.stages.tune.loop import Feed
from tunesmith.stages.tune.objectives import weighted_mean
from tunesmith.stages.tune.rows import Rows
from tunesmith.store.scratch import ScratchArray
from tunesmith.tasks.labels import sigmoid, softmax
from tunesmith.tasks.task import Task

DISTILLED = ("classify", "relate", "tag")
"""The head families whose outputs are probabilities of their own."""


@dataclass(frozen=True, slots=True)
class SoftTargets:
    """The teachers' mean probabilities at temperature T, in memory or mapped from disk.

    `probabilities` has one row (C,) a training row, or a word of word inputs; `starts` is where the
    words of each training row begin, None where rows are read whole. `is_independent` tells labels
    that exclude each other, which a softmax made, from those that do not.
    """

    probabilities: np.ndarray
    starts: np.ndarray | None
    is_independent: bool
    recipe: DistillationRecipe

    @property
    def sentence(self) -> str:
        """What the report says of them."""
        count = len(self.recipe.teacher)
        return (
            f"distillation: {count} teacher{'s' * (count > 1)} at temperature "
            f"{self.recipe.temperature:g}, {self.recipe.weight:.0%} of the loss"
        )

    def of(self, rows: Rows, indices: np.ndarray) -> torch.Tensor:
        """Return (N, C) what belongs to the targets of the windows at `indices`."""
        own = rows.windows.rows[indices]
        if self.starts is not None:
            words = rows.windows.arrays["words"]
            own = np.concatenate(
                [
                    self.starts[row] + words[rows.windows.words_of(int(index))]
                    for row, index in zip(own, indices, strict=True)
                ]
            )
        return torch.from_numpy(np.array(self.probabilities[own]))


def order_of_outputs(teacher: Task, student: Task, *, where: str) -> list[int]:
    """Return which output of the teacher each output of the student is.

    Raises `SpecError` where the two do not answer the same question with the same labels.
    """
    hint = "a teacher is a bundle tuned on rows with the same labels: tunesmith fit ROWS …"
    if teacher.kind != student.kind or teacher.head != student.head:
        raise SpecError(
            f"a teacher must be for {student.kind}, read as the student is; "
            f"got one for {teacher.kind} ({where})",
            hint=hint,
        )
    if student.head not in DISTILLED:
        raise SpecError(
            f"`distillation` needs probabilities of labels; {student.kind} read this way has none",
            hint="leave out `distillation`",
        )
    ours, theirs = student.outputs(), teacher.outputs()
    if set(ours) != set(theirs):
        lacks = sorted(set(student.labels) - set(teacher.labels))
        more = sorted(set(teacher.labels) - set(student.labels))
        found = [f"{', '.join(lacks[:5])} that it does not know"] if lacks else []
        found += [f"{', '.join(more[:5])} that the rows do not have"] if more else []
        raise SpecError(
            f"a teacher must have the labels of the rows; got {' and '.join(found)} ({where})",
            hint=hint,
        )
    scales = [getattr(task, "scale", None) for task in (teacher, student)]
    if scales[0] != scales[1]:
        raise SpecError(
            f"a teacher must have the scale of the rows, {scales[1]}; got {scales[0]} ({where})",
            hint=hint,
        )
    place = {name: number for number, name in enumerate(theirs)}
    return [place[name] for name in ours]


def ask_teachers(
    teachers: Sequence[tuple[Engine, list[int]]],
    rows: Rows,
    recipe: DistillationRecipe,
    *,
    emit: Callable[[Event], None],
) -> SoftTargets:
    """Return what the teachers, each with the order of its outputs, say of the rows: their mean."""
    has_words = rows.windows.has_words
    is_independent = not has_words and rows.targets.ndim > 1
    kept, counts, done = ScratchArray(), [0], 0
    for chunk in chunked(example.inputs for example in rows.examples):
        sums: Any = 0.0
        for engine, order in teachers:
            scores = score(engine, chunk)
            found = np.concatenate([row.reshape(-1, row.shape[-1]) for row in scores])[:, order]
            softened = found / recipe.temperature
            sums = sums + (sigmoid(softened) if is_independent else softmax(softened))
        counts += [len(row) if has_words else 1 for row in scores]
        kept.append((sums / len(teachers)).astype(np.float32))
        done += len(chunk)
        emit(Progress("asking the teachers", done, len(rows.examples)))
    starts = np.cumsum(counts)[:-1] if has_words else None
    return SoftTargets(kept.finish(), starts, is_independent, recipe)


def with_teachers(feed: Feed, rows: Rows, soft: SoftTargets | None) -> Feed:
    """Return a feed whose loss learns from the teachers too, or the feed as it is."""
    if soft is None:
        return feed
    recipe = soft.recipe

    def load(indices: np.ndarray) -> Batch:
        return feed.load(indices) | {"soft_targets": soft.of(rows, indices)}

    def objective(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        diverged = _divergence(logits, batch["soft_targets"], soft)
        taught = recipe.temperature**2 * weighted_mean(diverged, batch)
        return (1.0 - recipe.weight) * feed.objective(logits, batch) + recipe.weight * taught

    return replace(feed, objective=objective, load=load)


def _divergence(logits: torch.Tensor, wanted: torch.Tensor, soft: SoftTargets) -> torch.Tensor:
    """Return (N,) the KL divergence of the student at T from its teachers.

    Of labels that do not exclude each other it is the mean.
    """
    softened = logits / soft.recipe.temperature
    if not soft.is_independent:
        known = functional.log_softmax(softened, dim=-1)
        return functional.kl_div(known, wanted, reduction="none").sum(dim=-1)
    yes, no = functional.logsigmoid(softened), functional.logsigmoid(-softened)
    both = functional.kl_div(yes, wanted, reduction="none")
    return (both + functional.kl_div(no, 1.0 - wanted, reduction="none")).mean(dim=-1)
