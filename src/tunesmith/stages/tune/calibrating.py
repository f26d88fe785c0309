"""Which calibrator a tuned model gets: judged on validation rows that it was not fitted on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.reliability import ReliabilityRecipe
from tunesmith.measure.calibrators import (
    Calibrator,
    calibration_scores,
    fit_curves,
    fit_temperatures,
    row_losses,
)
from tunesmith.tasks.odds import Odds

CANDIDATES = {"temperature": fit_temperatures, "isotonic": fit_curves}
"""What is fitted, the simpler first."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """A calibrator, and what its kind did on rows that it was not fitted on.

    `before` and `after` hold `log_loss`, `brier` and `ece`; `rows` the validation rows.
    """

    calibrator: Calibrator
    rows: int
    before: dict[str, float]
    after: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """Return the calibrator's fields and the figures."""
        figures = {"rows": self.rows, "before": self.before, "after": self.after}
        return {**self.calibrator.to_json(), **figures}


def choose_calibration(
    odds: Odds, recipe: ReliabilityRecipe, *, shift: float = 0.0, seed: int = 0
) -> Calibration:
    """Return the calibrator of `recipe.calibration`, fitted on all rows of `odds`.

    `auto` compares none, temperature and isotonic by their log-loss on folds: each row is judged by
    what was fitted on the other folds. The simplest within one standard error of the best is taken
    (the rule of Breiman et al. 1984, §3.4.3); curves are out where they would lower the accuracy.
    `shift` is what was added to every logit to draw the line between yes and no elsewhere.
    """
    plain = Calibrator(odds.link, shift=shift)
    held: dict[str, tuple[NDArray, ...]] = {"none": tuple(map(plain, odds.logits))}
    wish = recipe.calibration
    for name in CANDIDATES:
        if wish in ("auto", name):
            held[name] = _cross_fitted(name, odds, recipe.folds, shift=shift, seed=seed)
    name = _simplest_good(odds, held) if wish == "auto" else wish
    is_plain = name == "none"
    calibrator = (
        plain if is_plain else CANDIDATES[name](odds.logits, odds.gold, odds.link, shift=shift)
    )
    before, after = (
        calibration_scores(logits, odds.gold, odds.link, raw=odds.logits)
        for logits in (odds.logits, held[name])
    )
    return Calibration(calibrator, len(odds), before, after)


def _cross_fitted(
    name: str, odds: Odds, folds: int, *, shift: float, seed: int
) -> tuple[NDArray, ...]:
    """Return each row's logits as a calibrator of the other folds makes them."""
    fold = np.random.default_rng(seed).permutation(len(odds)) % folds
    found: list[NDArray] = list(odds.logits)
    for number in range(folds):
        rest = odds.take(np.flatnonzero(fold != number))
        calibrator = CANDIDATES[name](rest.logits, rest.gold, odds.link, shift=shift)
        for row in np.flatnonzero(fold == number):
            found[row] = calibrator(odds.logits[row])
    return tuple(found)


def _simplest_good(odds: Odds, held: dict[str, tuple[NDArray, ...]]) -> str:
    """Return the first name whose log-loss is the least, but for noise, at no less accuracy."""
    losses = {name: row_losses(logits, odds.gold, odds.link) for name, logits in held.items()}
    right = {name: _right(odds, logits) for name, logits in held.items()}
    fair = [name for name in held if right[name] >= right["none"]]
    best = min(fair, key=lambda name: losses[name].mean())
    for name in fair:
        worse = losses[name] - losses[best]
        if worse.mean() <= worse.std() / np.sqrt(len(worse)):
            return name
    return best


def _right(odds: Odds, logits: tuple[NDArray, ...]) -> int:
    """Return how many rows are answered rightly; a sigmoid's decisions do not move."""
    if odds.link == "sigmoid":
        return 0
    return sum(row.argmax() == at for row, at in zip(logits, odds.gold, strict=True))
