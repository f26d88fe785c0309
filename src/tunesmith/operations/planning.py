"""How `plan` composes its stages: prepare once, race trials, judge, write."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean
from typing import Any

import psutil

from tunesmith.core.errors import ResourceError, SpecError
from tunesmith.core.events import Event, Progress, Said, Step
from tunesmith.core.methods import METHODS
from tunesmith.core.planning import PlanRecipe
from tunesmith.data.fingerprints import fingerprint_examples
from tunesmith.model.device import threads
from tunesmith.operations.boosters import refuse_boosters
from tunesmith.operations.enriching import refuse_enriching
from tunesmith.operations.fit import FitSpec
from tunesmith.operations.output import open_output_folder
from tunesmith.operations.plan import PlanResult, PlanSpec
from tunesmith.operations.preparing import Prepared, prepare_sound
from tunesmith.operations.tokens import Tokens
from tunesmith.operations.trials import Trial, latency_ms, run_trial
from tunesmith.session import Session
from tunesmith.stages.evaluate.page import render_page
from tunesmith.stages.plan.choice import Cost, Limits, Verdict, judge
from tunesmith.stages.plan.race import Cell, Course, OutOfTime, Runner, run_race
from tunesmith.stages.plan.rows import Fold, fold_splits, make_folds, rung_sizes
from tunesmith.store.atomic import new_files

CANDIDATES = {
    "classification": ("zero-shot", "probe", "contrastive", "full"),
    "matching": ("probe", "contrastive", "full"),
    "relation": ("probe", "contrastive", "full"),
    "multilabel": ("probe", "full"),
    "ner": ("probe", "full"),
    "qa": ("full", "lora"),
    "choice": ("full", "lora"),
}
"""The methods that suit a task, the cheapest first."""

ADDED = ("boost", "augmentation", "reliability")
"""What a request adds to training, or sets apart of the rows: trials do so too."""

FORMAT_VERSION = 1


@dataclass(slots=True)
class Clock:
    """The budget: it listens to everything and breaks off what runs beyond it.

    `memory` is the largest resident memory that was seen since it was last set to 0, in bytes.
    """

    ends: float
    emit: Callable[[Event], None]
    memory: int = 0
    process: psutil.Process = field(default_factory=psutil.Process)

    def left(self) -> float:
        """Return the seconds that are left."""
        return self.ends - time.perf_counter()

    def listen(self, event: Event) -> None:
        """Hand on what shows that work goes on. Raises `OutOfTime` once the budget is spent."""
        self.memory = max(self.memory, self.process.memory_info().rss)
        if isinstance(event, Progress | Step):
            self.emit(event)
        if self.left() < 0:
            raise OutOfTime


@dataclass(slots=True)
class Trials:
    """The trials of one plan: what is measured, on which rows, by which clock."""

    spec: PlanSpec
    session: Session
    prepared: Prepared
    rows: Sequence[Any]
    folds: Sequence[Fold]
    clock: Clock
    costs: dict[str, Cost] = field(default_factory=dict)
    done: dict[tuple[str, int], list[Trial]] = field(default_factory=dict)

    def measure(self, name: str, size: int, folds: int) -> Cell:
        """Return what a method scores after `size` rows, over so many folds; none is done twice."""
        spec = _fit_spec(self.spec, name)
        trials = self.done.setdefault((name, size), [])
        self.clock.memory = 0
        for fold in self.folds[len(trials) : folds]:
            splits = fold_splits(self.rows, fold, size)
            trial = run_trial(spec, self.session, self.prepared, splits)
            self._note_cost(name, trial)
            trials.append(trial.without_engine())
        task = trials[0].task
        found = task.mark(
            [example for trial in trials for example in trial.examples],
            [reply for trial in trials for reply in trial.answers],
            seed=self.spec.seed,
        ).measures[task.selection]
        self.clock.emit(Said(f"{name}, {size:,} rows: {task.selection} {found}"))
        return Cell(
            rows=size,
            score=found.value,
            low=found.value if found.low is None else found.low,
            high=found.value if found.high is None else found.high,
            count=sum(len(trial.examples) for trial in trials),
            folds=len(trials),
            seconds=mean(trial.seconds for trial in trials),
        )

    def _note_cost(self, name: str, trial: Trial) -> None:
        known = self.costs.get(name)
        latency = latency_ms(trial) if known is None else known.latency_ms
        memory = max(self.clock.memory / 1e9, 0.0 if known is None else known.memory_gb)
        self.costs[name] = Cost(latency, memory)


def plan_and_write(spec: PlanSpec, session: Session) -> PlanResult:
    """Return a plan, after plan.json and plan.html were written."""
    out = open_output_folder(str(spec.folder), overwrite=spec.overwrite)
    plan = make_plan(spec, session)
    with new_files(out or spec.folder) as folder:
        (folder / "plan.json").write_text(
            json.dumps(plan, ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
        )
        page = {"title": Path(spec.data.removeprefix("hub:")).name, "plan": plan}
        (folder / "plan.html").write_text(
            render_page(page, language=spec.language), encoding="utf-8"
        )
    return PlanResult(plan, spec.folder, _next_command(spec, plan["choice"]))


def make_plan(spec: PlanSpec, session: Session) -> dict[str, Any]:
    """Return the evidence: every cell that was measured, the ladder, the choice and its reason.

    Raises `SpecError` for candidates that cannot tune the task, `DataError` where the rows are too
    few, and `ResourceError` where the budget ends before anything was measured.
    """
    wanted = settle_candidates(spec, spec.task)
    names = suited_candidates(spec, wanted)
    if len(names) < len(wanted):
        session.emit(Said(f"only {', '.join(names)} can learn with what is added to training"))
    started = time.perf_counter()
    clock = Clock(time.perf_counter() + 60 * spec.budget_minutes, session.emit)
    prepared = prepare_sound(_fit_spec(spec, names[-1]), session, tokens=Tokens(session.emit))
    rows = [*prepared.splits.train, *prepared.splits.valid]
    for name in names:
        prepared.task.with_method(name)
        refuse_boosters(_fit_spec(spec, name), prepared.task)
    folds = make_folds(rows, prepared.task, seed=spec.seed)
    sizes = rung_sizes(folds, classes=len(prepared.task.labels))
    watched = Session(
        workspace=session.workspace, device=str(session.device), listener=clock.listen
    )
    session.emit(
        Said(f"measuring {', '.join(names)} on {', '.join(f'{size:,}' for size in sizes)} rows")
    )
    trials = Trials(spec, watched, prepared, rows, folds, clock)
    with threads(spec.training.threads):
        course = Course(sizes, len(folds), len(rows), to_the_end=spec.whole_curves)
        runners = run_race(names, course, trials.measure, seconds_left=clock.left)
    if not any(runner.cells for runner in runners.values()):
        raise ResourceError(
            f"the budget must reach for one method; {spec.budget_minutes:g} minutes ended while "
            f"{names[0]} learned from {sizes[0]:,} rows",
            hint=f"--budget-minutes {max(1.0, 4 * spec.budget_minutes):g}",
        )
    limits = Limits(spec.max_latency_ms, spec.max_memory_gb)
    verdict = judge(runners, trials.costs, limits, rows=len(rows), more=spec.more_labels)
    plan = _evidence(spec, prepared, runners, verdict, rows=rows)
    return plan | {"seconds": round(time.perf_counter() - started, 1)}


def settle_candidates(recipe: PlanRecipe, task: str) -> tuple[str, ...]:
    """Return the methods to measure. Raises `SpecError` where a plan cannot be made of them."""
    if task not in CANDIDATES:
        raise SpecError(
            f"a plan must have rows whose answers can be counted; {task} is written or ranked",
            hint=f"a task such as {', '.join(CANDIDATES)}",
        )
    if unknown := [name for name in recipe.candidates if name not in METHODS]:
        raise SpecError(
            f"`candidates` must be methods; got {', '.join(unknown)}",
            hint=f"they are {', '.join(METHODS)}",
        )
    return tuple(dict.fromkeys(recipe.candidates)) or CANDIDATES[task]


def suited_candidates(spec: PlanSpec, names: Sequence[str]) -> tuple[str, ...]:
    """Return the methods that can learn with what is added to training.

    Raises `SpecError` where a method that was named cannot, or none can.
    """
    refused: dict[str, SpecError] = {}
    for name in names:
        try:
            refuse_boosters(_fit_spec(spec, name))
            refuse_enriching(_fit_spec(spec, name))
        except SpecError as error:
            refused[name] = error
    kept = tuple(name for name in names if name not in refused)
    if refused and (spec.candidates or not kept):
        problems = [problem for error in refused.values() for problem in error.problems]
        listed = ",".join(kept)
        named = f"--candidates {listed}, or for fit --set method.candidates={listed}"
        hint = named if kept else next(iter(refused.values())).hint
        raise SpecError(list(dict.fromkeys(problems)), hint=hint)
    return kept


def _fit_spec(spec: PlanSpec, method: str) -> FitSpec:
    """Return the request that would tune these rows by `method`."""
    shared = {name: getattr(spec, name) for name in ("data", "task", "model", "column", "valid")}
    shared |= {name: getattr(spec, name) for name in ("test", "split", "seed", "device", *ADDED)}
    return FitSpec.model_validate(shared | {"method": method, "training": spec.training})


def _evidence(
    spec: PlanSpec,
    prepared: Prepared,
    runners: Mapping[str, Runner],
    verdict: Verdict,
    *,
    rows: Sequence[Any],
) -> dict[str, Any]:
    cells = {
        name: [{part: getattr(cell, part) for part in cell.__slots__} for cell in runner.cells]
        for name, runner in runners.items()
    }
    return {
        "format_version": FORMAT_VERSION,
        "data": spec.data,
        "task": prepared.task.kind,
        "model": prepared.backbone.card.name,
        "measure": prepared.task.selection,
        "rows": len(rows),
        "sha256": fingerprint_examples(rows),
        "budget_minutes": spec.budget_minutes,
        "seed": spec.seed,
        "cells": cells,
        "left": {name: runner.left for name, runner in runners.items() if runner.left},
        **verdict.to_json(),
    }


def _next_command(spec: PlanSpec, method: str) -> str:
    words = ["tunesmith", "fit", spec.data, "--task", spec.task, "--method", method]
    for role, name in spec.column.items():
        words += ["--column", f"{role}={name}"]
    if spec.model.name != "minilm":
        words += ["--model", spec.model.name]
    if spec.boost.names:
        words += ["--boost", ",".join(spec.boost.names)]
    if spec.augmentation is not None:
        words += ["--augmentation", spec.augmentation.name]
    return " ".join(shlex.quote(word) for word in words)
