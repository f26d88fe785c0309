"""What is said of an answer beside it: a set of labels that holds, and whether to keep it at all.

All of it follows from the answer's probabilities and from what the model said of held-out rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.answers import Answer, ChoiceAnswer, LabelAnswer
from tunesmith.core.errors import SpecError
from tunesmith.core.examples import Example
from tunesmith.core.reliability import Demands
from tunesmith.measure.conformal import (
    SetMethod,
    class_quantiles,
    conformal_quantile,
    coverage_band,
    fewest_rows,
    label_scores,
    label_sets,
    rows_for_band,
)
from tunesmith.measure.selective import LEVEL, Threshold, choose_threshold
from tunesmith.runtime.engine import Engine
from tunesmith.runtime.reliability import HeldOut, Reliability
from tunesmith.tasks.labelled import OneLabel
from tunesmith.tasks.odds import link_of
from tunesmith.tasks.task import Task


@dataclass(frozen=True, slots=True)
class LabelSets:
    """How sets of labels are made: those whose score is at most the quantile, or their own.

    `rows` are what the quantile rests on, `warnings` what a reader of the sets must know.
    """

    method: SetMethod
    coverage: float
    quantile: NDArray
    rows: int
    warnings: tuple[str, ...] = ()

    def of(self, probabilities: NDArray) -> NDArray:
        """Return (n, C) which labels stand in the set of each row of probabilities (n, C)."""
        return label_sets(label_scores(probabilities, self.method), self.quantile)


@dataclass(frozen=True, slots=True)
class Judge:
    """What answers are asked to tell beside themselves.

    `sets` makes the label sets; below `least` in confidence an answer is not to be relied on, which
    `promise` explains where it came from a wished precision.
    """

    sets: LabelSets | None = None
    least: float | None = None
    promise: Threshold | None = None

    def fields(self, reply: Answer) -> dict[str, Any]:
        """Return what stands beside an answer in the output."""
        told: dict[str, Any] = {}
        if self.sets is not None and isinstance(reply, LabelAnswer):
            ratios = np.array([list(reply.scores.values())])
            names = np.array(list(reply.scores))[self.sets.of(ratios)[0]].tolist()
            told["label_set"] = sorted(names, key=lambda name: -reply.scores[name])
        if self.least is not None and isinstance(reply, LabelAnswer | ChoiceAnswer):
            told["abstained"] = bool(reply.confidence < self.least)
            if told["abstained"]:
                told["reason"] = f"confidence {reply.confidence:.3f} is below {self.least:.3f}"
        return told


def asked_of(engine: Engine, demands: Demands) -> Engine:
    """Return the engine that tells of strangers where it knows some, or is asked to.

    Raises `SpecError` where it is asked and cannot.
    """
    known = engine.reliability.outside
    if demands.outside and known is None:
        raise SpecError(
            "`outside` needs a bundle for one label a row that learned what is inside; this one is "
            f"for {engine.task.kind}, or was tuned with fewer than 50 validation rows",
            hint="leave out --outside",
        )
    if known is None or known.label is not None or demands.outside:
        return engine
    return replace(engine, reliability=replace(engine.reliability, outside=None))


def split_strangers(
    examples: Sequence[Example], reliability: Reliability
) -> tuple[Sequence[Example], Sequence[Example]]:
    """Return the rows inside, and those of the label that means outside where there is one."""
    outside = reliability.outside
    if outside is None or outside.label is None:
        return examples, ()
    strange = [row for row in examples if row.gold == outside.label]
    if not strange:
        return examples, ()
    return [row for row in examples if row.gold != outside.label], strange


def make_judge(demands: Demands, task: Task, reliability: Reliability) -> Judge:
    """Return what judges answers as `demands` ask.

    Raises `SpecError` where the task, or what the bundle holds, cannot meet them.
    """
    sets = None
    least, promise = demands.abstain_below, None
    if demands.coverage is not None:
        _require_labels(task)
        held = _require_held(reliability, "coverage")
        sets = make_sets(
            held,
            demands.coverage,
            classes=len(task.labels),
            method=demands.sets,
            each_class=demands.each_class,
        )
    wishes = (least, demands.abstain_at)
    if any(wish is not None for wish in wishes) and link_of(task) != "softmax":
        raise SpecError(
            "to abstain, an answer must be one of several with its probability; "
            f"{task.kind} has other answers",
            hint="leave out --abstain-at and --abstain-below",
        )
    if demands.abstain_at is not None:
        if least is not None:
            raise SpecError(
                "`abstain_at` and `abstain_below` must not be given together",
                hint="leave out --abstain-below",
            )
        held = _require_held(reliability, "abstain_at")
        promise = choose_threshold(held.confidence, held.correct, demands.abstain_at)
        _require_reached(promise)
        least = promise.threshold
    return Judge(sets, least, promise)


def make_sets(
    held: HeldOut, coverage: float, *, classes: int, method: SetMethod = "lac", each_class: bool
) -> LabelSets:
    """Return how sets of `classes` labels are made that hold the right one in a share of rows."""
    scores, gold = np.asarray(getattr(held, method)), np.asarray(held.gold)
    if each_class:
        quantile = class_quantiles(scores, gold, coverage, classes=classes)
        few = int(np.isinf(quantile).sum())
        warnings = [
            f"{few} of {classes} labels have fewer than the {fewest_rows(coverage)} validation "
            f"rows that {coverage:g} needs, and stand in every set"
        ]
        return LabelSets(method, coverage, quantile, len(gold), tuple(warnings if few else ()))
    quantile = np.full(classes, conformal_quantile(scores, coverage))
    return LabelSets(method, coverage, quantile, len(gold), warn_of_few(len(gold), coverage))


def warn_of_few(rows: int, coverage: float) -> tuple[str, ...]:
    """Return what must be said of a quantile that rests on so few rows; nothing where they do."""
    low, high = coverage_band(rows, coverage)
    if rows < fewest_rows(coverage):
        return (
            f"a coverage of {coverage:g} needs {fewest_rows(coverage)} validation rows at least; "
            f"there are {rows}, so every set holds all labels",
        )
    if rows < (wanted := rows_for_band(coverage)):
        return (
            f"{rows} validation rows leave the coverage {low:.3f} to {high:.3f} (90 % of draws) "
            f"where {coverage:g} was asked for; {wanted} would keep it above {coverage - 0.05:.2f}",
        )
    return ()


def _require_labels(task: Task) -> None:
    if not isinstance(task, OneLabel) or link_of(task) is None:
        raise SpecError(
            f"`coverage` is of sets of labels; an answer of {task.kind} is not one of several",
            hint="leave out --coverage",
        )


def _require_held(reliability: Reliability, setting: str) -> HeldOut:
    if reliability.held is None:
        raise SpecError(
            f"`{setting}` needs a bundle that remembers 50 validation rows or more; this one does "
            "not",
            hint="tune again with more validation rows, or name a confidence: --abstain-below 0.7",
        )
    return reliability.held


def _require_reached(promise: Threshold) -> None:
    if promise.is_reached:
        return
    best = max(0.01, int(promise.low * 100) / 100)
    raise SpecError(
        f"`abstain_at` must be a precision that the {promise.rows:,} validation rows can promise "
        f"with {LEVEL:.0%} confidence; for {promise.wished:g} no threshold can. The best is "
        f"{promise.low:.3f}, at a confidence of {promise.threshold:.3f} and {promise.coverage:.0%} "
        "of the rows answered",
        hint=f"--abstain-at {best:.2f}, or tune with more validation rows",
    )
