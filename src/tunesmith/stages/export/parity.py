"""Whether an export answers as its source does: the gate, and the figures that are kept.

Compared are the two engines, not the records: what differs is the export's doing alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import eq
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tunesmith.core.answers import (
    Answer,
    ChoiceAnswer,
    EntitiesAnswer,
    LabelAnswer,
    LabelsAnswer,
    ScoreAnswer,
    StretchAnswer,
)
from tunesmith.core.errors import GateError
from tunesmith.core.examples import Example, Inputs
from tunesmith.runtime.engine import Engine, score
from tunesmith.tasks.labels import sigmoid, softmax
from tunesmith.tasks.matching import Matching
from tunesmith.tasks.qa import Qa
from tunesmith.tasks.task import Task

LARGEST_DIFFERENCE = 1e-4
"""Of a probability, in float32."""
SMALLEST_AGREEMENT = 0.99
"""Share of decisions that int8 must keep."""
SAME_SCORE = 0.05
"""Share of the scale within which two scores are the same answer; a score decides nothing."""


@dataclass(frozen=True, slots=True)
class ScoreChange:
    """The task's selection measure of source and export on the same labelled rows."""

    measure: str
    rows: int
    data: str
    source: float
    export: float

    def to_json(self) -> dict[str, Any]:
        """Return the fields, and the difference."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        return {**fields, "difference": self.export - self.source}


@dataclass(frozen=True, slots=True)
class Parity:
    """How an export's answers compare with the source's on `rows` rows.

    `agreement` is the share of equal decisions: a row's label or labels, its choice, its stretch or
    its score within `SAME_SCORE`, or a word's tag. `largest_difference` is that of a probability,
    of a score as a share of its scale, or of a number in a text's vector of length 1. `score` is
    None where no gold answer is known.
    """

    rows: int
    decisions: int
    agreement: float
    largest_difference: float
    score: ScoreChange | None

    def to_json(self) -> dict[str, Any]:
        """Return the fields under their own names."""
        fields = {name: getattr(self, name) for name in self.__slots__ if name != "score"}
        return {**fields, "score": self.score.to_json() if self.score else None}


@dataclass(frozen=True, slots=True)
class Pair:
    """What source and export gave for one input: raw outputs, and the answers read off them."""

    scores: tuple[np.ndarray, np.ndarray]
    answers: tuple[Answer, Answer]


def answer_both(source: Engine, export: Engine, inputs: Sequence[Inputs]) -> list[Pair]:
    """Return the outputs and answers of both engines, each input computed once by each."""
    return [
        Pair((ours, theirs), (source.task.answer(ours, item), source.task.answer(theirs, item)))
        for item, ours, theirs in zip(
            inputs, score(source, inputs), score(export, inputs), strict=True
        )
    ]


def compare(task: Task, pairs: Sequence[Pair]) -> Parity:
    """Return how the export answers, held to its source."""
    equal = decisions = 0
    largest = 0.0
    for pair in pairs:
        kept, difference = _compare(task, pair)
        equal += sum(kept)
        decisions += len(kept)
        largest = float(np.maximum(largest, difference))  # not a number stays so
    agreement = equal / decisions if decisions else 1.0
    return Parity(len(pairs), decisions, agreement, largest, None)


def compare_scores(
    task: Task, examples: Sequence[Example], pairs: Sequence[Pair], *, data: str
) -> ScoreChange:
    """Return the selection measure of both engines' answers to labelled rows."""
    source, export = (
        float(task.selection_score(examples, [pair.answers[side] for pair in pairs]))
        for side in (0, 1)
    )
    return ScoreChange(task.selection, len(examples), data, source, export)


def require_parity(parity: Parity, *, precision: str) -> None:
    """Raise `GateError` where an export's answers are too far from its source's."""
    problems = []
    if not parity.decisions:
        problems.append("the canary rows must hold a decision to compare; they hold none")
    if precision == "fp32":
        if parity.agreement < 1.0:
            problems.append(
                f"an fp32 export must answer all {parity.decisions:,} canary decisions as its "
                f"source does; {parity.agreement:.2%} are equal"
            )
        if not parity.largest_difference < LARGEST_DIFFERENCE:
            problems.append(
                f"an fp32 export's probabilities must be within {LARGEST_DIFFERENCE:g} of its "
                f"source's; the largest difference is {parity.largest_difference:.2g}"
            )
    elif parity.agreement < SMALLEST_AGREEMENT:
        problems.append(
            f"an {precision} export must answer {SMALLEST_AGREEMENT:.0%} of the "
            f"{parity.decisions:,} canary decisions as its source does; "
            f"{parity.agreement:.2%} are equal"
        )
    if problems:
        hint = "--precision fp32" if precision != "fp32" else "--engine torch answers as tuned"
        raise GateError(problems, hint=hint)


def _compare(task: Task, pair: Pair) -> tuple[Sequence[bool], float]:
    """Return which decisions are equal, and the largest difference of a probability.

    Near ties may put other stretches among those that are kept: probabilities are compared among
    the stretches that both engines found.
    """
    match pair.answers:
        case ScoreAnswer() as ours, ScoreAnswer() as theirs:
            moved = abs(ours.score - theirs.score) / _width(task)
            if ours.vectors is not None and theirs.vectors is not None:
                return [moved <= SAME_SCORE], max(moved, _largest(ours.vectors, theirs.vectors))
            return [moved <= SAME_SCORE], moved
        case ChoiceAnswer() as ours, ChoiceAnswer() as theirs:
            return [ours.index == theirs.index], _largest(ours.scores, theirs.scores)
        case StretchAnswer() as ours, StretchAnswer() as theirs:
            is_equal = (ours.start, ours.end) == (theirs.start, theirs.end)
            return [is_equal], _stretch_difference(task, *pair.scores)
    decided = [_decisions(reply) for reply in pair.answers]
    return list(map(eq, *decided)), _difference(pair.answers[0], *pair.scores)


def _decisions(reply: Answer) -> Sequence[Any]:
    if isinstance(reply, EntitiesAnswer):
        return reply.tags
    if isinstance(reply, LabelsAnswer):
        return (frozenset(reply.labels),)
    return (reply.label if isinstance(reply, LabelAnswer) else reply,)


def _difference(reply: Answer, ours: np.ndarray, theirs: np.ndarray) -> float:
    """Return the largest difference of a probability between two raw outputs of one input."""
    to_ratios = softmax if isinstance(reply, LabelAnswer | EntitiesAnswer) else sigmoid
    return _largest(to_ratios(ours), to_ratios(theirs)) if ours.size else 0.0


def _stretch_difference(task: Task, ours: np.ndarray, theirs: np.ndarray) -> float:
    """Return the largest difference of a probability of (n, 3) stretches; 1 if none is shared."""
    if isinstance(task, Qa):
        ours, theirs = task.considered(ours), task.considered(theirs)
    sides = [{tuple(place): score for *place, score in rows.tolist()} for rows in (ours, theirs)]
    shared = [place for place in sides[0] if place in sides[1]]
    if not shared:
        return 1.0
    return _largest(*(softmax(np.array([side[place] for place in shared])) for side in sides))


def _width(task: Task) -> float:
    """Return how far apart the lowest and the highest gold score are."""
    low, high = (task.scale if isinstance(task, Matching) else None) or (0.0, 1.0)
    return high - low


def _largest(ours: ArrayLike, theirs: ArrayLike) -> float:
    return float(np.abs(np.asarray(ours) - np.asarray(theirs)).max())
