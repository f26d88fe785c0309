"""How far answers can be relied on, as a report tells it: measured on the rows that were marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.examples import Example
from tunesmith.core.measures import Measure
from tunesmith.measure.calibrators import Calibrator, calibration_scores
from tunesmith.measure.conformal import coverage_band
from tunesmith.measure.intervals import bootstrap_measures, wilson_interval
from tunesmith.measure.means import mean_statistics
from tunesmith.measure.outside import false_alarms_at, roc_area
from tunesmith.measure.selective import RiskCoverage, risk_coverage
from tunesmith.runtime.engine import Engine, answer
from tunesmith.runtime.judging import Judge, make_sets
from tunesmith.stages.evaluate.marking import Marked
from tunesmith.tasks.odds import calibrated, link_of, odds_of

CURVE_POINTS = 100
USUAL_COVERAGE = 0.9
"""The coverage of the label sets that a report measures where nobody asked for another."""


def judge_reliability(
    engine: Engine,
    marked: Marked,
    *,
    strangers: Sequence[Example] = (),
    judge: Judge | None = None,
    learned: Mapping[str, Any] | None = None,
) -> tuple[Marked, dict[str, Any] | None]:
    """Return the marks with measures of reliability, and what the report tells beside them.

    `strangers` are rows outside the task, `judge` what was asked of answers. `learned` is what
    `bundle.json` keeps, where the marked rows are those it was learned of: label sets are not
    measured then, and the figures of calibration, which are of fits of other rows, take the place
    of measured ones. Answers without probabilities have nothing to tell.
    """
    if not marked.scores:
        return marked, None
    told: dict[str, Any] = {"calibration": _calibration(engine, marked, learned)}
    measures: dict[str, Measure] = {}
    if link_of(marked.task) == "softmax":
        confidence, correct = _answers(marked)
        curve = risk_coverage(confidence, correct)
        measures["aurc"] = Measure(curve.area, "ratio", len(correct))
        told["selective"] = {"aurc": curve.area, "rows": len(correct), "curve": _points(curve)}
        if judge is not None and judge.least is not None:
            measures |= _answered(confidence, correct, judge.least)
            promise = judge.promise.to_json() if judge.promise else None
            told["selective"] |= {"least": judge.least, "promise": promise}
    if learned is None:
        found, told["sets"] = _sets(engine, marked, judge)
        measures |= found
    if (known := engine.reliability.outside) is not None and (known.label or judge is not None):
        found, told["outside"] = _outside(engine, marked, strangers)
        measures |= found
    marks = replace(marked.marks, measures={**marked.marks.measures, **measures})
    return replace(marked, marks=marks), told


def _answers(marked: Marked) -> tuple[NDArray, NDArray]:
    """Return (n,) the confidence of each answer, and whether it was right."""
    replies: Sequence[Any] = marked.answers
    given = [getattr(reply, "label", getattr(reply, "index", None)) for reply in replies]
    correct = [ex.gold == own for ex, own in zip(marked.examples, given, strict=True)]
    return np.array([reply.confidence for reply in replies]), np.array(correct)


def _calibration(
    engine: Engine, marked: Marked, learned: Mapping[str, Any] | None
) -> dict[str, Any] | None:
    """Return the figures before and after calibration, and what they rest on."""
    if learned is not None:
        own = learned.get("calibration")
        return {**own, "basis": "folds"} if own else None
    odds = odds_of(marked.task, marked.scores, marked.examples)
    if not len(odds):
        return None
    calibrator = engine.reliability.calibrator or Calibrator(odds.link)
    after = [calibrated(calibrator, row) for row in odds.logits]
    figures = {
        name: calibration_scores(logits, odds.gold, odds.link, raw=odds.logits)
        for name, logits in (("before", odds.logits), ("after", after))
    }
    return {**calibrator.to_json(), "rows": len(odds), **figures, "basis": "rows"}


def _points(curve: RiskCoverage) -> list[dict[str, float]]:
    """Return at most a hundred points of the curve, its last one among them."""
    count = len(curve.risk)
    places = np.unique(np.linspace(0, count - 1, min(count, CURVE_POINTS)).round().astype(int))
    return [
        {
            "threshold": float(curve.threshold[at]),
            "coverage": float(curve.coverage[at]),
            "risk": float(curve.risk[at]),
        }
        for at in places
    ]


def _answered(confidence: NDArray, correct: NDArray, least: float) -> dict[str, Measure]:
    given = confidence >= least
    return {
        "answered": _share(int(given.sum()), len(given)),
        "answered_precision": _share(int(correct[given].sum()), int(given.sum())),
    }


def _sets(
    engine: Engine, marked: Marked, judge: Judge | None
) -> tuple[dict[str, Measure], dict[str, Any] | None]:
    """Return how many label sets of the marked rows hold the right label, and their sizes."""
    held = engine.reliability.held
    if held is None or held.gold is None:
        return {}, None
    labels = marked.task.labels
    sets = judge.sets if judge is not None else None
    sets = sets or make_sets(held, USUAL_COVERAGE, classes=len(labels), each_class=False)
    replies: Sequence[Any] = marked.answers
    chosen = sets.of(np.array([[reply.scores[label] for label in labels] for reply in replies]))
    place = {label: number for number, label in enumerate(labels)}
    gold = [place.get(example.gold, -1) for example in marked.examples]
    covered = [at >= 0 and row[at] for row, at in zip(chosen, gold, strict=True)]
    sizes = mean_statistics({"label_set_size": chosen.sum(axis=1)})
    found = {"label_set_coverage": _share(int(np.sum(covered)), len(covered))}
    found |= bootstrap_measures(sizes, len(covered), unit="labels")
    band = list(coverage_band(sets.rows, sets.coverage))
    told = {"method": sets.method, "coverage": sets.coverage, "rows": sets.rows, "band": band}
    return found, {**told, "warnings": list(sets.warnings)}


def _outside(
    engine: Engine, marked: Marked, strangers: Sequence[Example]
) -> tuple[dict[str, Measure], dict[str, Any]]:
    """Return what the threshold does on rows inside and, where there are any, rows outside."""
    known: Any = engine.reliability.outside
    replies: Sequence[Any] = marked.answers
    _, correct = _answers(marked)
    flagged = np.array([reply.outside for reply in replies])
    found = {"inside_accuracy": _share(int((correct & ~flagged).sum()), len(flagged))}
    told = {"name": known.name, "threshold": known.threshold, "label": known.label}
    told |= {"inside_rows": len(flagged), "outside_rows": len(strangers)}
    if not strangers:
        return found, told
    away: Sequence[Any] = list(answer(engine, (example.inputs for example in strangers)))
    inside = [reply.outside_score for reply in replies]
    outside = [reply.outside_score for reply in away]
    hits = sum(reply.outside for reply in away)
    rows = len(inside) + len(outside)
    found["outside_recall"] = _share(hits, len(away))
    found["outside_precision"] = _share(hits, hits + int(flagged.sum()))
    found["outside_auroc"] = Measure(roc_area(inside, outside), "ratio", rows)
    found["outside_fpr_95"] = Measure(false_alarms_at(inside, outside), "ratio", rows)
    return found, told


def _share(successes: int, count: int) -> Measure:
    """Return a share of rows with its 95 % interval."""
    low, high = wilson_interval(successes, count)
    return Measure(successes / count if count else 0.0, "ratio", count, low, high)
