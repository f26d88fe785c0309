"""What one try of a search gave, and which was best. Knows no library and no file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

QUARTERS = 4
"""Parts of a training at whose ends trials of different lengths are compared."""

State = Literal["complete", "pruned", "failed"]


class Pruned(Exception):  # noqa: N818 (it is a signal between the study and the loop, no error)
    """A trial is not worth going on with."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One try: the values by the paths of their settings, and what came of it.

    `score` is that of the validation rows, the higher the better: of a pruned trial the best it had
    when it was broken off, of a failed one none. `problem` says why it failed, or whose score it
    has where its values were tried before. `is_own` tells the recipe's own, which come first.
    """

    number: int
    values: Mapping[str, Any]
    state: State
    score: float | None
    seconds: float
    problem: str = ""
    is_own: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the fields under their own names."""
        return {
            "number": self.number,
            "state": self.state,
            "score": self.score,
            "seconds": self.seconds,
            "own": self.is_own,
            "problem": self.problem,
            "values": dict(self.values),
        }


def best_trial(trials: Sequence[Trial]) -> Trial | None:
    """Return the complete trial of the highest score, the earliest of several; None without one."""
    complete = [trial for trial in trials if trial.state == "complete" and trial.score is not None]
    return max(complete, key=lambda trial: (trial.score, -trial.number), default=None)


def find_twin(trials: Sequence[Trial], values: Mapping[str, Any]) -> Trial | None:
    """Return a complete trial of the same values: with the same seed it would end the same."""
    equal = (each for each in trials if each.state == "complete" and each.values == values)
    return next(equal, None)


def quarters_done(step: int, total: int) -> int:
    """Return how many quarters of a training of `total` steps are behind `step`.

    >>> [quarters_done(step, 10) for step in (2, 3, 5, 10)]
    [0, 1, 2, 4]
    """
    return QUARTERS * step // total
