"""What turns a model's raw outputs into those whose probabilities hold true.

A calibrator takes logits and gives logits, so that whatever reads probabilities off them goes on
as before. It is fitted in `stages/tune/`; here is what it is, and its arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tunesmith.measure.calibration import (
    SMALLEST_PROBABILITY,
    expected_calibration_error,
    fit_temperature,
)
from tunesmith.measure.isotonic import Curve, fit_isotonic
from tunesmith.measure.probabilities import sigmoid, softmax

Link: TypeAlias = Literal["softmax", "sigmoid"]
"""How logits become probabilities: one of all outputs is right, or each by itself."""

OUT_OF_REACH = 1e6
"""How far below all others a logit must be to be none, at any temperature."""
SHARPENINGS = 30
"""Steps of the search for a temperature: to within 1e-9."""
FEWEST_OF_A_CLASS = 50
"""Rows of its rarest class from which each class has a curve of its own."""


@dataclass(frozen=True, slots=True)
class Calibrator:
    """Logits in, calibrated logits out.

    Either `temperatures` divide the logits, one for all outputs or one each, or `curves` map the
    probabilities, one for all outputs or one each; without both, logits stay as they are. `shift`
    was added to the logits to draw a line elsewhere than at even odds, and is taken off first.
    """

    link: Link
    temperatures: tuple[float, ...] = ()
    curves: tuple[Curve, ...] = ()
    shift: float = 0.0

    @property
    def name(self) -> str:
        """`temperature`, `isotonic`, `shift` where that alone is taken off, or `none`."""
        if self.temperatures or self.curves:
            return "temperature" if self.temperatures else "isotonic"
        return "shift" if self.shift else "none"

    def __call__(self, logits: ArrayLike) -> NDArray:
        """Return calibrated logits of logits (…, C), in float64."""
        own = np.asarray(logits, dtype=np.float64) - self.shift
        if self.temperatures:
            return own / np.asarray(self.temperatures)
        if not self.curves:
            return own
        ratios = probabilities(own, self.link)
        if len(self.curves) == 1:
            mapped = self.curves[0](ratios)
        else:
            mapped = np.stack([curve(ratios[..., c]) for c, curve in enumerate(self.curves)], -1)
        sure = np.clip(mapped, SMALLEST_PROBABILITY, 1.0 - SMALLEST_PROBABILITY)
        return np.log(sure) if self.link == "softmax" else np.log(sure) - np.log1p(-sure)

    def to_json(self) -> dict[str, Any]:
        """Return the name and what it needs."""
        return {
            "name": self.name,
            "link": self.link,
            "temperatures": list(self.temperatures),
            "curves": [curve.to_json() for curve in self.curves],
            "shift": self.shift,
        }

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Calibrator:
        """Read what `to_json` wrote."""
        curves = tuple(Curve.from_json(curve) for curve in fields["curves"])
        return cls(fields["link"], tuple(fields["temperatures"]), curves, fields["shift"])


def probabilities(logits: ArrayLike, link: Link) -> NDArray:
    """Return the probabilities that logits (…, C) stand for."""
    return softmax(logits) if link == "softmax" else sigmoid(logits)


def fit_temperatures(
    logits: Sequence[NDArray], gold: Sequence[Any], link: Link, *, shift: float = 0.0
) -> Calibrator:
    """Return the calibrator whose temperatures have the least log-loss.

    `logits` holds (C,) a row; rows may differ in C where one output of each is right (`softmax`,
    `gold` its index): one temperature for all. For `sigmoid`, `gold` holds (C,) of 0 and 1 a row,
    and each output has a temperature of its own; one that is never, or always, right keeps 1. Rows
    that are all right would sharpen without end: the mean confidence stays within what n rows can
    tell, (n + 1) / (n + 2), unless it was above that before.

    Source: Guo et al., On calibration of modern neural networks, 2017, eq. 9; for a sigmoid it is
    Platt's, 1999, without its intercept.
    """
    if link == "softmax":
        nowhere = min(float(row.min()) for row in logits) - OUT_OF_REACH
        table = np.full((len(logits), max(map(len, logits))), nowhere)
        for row, own in zip(table, logits, strict=True):
            row[: len(own)] = own
        return Calibrator(link, (_sober_temperature(table, np.asarray(gold)),))
    scores, right = np.stack(logits) - shift, np.stack(gold).astype(np.int64)
    found = []
    for column, own in zip(scores.T, right.T, strict=True):
        is_known = 0 < own.sum() < len(own)
        pairs = np.stack([np.zeros(len(own)), column], axis=1)
        found.append(_sober_temperature(pairs, own) if is_known else 1.0)
    return Calibrator(link, tuple(found), shift=shift)


def _sober_temperature(logits: NDArray, gold: NDArray) -> float:
    """Return the best temperature for (n, C) logits that is no surer than n rows allow."""
    most = (len(gold) + 1) / (len(gold) + 2)
    low, high = fit_temperature(logits, gold), 1.0
    if low >= high or softmax(logits / low).max(axis=1).mean() <= most:
        return low
    for _ in range(SHARPENINGS):
        middle = (low + high) / 2
        is_sober = softmax(logits / middle).max(axis=1).mean() <= most
        low, high = (low, middle) if is_sober else (middle, high)
    return high


def fit_curves(
    logits: Sequence[NDArray], gold: Sequence[Any], link: Link, *, shift: float = 0.0
) -> Calibrator:
    """Return the calibrator whose curves never fall and are nearest to what was right.

    Arguments as in `fit_temperatures`. Each output has a curve of its own where every one was right
    at least 50 times, else all share one, which leaves their order as it is. No probability is
    nearer to 0 or 1 than n rows can tell: 1 / (n + 2).

    Source: one curve against the rest for each class, then normalised, Zadrozny & Elkan, 2002,
    sec. 4; the bound is Laplace's rule, used so by Platt, 1999.
    """
    ratios = [probabilities(row - shift, link) for row in logits]
    if link == "softmax":
        right = [np.arange(len(row)) == at for row, at in zip(ratios, gold, strict=True)]
    else:
        right = [np.asarray(row, dtype=bool) for row in gold]
    one_width = len({len(row) for row in ratios}) == 1
    counts = np.stack(right).sum(axis=0) if one_width else np.zeros(1)
    if one_width and len(counts) > 1 and counts.min() >= FEWEST_OF_A_CLASS:
        pairs = zip(np.stack(ratios).T, np.stack(right).T, strict=True)
        curves = [_bounded(fit_isotonic(column, own), len(logits)) for column, own in pairs]
    else:
        pooled = fit_isotonic(np.concatenate(ratios), np.concatenate(right))
        curves = [_bounded(pooled, len(logits))]
    return Calibrator(link, curves=tuple(curves), shift=shift)


def _bounded(curve: Curve, rows: int) -> Curve:
    """Return a curve within what so many rows can tell."""
    least = 1.0 / (rows + 2)
    return Curve(curve.x, tuple(np.clip(curve.y, least, 1.0 - least).tolist()))


def row_losses(logits: Sequence[NDArray], gold: Sequence[Any], link: Link) -> NDArray:
    """Return (n,) the log-loss of each row in nats; of a sigmoid the mean over its outputs."""
    losses = []
    for row, right in zip(logits, gold, strict=True):
        ratios = probabilities(row, link)
        if link == "softmax":
            kept = ratios[right]
        else:
            kept = np.where(np.asarray(right, dtype=bool), ratios, 1.0 - ratios)
        losses.append(float(-np.log(np.clip(kept, SMALLEST_PROBABILITY, 1.0)).mean()))
    return np.array(losses)


def calibration_scores(
    logits: Sequence[NDArray], gold: Sequence[Any], link: Link, *, raw: Sequence[NDArray]
) -> dict[str, float]:
    """Return `log_loss`, `brier` and `ece` of the probabilities that `logits` stand for.

    Of a softmax the error is that of the most probable answer; of a sigmoid each output is a
    decision, taken by the sign of its `raw` logit, as it is served.

    Sources: as in `measure.calibration`.
    """
    losses = row_losses(logits, gold, link)
    ratios = [probabilities(row, link) for row in logits]
    if link == "softmax":
        squares = [
            ((row - (np.arange(len(row)) == at)) ** 2).sum()
            for row, at in zip(ratios, gold, strict=True)
        ]
        confidence = np.array([row.max() for row in ratios])
        correct = np.array([row.argmax() == at for row, at in zip(ratios, gold, strict=True)])
    else:
        table, right = np.stack(ratios), np.stack(gold).astype(bool)
        squares = [2.0 * ((table - right) ** 2).mean()]
        given = np.stack(raw) >= 0.0
        confidence = np.where(given, table, 1.0 - table).ravel()
        correct = (given == right).ravel()
    return {
        "log_loss": float(losses.mean()) if len(losses) else 0.0,
        "brier": float(np.mean(squares)) if len(losses) else 0.0,
        "ece": expected_calibration_error(confidence, correct),
    }
