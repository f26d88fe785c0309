"""What every tuning method is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

from tunesmith.core.companions import JointRecipe
from tunesmith.core.events import Event
from tunesmith.core.recipe import RecommendRecipe, TrainingRecipe
from tunesmith.model.batching import Batch
from tunesmith.model.deltas import Delta
from tunesmith.model.heads import HeadModel
from tunesmith.model.pretraining import TextModel
from tunesmith.runtime.engine import Engine, score_windows
from tunesmith.runtime.writing import mean_log_probability
from tunesmith.stages.tune.pretraining.windows import TextWindows
from tunesmith.stages.tune.rows import Rows
from tunesmith.tasks.task import Task


@dataclass(frozen=True, slots=True)
class Job:
    """A model to tune, its encoded rows, and how.

    `out` is the run's folder, where checkpoints go. `companions` are learned beside the task; their
    networks share the encoder of `model`. `delta` is what is learned where the backbone stays.
    """

    model: HeadModel
    task: Task
    train: Rows
    valid: Rows
    engine: Engine
    recipe: TrainingRecipe
    seed: int
    out: Path
    resume: bool
    emit: Callable[[Event], None]
    recommend: RecommendRecipe = RecommendRecipe()
    companions: tuple[Companion, ...] = ()
    delta: Delta | None = None


@dataclass(frozen=True, slots=True)
class TaskCompanion:
    """Another task that is learned beside the main one, and the weight of its loss."""

    name: str
    job: Job
    weight: float

    @property
    def model(self) -> HeadModel:
        """Its network."""
        return self.job.model


@dataclass(frozen=True, slots=True)
class TextCompanion:
    """Text without labels that is learned beside the task."""

    name: str
    model: TextModel
    windows: TextWindows
    load: Callable[[Any], Batch]
    recipe: JointRecipe


Companion: TypeAlias = TaskCompanion | TextCompanion


@dataclass(slots=True)
class Fitted:
    """How the tuning went: the curve, its cost, and the choices made with their reasons.

    `rate_finder` holds the sweep of learning rates, where there was one (`RateSweep.to_json`).
    `finish` is what the method still does with the validation rows once they have measured the
    model, where it does anything: it changes the model and returns a sentence for the report.
    `parts` holds each of several losses by name, a record a step.
    `task` is the task with what was learned of its answers, where anything was.
    `chosen_on_valid` tells whether the validation rows chose anything, or measured alone.
    """

    steps: int = 0
    best_step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    losses: list[tuple[int, float]] = field(default_factory=list)
    parts: list[dict[str, float]] = field(default_factory=list)
    validations: list[tuple[int, float]] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    rate_finder: dict[str, Any] | None = None
    finish: Callable[[], str] | None = None
    task: Task | None = None
    chosen_on_valid: bool = True

    def curve(self) -> list[dict[str, Any]]:
        """Return a record a step: `step`, `loss`, and `parts` where there were several losses."""
        steps: list[dict[str, Any]] = [{"step": step, "loss": loss} for step, loss in self.losses]
        for record, parts in zip(steps, self.parts, strict=False):
            record["parts"] = parts
        return steps

    def of(self, name: str) -> Fitted:
        """Return how it went for a task that was learned beside the main one.

        The checkpoint was the main task's choice, whose validations are no figures of this one.
        """
        steps = [step for step, _ in self.losses]
        losses = list(zip(steps, (parts[name] for parts in self.parts), strict=True))
        reasons = ["learned beside another task, which chose the checkpoint"]
        return replace(
            self, losses=losses, parts=[], validations=[], reasons=reasons, finish=None, task=None
        )

    def to_json(self) -> dict[str, Any]:
        """Return the fields under their own names."""
        return {
            name: getattr(self, name) for name in self.__slots__ if name not in ("finish", "task")
        }


def selection_score(job: Job) -> float:
    """Return the task's selection measure of the model as it is, on the validation rows.

    Of a model that writes it is the mean log-probability of the references' tokens.
    """
    if job.task.head == "generate":
        return mean_log_probability(job.engine, job.valid.windows)
    inputs = [example.inputs for example in job.valid.examples]
    scores = score_windows(job.engine, job.valid.windows, inputs)
    return marked_score(job.task, job.valid, scores)


def marked_score(task: Task, rows: Rows, scores: Sequence[Any]) -> float:
    """Return the task's selection measure of raw outputs, one an example."""
    answers = [
        task.answer(row, example.inputs) for row, example in zip(scores, rows.examples, strict=True)
    ]
    return task.selection_score(rows.examples, answers)
