"""Who stands before whom, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Z95 = 1.96


@dataclass(frozen=True, slots=True)
class Standing:
    """The place of one model, counted from 1, and the places it may have (95 % a pair).

    `is_tied` tells that the first is not surely better than it; of the first it is whether there is
    another such.
    """

    place: int
    low: int
    high: int
    is_tied: bool


def stand(
    scores: NDArray,
    on_halves: NDArray,
    measured: Sequence[tuple[float, float] | None],
) -> list[Standing]:
    """Return the standing of each of C models by `scores` (C,), which `on_halves` (C, B) repeats.

    `measured` has the score that a tuned model reached on these data, with its standard error, or
    None. Among models with such scores these say who stands first: they take the places that their
    estimates gave them together. One model is surely better than another where the difference is
    beyond 1.96 of its standard errors, over the halves or, where both were measured, of both
    measures; from how many are surely better and surely worse come the places it may have.
    Source: Klein, Wright & Wieczorek 2020, JRSS A 183(2), A joint confidence region for an overall
    ranking of populations; without their correction for many pairs.
    """
    order = _order(scores, measured)
    sure = _surely_better(scores, on_halves, measured)
    first = order[0]
    ties = ~sure[first]
    found = []
    for number in range(len(scores)):
        place = int(np.flatnonzero(order == number)[0]) + 1
        low = min(place, 1 + int(sure[:, number].sum()))
        high = max(place, len(scores) - int(sure[number].sum()))
        tied = bool(ties[number]) if number != first else int(ties.sum()) > 1
        found.append(Standing(place, low, high, tied))
    return found


def _order(scores: NDArray, measured: Sequence[tuple[float, float] | None]) -> NDArray:
    """Return the models, the best first."""
    order = np.argsort(-scores, kind="stable")
    places = [at for at, number in enumerate(order) if measured[number] is not None]
    known = sorted((order[at] for at in places), key=lambda number: -_value(measured[number]))
    order[places] = known
    return order


def _value(measured: tuple[float, float] | None) -> float:
    return 0.0 if measured is None else measured[0]


def _surely_better(
    scores: NDArray, on_halves: NDArray, measured: Sequence[tuple[float, float] | None]
) -> NDArray:
    """Return (C, C) whether the one of the row is surely better than the one of the column."""
    difference = scores[:, None] - scores
    spread = (on_halves[:, None] - on_halves[None]).std(axis=2, ddof=1)
    for one, mine in enumerate(measured):
        for other, theirs in enumerate(measured):
            if mine is not None and theirs is not None:
                difference[one, other] = mine[0] - theirs[0]
                spread[one, other] = np.hypot(mine[1], theirs[1])
    return difference > Z95 * spread
