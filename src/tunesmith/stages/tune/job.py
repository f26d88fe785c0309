"""What every tuning method is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tunesmith.core.events import Event
from tunesmith.core.recipe import TrainingRecipe
from tunesmith.model.heads import HeadModel
from tunesmith.runtime.engine import Engine, score_windows
from tunesmith.runtime.writing import mean_log_probability
from tunesmith.stages.tune.rows import Rows
from tunesmith.tasks.task import Task


@dataclass(frozen=True, slots=True)
class Job:
    """A model to tune, its encoded rows, and how.

    `out` is the run's folder, where checkpoints go.
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


@dataclass(slots=True)
class Fitted:
    """How the tuning went: the curve, its cost, and the choices made with their reasons.

    `rate_finder` holds the sweep of learning rates, where there was one (`RateSweep.to_json`).
    `finish` is what the method still does with the validation rows once they have measured the
    model, where it does anything: it changes the model and returns a sentence for the report.
    `task` is the task with what was learned of its answers, where anything was.
    """

    steps: int = 0
    best_step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    losses: list[tuple[int, float]] = field(default_factory=list)
    validations: list[tuple[int, float]] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    rate_finder: dict[str, Any] | None = None
    finish: Callable[[], str] | None = None
    task: Task | None = None

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
