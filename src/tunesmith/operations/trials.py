"""A trial: a method tuned on some rows and marked on others. Nothing of it is kept but the answers.

`plan` compares methods by trials; nothing here writes a bundle.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, cast

import torch

from tunesmith.core.examples import Example
from tunesmith.data.splits import Splits
from tunesmith.operations.companions import Beside
from tunesmith.operations.deltas import with_own_training
from tunesmith.operations.fit import FitSpec
from tunesmith.operations.fitting import Ready, tune
from tunesmith.operations.preparing import Prepared, choose_reading, ready_backbone
from tunesmith.operations.tokens import Tokens, read_splits
from tunesmith.runtime.engine import Engine, answer
from tunesmith.session import Session
from tunesmith.tasks.task import Task

TIMED_TEXTS = 15
"""Texts that are answered one by one, after three that are not counted."""


@dataclass(frozen=True, slots=True)
class Trial:
    """The marked rows with the answers they got, the seconds it took, and what answered."""

    examples: Sequence[Example]
    answers: Sequence[Any]
    seconds: float
    task: Task
    engine: Engine | None

    def without_engine(self) -> Trial:
        """Return the trial without the model, which takes memory."""
        return replace(self, engine=None)


def run_trial(spec: FitSpec, session: Session, prepared: Prepared, splits: Splits) -> Trial:
    """Tune on the train and valid rows of `splits` as `spec` says, and answer its test rows.

    `prepared` is of all rows; its backbone stays as it is. What is added to training is added here
    too. The answers are those of the engine that would serve the bundle.
    """
    task, train = prepared.task, splits.train
    backbone = ready_backbone(spec, session, task, method=spec.method, train=train)
    started = time.perf_counter()
    reading = choose_reading(spec.model, backbone, prepared.task, method=spec.method.name)
    windows = read_splits(splits, backbone, reading, tokens=Tokens(session.emit)).windows
    own = replace(prepared, splits=splits, windows=windows, backbone=backbone, reading=reading)
    with TemporaryDirectory() as folder:
        spec = with_own_training(spec.model_copy(update={"out": str(Path(folder, "run"))}))
        ready = Ready(spec, own, Beside({}, None))
        (tuned,) = tune(ready, session, thread_count=torch.get_num_threads())
        if tuned.fitted.finish is not None:
            tuned.fitted.finish()
    engine = replace(tuned.job.engine, precision="fp32")
    answers = list(answer(engine, [example.inputs for example in splits.test]))
    return Trial(splits.test, answers, time.perf_counter() - started, engine.task, engine)


def latency_ms(trial: Trial) -> float:
    """Return the median milliseconds of answering one text alone; the trial has its engine yet."""
    taken: list[float] = []
    for example in trial.examples[: TIMED_TEXTS + 3]:
        started = time.perf_counter()
        list(answer(cast(Engine, trial.engine), [example.inputs]))
        taken.append(1000 * (time.perf_counter() - started))
    return median(taken[3:] or taken)
