"""What the validation rows teach of how far a tuned model can be relied on."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.events import Said
from tunesmith.measure.calibrators import Calibrator, probabilities
from tunesmith.measure.conformal import label_scores
from tunesmith.runtime.engine import score_windows, score_with_vectors
from tunesmith.runtime.reliability import HeldOut
from tunesmith.stages.tune.calibrating import Calibration, choose_calibration
from tunesmith.stages.tune.decision import FEWEST_ROWS
from tunesmith.stages.tune.job import Fitted, Job
from tunesmith.stages.tune.learned import Learned
from tunesmith.stages.tune.strangers import describe as describe_strangeness
from tunesmith.stages.tune.strangers import learn_strangeness, wants_vectors
from tunesmith.tasks.labelled import OneLabel
from tunesmith.tasks.odds import Odds, link_of, odds_of


class ValidRows:
    """The validation rows as the tuned model reads them: once, and only where that is asked for."""

    def __init__(self, job: Job) -> None:
        """Remember whom to ask."""
        self._job = job

    @cached_property
    def outputs(self) -> list[tuple[NDArray, NDArray | None]]:
        """The raw outputs of each row, and its vector where the recipe needs that."""
        job = self._job
        inputs = [example.inputs for example in job.valid.examples]
        if knows_outside(job) and wants_vectors(job.reliability):
            return list(score_with_vectors(job.engine, job.valid.windows, inputs))
        return [(row, None) for row in score_windows(job.engine, job.valid.windows, inputs)]

    def scores(self) -> Sequence[np.ndarray]:
        """Return the raw outputs alone."""
        return [row for row, _ in self.outputs]


def knows_outside(job: Job) -> bool:
    """Tell whether the task may say that a text is none of what its model was taught."""
    is_labelled = isinstance(job.task, OneLabel) and link_of(job.task) is not None
    return is_labelled and job.reliability.outside_score != "none"


def learn_reliability(job: Job, fitted: Fitted, valid: ValidRows, *, shift: float = 0.0) -> Learned:
    """Return what the validation rows teach; `shift` is what `settle` added to each logit.

    `valid` has their raw outputs from before that shift. Fewer than 50 rows teach nothing, nor do
    those of a task that answers without probabilities. Its reasons are added to `fitted`.
    """
    recipe = job.reliability
    link = link_of(job.task)
    if link is None or not recipe.learns or len(job.valid.examples) < FEWEST_ROWS:
        return Learned()
    odds = odds_of(job.task, [row + shift for row in valid.scores()], job.valid.examples)
    if len(odds) < FEWEST_ROWS:
        return Learned()
    calibration = None
    if recipe.calibration != "none":
        calibration = choose_calibration(odds, recipe, shift=shift, seed=job.seed)
        _tell(job, fitted, describe(calibration))
    calibrator = calibration.calibrator if calibration else Calibrator(link)
    held = None
    if link == "softmax" and recipe.keep_rows:
        held = hold(odds, calibrator, is_labelled=bool(job.task.labels))
    strangeness = None
    if knows_outside(job):
        strangeness = learn_strangeness(job, valid.outputs)
        fitted.reasons.append(describe_strangeness(strangeness))
    return Learned(calibration, held, strangeness, is_refitted=fitted.finish is not None)


def hold(odds: Odds, calibrator: Calibrator, *, is_labelled: bool) -> HeldOut:
    """Return what later answers are held against; label sets are for tasks with labels."""
    ratios = [probabilities(calibrator(row), "softmax") for row in odds.logits]
    gold = np.array(odds.gold, dtype=np.int64)
    confidence = np.array([row.max() for row in ratios])
    correct = np.array([row.argmax() for row in ratios]) == gold
    if not is_labelled:
        return HeldOut(confidence, correct)
    rows, table = np.arange(len(gold)), np.stack(ratios)
    lac, aps, raps = (label_scores(table, name)[rows, gold] for name in ("lac", "aps", "raps"))
    return HeldOut(confidence, correct, gold, lac, aps, raps)


def describe(calibration: Calibration) -> str:
    """Return in a sentence what was done and what it is worth."""
    before, after = calibration.before, calibration.after
    what = calibration.calibrator.name
    if calibration.calibrator.temperatures:
        mean = float(np.mean(calibration.calibrator.temperatures))
        what = f"temperature {mean:.3g}"
    return (
        f"calibration: {what}; on {calibration.rows:,} validation rows, each judged by a fit of "
        f"the others, log-loss {before['log_loss']:.3f} to {after['log_loss']:.3f}, calibration "
        f"error {before['ece']:.3f} to {after['ece']:.3f}"
    )


def _tell(job: Job, fitted: Fitted, reason: str) -> None:
    fitted.reasons.append(reason)
    job.emit(Said(reason))
