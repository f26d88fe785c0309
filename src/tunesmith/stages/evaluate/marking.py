"""Marking an engine on examples: its answers, their marks, and the worst of its mistakes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tunesmith.core.answers import Answer, RankedAnswer, ScoreAnswer, TextAnswer
from tunesmith.core.errors import DataError
from tunesmith.core.events import Event, Progress
from tunesmith.core.examples import Example, taught_inputs
from tunesmith.measure.intervals import bootstrap_measures
from tunesmith.runtime.engine import Engine, outcomes
from tunesmith.tasks.odds import link_of
from tunesmith.tasks.task import Marks, Task

PROGRESS_ROWS = 256
LARGEST_LOG = 700.0
"""The largest power of e that a number can hold."""


@dataclass(frozen=True, slots=True)
class Marked:
    """Examples with the answers they got and the marks of these.

    `scores` are the raw outputs, of tasks that answer with probabilities.
    """

    task: Task
    examples: Sequence[Example]
    answers: Sequence[Answer]
    marks: Marks
    scores: Sequence[np.ndarray] = ()


def mark_engine(
    engine: Engine,
    examples: Sequence[Example],
    *,
    seed: int = 0,
    emit: Callable[[Event], None] = lambda _: None,
) -> Marked:
    """Return the engine's answers to `examples`, marked against their gold.

    Raises `DataError` where a row has no gold answer, or where there is no row.
    """
    _require_gold(engine.task, examples)
    answers, scores = [], []
    has_odds = link_of(engine.task) is not None
    for number, found in enumerate(outcomes(engine, (ex.inputs for ex in examples)), start=1):
        answers.append(found.answer)
        if has_odds:
            scores.append(found.scores)
        if number % PROGRESS_ROWS == 0 or number == len(examples):
            emit(Progress("evaluating", number, len(examples)))
    marks = engine.task.mark(examples, answers, seed=seed)
    if engine.task.head == "generate":
        marks = _with_perplexity(marks, engine, examples, seed=seed)
    return Marked(engine.task, examples, answers, marks, scores)


def mark_answers(
    task: Task, examples: Sequence[Example], answers: Sequence[Answer], *, seed: int = 0
) -> Marked:
    """Return answers that are known already, marked against the gold of their examples."""
    return Marked(task, examples, answers, task.mark(examples, answers, seed=seed))


def list_mistakes(marked: Marked, *, most: int | None = None) -> list[dict[str, Any]]:
    """Return the rows answered wrongly, the most confident first.

    The report shows the first of them, bad_cases.jsonl all; `most` None gives all.
    """
    return list_rows(marked, marked.marks.wrong[:most])


def list_rows(marked: Marked, rows: Sequence[int]) -> list[dict[str, Any]]:
    """Return what these rows asked, what was expected and what was answered."""
    return [
        {
            "id": marked.examples[row].id,
            "text": marked.task.show_inputs(marked.examples[row].inputs),
            "gold": marked.task.show_gold(marked.examples[row]),
            "predicted": marked.task.show_answer(marked.answers[row]),
            "confidence": _confidence(marked.answers[row]),
            "place": str(marked.examples[row].place),
        }
        for row in rows
    ]


def _with_perplexity(
    marks: Marks, engine: Engine, examples: Sequence[Example], *, seed: int
) -> Marks:
    """Return marks with the perplexity of the references, a token, their ends counted.

    Of several references the first counts. Source: Jelinek et al. 1977.
    """
    from tunesmith.runtime.writing import reference_log_probabilities  # noqa: PLC0415 (torch)

    sums = reference_log_probabilities(engine, [taught_inputs(example) for example in examples])
    if not sums[:, 1].any():
        return marks

    def statistic(weights: np.ndarray) -> dict[str, float]:
        total, count = weights @ sums
        return {"perplexity": math.exp(min(-total / max(count, 1), LARGEST_LOG))}

    measures = bootstrap_measures(
        statistic, len(examples), unit="choices", count=int(sums[:, 1].sum()), seed=seed
    )
    return replace(marks, measures={**marks.measures, **measures})


def _confidence(reply: Answer) -> float | None:
    """Return how sure the model was of its answer, or None where it named nothing.

    Of several labels or entities the least sure one counts, of a text the geometric mean of its
    tokens.
    """
    if hasattr(reply, "confidence"):
        return round(reply.confidence, 4)
    if isinstance(reply, TextAnswer):
        return None if reply.score is None else round(math.exp(reply.score), 4)
    if isinstance(reply, ScoreAnswer | RankedAnswer):
        return None
    if hasattr(reply, "entities"):
        return round(min((e.confidence for e in reply.entities), default=0.0), 4) or None
    return round(min((reply.scores[label] for label in reply.labels), default=0.0), 4) or None


def _require_gold(task: Task, examples: Sequence[Example]) -> None:
    role = task.gold_roles[0]
    column = task.columns.get(role, role)
    if not examples:
        raise DataError("there must be rows to evaluate on; got none", hint="--help")
    missing = [example for example in examples if example.gold is None]
    if missing:
        raise DataError(
            f"every row must have its gold answer in column `{column}`; "
            f"{len(missing):,} of {len(examples):,} have none (first at {missing[0].place})",
            hint=f"--column {role}=NAME",
        )
