"""The race: candidates measured on growing shares of the rows, the dominated left behind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tunesmith.measure.curves import LearningCurve, Point, fit_curve

Z95 = 1.96
LEARN_NOTHING = frozenset({"zero-shot"})
"""Methods that read no label: more of them promise nothing."""


class OutOfTime(Exception):  # noqa: N818 (it is a signal between the clock and the race, no error)
    """The budget ended while something was being measured."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One method after so many rows: its score with the 95 % interval, and what it cost.

    `count` rows were marked in `folds` folds; `seconds` is what one fold took, with its marking.
    """

    rows: int
    score: float
    low: float
    high: float
    count: int
    folds: int
    seconds: float

    @property
    def point(self) -> Point:
        """The cell as a point of a learning curve."""
        return Point(self.rows, self.score, max(self.high - self.low, 0.0) / (2 * Z95))


@dataclass(slots=True)
class Runner:
    """A candidate in the race: its cells so far, one a rung, and why it left where it did.

    `learns` tells whether it learns from labels.
    """

    name: str
    learns: bool = True
    cells: list[Cell] = field(default_factory=list)
    left: str = ""

    def curve(self) -> LearningCurve:
        """Return the learning curve through its cells: flat where it learns from no label."""
        points = [cell.point for cell in self.cells]
        return fit_curve(points, highest=1.0 if self.learns else points[-1].score)

    def expected_seconds(self, rows: int) -> float:
        """Return what a fold that learns from `rows` will take."""
        last = self.cells[-1]
        return last.seconds * max(rows / last.rows, 1.0)


@dataclass(frozen=True, slots=True)
class Course:
    """How long the race is: the rows of each rung, how many folds are wished for, and the goal.

    `goal_rows` is where the best is wanted. Unless `to_the_end`, it is over once one is left.
    """

    sizes: Sequence[int]
    folds: int
    goal_rows: int
    to_the_end: bool = True


Measure = Callable[[str, int, int], Cell]
"""From a candidate, its rows and how many folds, to what was measured."""


def run_race(
    names: Sequence[str],
    course: Course,
    measure: Measure,
    *,
    seconds_left: Callable[[], float],
) -> Mapping[str, Runner]:
    """Return the runners after the last rung that the time allowed, by name.

    `names` are in the order of their cost. One fold of the first rung tells what each costs, and
    with that how many folds the time reaches for. On each rung every runner still in the race is
    measured; behind it those leave whose curve, at its most hopeful, ends below the expectation of
    the best at the goal. Where the time does not reach for all, the most promising of those it
    reaches for go on, and the others stay with what they have.
    Source: successive halving (Jamieson & Talwalkar 2016, algorithm 1), the half replaced by what
    the curves allow.
    """
    runners = {name: Runner(name, learns=name not in LEARN_NOTHING) for name in names}
    sizes = course.sizes
    try:
        for runner in runners.values():
            runner.cells.append(measure(runner.name, sizes[0], 1))
        every = list(runners.values())
        folds = _settle_folds(every, sizes, most=course.folds, left=seconds_left())
        for rung, size in enumerate(sizes):
            alive = [each for each in every if not each.left]
            if rung and len(alive) == 1 and not course.to_the_end:
                break
            able = _affordable(alive, size, left=seconds_left()) if rung else alive
            for runner in able:
                count = _folds_in_time(runner, size, folds=folds, left=seconds_left())
                if count > (0 if rung else 1):  # on the first rung one fold is done
                    runner.cells[rung:] = [measure(runner.name, size, count)]
            _drop_dominated(alive, course.goal_rows)
    except OutOfTime:
        pass
    return runners


def _settle_folds(
    runners: Sequence[Runner], sizes: Sequence[int], *, most: int, left: float
) -> int:
    """Return how many folds the time reaches for if every runner stays to the end, 1 to `most`."""
    whole = sum(runner.expected_seconds(size) for runner in runners for size in sizes)
    return max(1, min(most, int(left / max(whole, 1e-9))))


def _affordable(alive: Sequence[Runner], size: int, *, left: float) -> Sequence[Runner]:
    """Return the runners that the time reaches for, the most promising first asked.

    The others rest: they stay in the race with what they have.
    """
    chosen = []
    for runner in sorted(alive, key=lambda runner: -runner.curve().predict(size)[0]):
        cost = runner.expected_seconds(size)
        if cost <= left:
            chosen.append(runner)
            left -= cost
    return [runner for runner in alive if runner in chosen]


def _folds_in_time(runner: Runner, size: int, *, folds: int, left: float) -> int:
    """Return how many folds fit into the time that is left."""
    return min(folds, int(left / max(runner.expected_seconds(size), 1e-9)))


def _drop_dominated(alive: Sequence[Runner], goal_rows: int) -> None:
    """Let those leave that cannot be expected to be best at `goal_rows`."""
    ends = {runner.name: runner.curve().predict(goal_rows) for runner in alive if runner.cells}
    best = max(ends, key=lambda name: ends[name][0], default=None)
    for runner in alive:
        if best is None or runner.name not in ends or runner.name == best:
            continue
        _, _, hopeful = ends[runner.name]
        if hopeful < ends[best][0]:
            rows = runner.cells[-1].rows
            runner.left = f"dominated after {rows:,} rows: at best {hopeful:.3f}, {best} expects "
            runner.left += f"{ends[best][0]:.3f}"
