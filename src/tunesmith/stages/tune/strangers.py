"""Which score tells texts that are outside from those a model was taught, and from where on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.events import Said
from tunesmith.core.reliability import ReliabilityRecipe
from tunesmith.measure.outside import (
    ClassDistances,
    Neighbours,
    balanced_threshold,
    energy_scores,
    false_alarms_at,
    fit_distances,
    recall_threshold,
    roc_area,
    unit_rows,
)
from tunesmith.model.encoding import encode_windows
from tunesmith.runtime.engine import score_with_vectors, window_vectors
from tunesmith.runtime.outside import Outside, ScoreName
from tunesmith.stages.tune.job import Job

READ_WINDOWS = 20_000
"""Training windows that class means and the shared covariance are made of, at most."""
INSIDE_RECALL = 0.95
VECTOR_SCORES = ("mahalanobis", "neighbours")

Outputs = tuple[NDArray, NDArray]
"""Logits (n, C) and vectors (n, H) of n rows."""


@dataclass(frozen=True, slots=True)
class Strangeness:
    """The score that was taken, with its threshold, and what each score was worth.

    `figures` holds `auroc` and `fpr_95` of each score on validation rows inside and rows outside,
    and is empty where none outside were known.
    """

    outside: Outside
    inside_rows: int
    outside_rows: int
    inside_recall: float
    outside_recall: float | None
    figures: dict[str, dict[str, float]]

    def to_json(self) -> dict[str, Any]:
        """Return the fields under their own names, those of the score first."""
        names = [name for name in self.__slots__ if name != "outside"]
        return {**self.outside.to_json(), **{name: getattr(self, name) for name in names}}


def wants_vectors(recipe: ReliabilityRecipe) -> bool:
    """Tell whether a score that is asked for, or compared, is one of vectors."""
    is_compared = recipe.outside_score == "auto" and recipe.outside is not None
    return is_compared or recipe.outside_score in VECTOR_SCORES


def learn_strangeness(job: Job, valid: Sequence[tuple[NDArray, NDArray | None]]) -> Strangeness:
    """Return the best score of the recipe, and its threshold.

    `valid` are logits and, where they are wanted, vectors of the validation rows. Rows outside were
    not tuned on, so those of train help to choose too.
    """
    recipe = job.reliability
    scores = _scores(job)
    inside = _outputs(valid)
    known = _read_strangers(job)
    found = {name: score(inside) for name, score in scores.items()}
    strange = {name: score(known) for name, score in scores.items()} if known else {}
    name = next(iter(scores))
    if known:
        name = max(scores, key=lambda each: roc_area(found[each], strange[each]))
    if not known or recipe.inside_recall is not None:
        threshold = recall_threshold(found[name], recipe.inside_recall or INSIDE_RECALL)
    else:
        threshold = balanced_threshold(found[name], strange[name])
    outside = Outside(name, threshold, recipe.outside, scores[name].statistics)
    learned = Strangeness(
        outside,
        inside_rows=len(found[name]),
        outside_rows=len(known[0]) if known else 0,
        inside_recall=float((found[name] <= threshold).mean()),
        outside_recall=float((strange[name] > threshold).mean()) if known else None,
        figures={
            each: {
                "auroc": roc_area(found[each], strange[each]),
                "fpr_95": false_alarms_at(found[each], strange[each]),
            }
            for each in strange
        },
    )
    job.emit(Said(describe(learned)))
    return learned


def describe(learned: Strangeness) -> str:
    """Return in a sentence which score was taken, and what its threshold does."""
    passed = f"{learned.inside_recall:.1%} of {learned.inside_rows:,} validation rows inside pass"
    if learned.outside_recall is None:
        return f"outside: {learned.outside.name}; {passed}"
    areas = ", ".join(f"{name} {found['auroc']:.3f}" for name, found in learned.figures.items())
    return (
        f"outside: {learned.outside.name}, by the area under the ROC curve ({areas}); {passed}, "
        f"{learned.outside_recall:.1%} of {learned.outside_rows:,} rows outside are found"
    )


@dataclass(frozen=True, slots=True)
class _Score:
    """One way to say how strange rows are."""

    statistics: ClassDistances | Neighbours | None = None

    def __call__(self, rows: Outputs) -> NDArray:
        return energy_scores(rows[0]) if self.statistics is None else self.statistics(rows[1])


def _scores(job: Job) -> dict[ScoreName, _Score]:
    """Return the scores that are compared, or the one that is taken, with their statistics."""
    recipe = job.reliability
    if not wants_vectors(recipe):
        return {"energy": _Score()}
    windows, targets = job.train.sample(READ_WINDOWS, seed=job.seed)
    job.emit(Said(f"reading {len(windows):,} training windows for what is inside"))
    vectors = window_vectors(job.engine, windows)
    chosen = np.random.default_rng(job.seed).permutation(len(vectors))[: recipe.bank_rows]
    made: dict[ScoreName, _Score] = {
        "energy": _Score(),
        "mahalanobis": _Score(fit_distances(vectors, targets, classes=len(job.task.labels))),
        "neighbours": _Score(Neighbours(unit_rows(vectors[np.sort(chosen)]), recipe.neighbours)),
    }
    wish = recipe.outside_score
    return {name: score for name, score in made.items() if wish in ("auto", name)}


def _read_strangers(job: Job) -> Outputs | None:
    """Return the outputs of the rows outside, or None where there are none."""
    if not job.strangers:
        return None
    engine, inputs = job.engine, [example.inputs for example in job.strangers]
    windows = list(encode_windows(engine.tokenizer, inputs, engine.reading))
    return _outputs(score_with_vectors(engine, windows, inputs))


def _outputs(rows: Sequence[tuple[NDArray, NDArray | None]]) -> Outputs:
    logits = np.stack([row for row, _ in rows])
    vectors = [vector for _, vector in rows if vector is not None]
    return logits, np.stack(vectors) if vectors else np.zeros((len(logits), 0))
