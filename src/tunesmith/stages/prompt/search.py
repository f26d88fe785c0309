"""The best prompt of many, by successive halving on growing samples of the training rows.

The validation rows are not here: what is searched on cannot measure what was found.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tunesmith.core.errors import DataError, TunesmithError
from tunesmith.core.events import Progress, Validated
from tunesmith.core.examples import Example
from tunesmith.core.measures import Measure
from tunesmith.runtime.engine import Engine, answer
from tunesmith.runtime.prompted import log_shares
from tunesmith.stages.prompt.candidates import Candidate, MadePrompt, PromptJob, make_prompt
from tunesmith.stages.prompt.transcript import Transcript, Trial
from tunesmith.tasks.asking import gold_groups


@dataclass(frozen=True, slots=True)
class SearchBudget:
    """How much may be tried: `first_rows` for all candidates, then twice as many for each half.

    The search ends with one candidate, with all rows, or after `minutes`.
    """

    first_rows: int
    minutes: float | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """The best candidate, the prompt made of it, and why the search ended."""

    candidate: Candidate
    made: MadePrompt
    trial: Trial
    reason: str


def find_best(
    job: PromptJob,
    candidates: Sequence[Candidate],
    rows: Sequence[Example],
    *,
    budget: SearchBudget,
    transcript: Transcript,
) -> Found:
    """Return the candidate that is best on the largest sample that was measured whole.

    Rows are taken from the first on, so every sample holds the smaller ones. What stands in the
    transcript is not measured again; equal measures are told apart by the log-probability of the
    right answers, then by the order of the candidates. Raises `DataError` where no candidate can be
    made.
    Source: successive halving, Jamieson & Talwalkar 2016, algorithm 1, its budget in rows.
    """
    started = time.perf_counter() - transcript.seconds
    left, best, reason = list(candidates), list[Trial](), ""
    count, number = min(budget.first_rows, len(rows)), 0
    while not reason:
        number += 1
        trials: list[Trial] = []
        for at, candidate in enumerate(left):
            known = transcript.trials.get((candidate.identity, count))
            if known is None and _is_over(started, budget, best or trials):
                reason = f"the budget of {budget.minutes:g} minutes ended in round {number}"
                break
            if known is None:
                known = _try(job, candidate, rows[:count], round_number=number)
                transcript.add(known)
            trials.append(known)
            job.emit(Progress(f"round {number}", at + 1, len(left), "prompts"))
        ranked = sorted(trials, key=lambda trial: trial.rank, reverse=True)
        ranked = [trial for trial in ranked if trial.measure is not None]
        if not best or len(trials) == len(left):
            best = ranked or best
        _refuse_nothing(trials, best)
        job.emit(Validated(number, best[0].name, _value(best[0]), True, f"round {number}"))
        left = [trial.candidate for trial in best[: max(1, math.ceil(len(left) / 2))]]
        if not reason and (len(left) == 1 or count == len(rows)):
            reason = f"{number} rounds, the last on {count:,} training rows"
        count = min(count * 2, len(rows))
    made = make_prompt(job, best[0].candidate)
    return Found(best[0].candidate, made, best[0], reason)


def measure_prompt(
    engine: Engine, rows: Sequence[Example], *, seed: int = 0
) -> tuple[str, Measure, float]:
    """Return the name of the task's own measure, the measure, and the mean log-probability.

    The latter is that of the right answers, before any calibration.
    """
    task = engine.task
    inputs = [row.inputs for row in rows]
    answers = list(answer(engine, inputs))
    measure = task.mark(rows, answers, seed=seed).measures[task.selection]
    values = [
        own[group]
        for row, shares in zip(rows, log_shares(engine, inputs), strict=True)
        for own, group in zip(shares, gold_groups(task, row), strict=True)
    ]
    return task.selection, measure, float(np.mean(values))


def _try(
    job: PromptJob, candidate: Candidate, rows: Sequence[Example], *, round_number: int
) -> Trial:
    started = time.perf_counter()
    fields: dict[str, Any] = {"candidate": candidate, "round": round_number, "rows": len(rows)}
    try:
        made = make_prompt(job, candidate)
    except TunesmithError as error:
        return Trial(
            **fields,
            name=job.engine.task.selection,
            measure=None,
            log_probability=0.0,
            seconds=round(time.perf_counter() - started, 3),
            examples=0,
            left_out=0,
            problem=str(error.problems[0]),
        )
    name, measure, log_probability = measure_prompt(made.engine, rows)
    return Trial(
        **fields,
        name=name,
        measure=measure,
        log_probability=round(log_probability, 6),
        seconds=round(time.perf_counter() - started, 3),
        examples=made.examples,
        left_out=made.left_out,
    )


def _is_over(started: float, budget: SearchBudget, tried: Sequence[Trial]) -> bool:
    """Tell whether the time is up; something is always tried."""
    if budget.minutes is None or not any(trial.measure for trial in tried):
        return False
    return time.perf_counter() - started > 60 * budget.minutes


def _refuse_nothing(trials: Sequence[Trial], best: Sequence[Trial]) -> None:
    if best:
        return
    problems = list(dict.fromkeys(trial.problem for trial in trials))
    raise DataError(problems, hint="--set examples='[0]', or other templates")


def _value(trial: Trial) -> float:
    return trial.measure.value if trial.measure else 0.0
