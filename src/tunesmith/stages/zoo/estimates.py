"""What vectors that are frozen say of tuning: each estimate, on all rows and on many halves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tunesmith.measure.transferability.evidence import explained_ratio, log_evidence
from tunesmith.measure.transferability.factors import find_factors
from tunesmith.measure.transferability.h_score import h_ratio
from tunesmith.measure.transferability.linear_probe import left_out_answers
from tunesmith.measure.transferability.neighbours import neighbour_answers
from tunesmith.stages.zoo.questions import Question

HALVES = 20


@dataclass(frozen=True, slots=True)
class Estimates:
    """The estimates of one model: each a share, 0 to 1; the score is their mean.

    `on_halves` (B, M) has them for B halves of the rows, in the order of `shares`; `logme` is the
    mean log evidence itself, in nats a row.
    """

    shares: dict[str, float]
    on_halves: NDArray
    logme: float

    @property
    def score(self) -> float:
        """The mean of the shares."""
        return float(np.mean(list(self.shares.values())))

    @property
    def scores_on_halves(self) -> NDArray:
        """The score (B,) on each half."""
        return self.on_halves.mean(axis=1)


def draw_halves(rows: int, *, seed: int) -> NDArray:
    """Return (B, rows) which half of the rows is in each of B halves, the same for every model.

    A half without repeats stands in for the whole as a bootstrap's resample does, and its spread is
    as large; a row that were drawn twice would be its own neighbour.
    Source: McCarthy 1969, Pseudo-replication: half samples.
    """
    random = np.random.default_rng(seed)
    halves = np.zeros((HALVES, rows), dtype=bool)
    for half in halves:
        half[random.permutation(rows)[: max(1, rows // 2)]] = True
    return halves


def estimate(
    vectors: NDArray, question: Question, halves: NDArray, *, cosines: NDArray | None = None
) -> Estimates:
    """Return the estimates for `vectors` (U, D) of what is asked; `halves` (B, rows).

    Evidence, H-score, neighbours and a linear probe; with the `cosines` (U,) of texts that are
    compared by them, how well these alone agree.
    """
    everything = np.ones(len(vectors), dtype=bool)
    centred = find_factors(vectors, centred=True)
    answers = {
        "neighbours": neighbour_answers(vectors, question.targets),
        "probe": left_out_answers(centred, question.targets),
    }
    if cosines is not None:
        answers["cosine"] = cosines[:, None]

    def shares(chosen: NDArray) -> dict[str, float]:
        whole = chosen.all()
        plain = find_factors(vectors[chosen])
        own = centred if whole else find_factors(vectors[chosen], centred=True)
        return {
            "logme": float(explained_ratio(plain, question.targets[chosen]).mean()),
            "h_score": h_ratio(own, question.labels[chosen]),
        } | {name: question.agreement(found, chosen) for name, found in answers.items()}

    return Estimates(
        shares(everything),
        np.array([list(shares(half[question.rows]).values()) for half in halves]),
        float(log_evidence(find_factors(vectors), question.targets).mean()),
    )
