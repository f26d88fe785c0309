"""The race on laws that are known: who stays, who leaves, and what the clock allows."""

from __future__ import annotations

import pytest

from tunesmith.core.errors import ResourceError
from tunesmith.stages.plan.choice import Cost, Limits, judge
from tunesmith.stages.plan.race import Cell, Course, OutOfTime, run_race

SIZES = (50, 100, 200, 400)
LAWS = {  # ceiling, height, exponent; seconds a row
    "probe": (0.80, 1.0, 0.6, 0.001),
    "contrastive": (0.90, 1.2, 0.6, 0.02),
    "full": (0.95, 6.0, 0.7, 0.05),
    "bad": (0.50, 0.5, 0.5, 0.01),
}


class Track:
    """A world in which scores follow their laws and time passes as methods cost."""

    def __init__(self, budget):
        self.left, self.asked = budget, []

    def measure(self, name, rows, folds):
        """Return what the law says, and let the time pass."""
        ceiling, height, exponent, cost = LAWS[name]
        self.asked.append((name, rows, folds))
        self.left -= cost * rows * folds
        if self.left < 0:
            raise OutOfTime
        score = ceiling - height * rows**-exponent
        return Cell(rows, score, score - 0.02, score + 0.02, 300, folds, cost * rows)

    def race(self, names=tuple(LAWS), folds=3, **more):
        """Run the race in this world."""
        course = Course(SIZES, folds, goal_rows=500, **more)
        return run_race(names, course, self.measure, seconds_left=lambda: self.left)


def test_dominated_methods_leave_and_the_others_run_to_the_end():
    runners = Track(10_000).race()
    assert runners["bad"].left.startswith("dominated after")
    assert runners["bad"].cells[-1].rows < 400
    assert [cell.rows for cell in runners["contrastive"].cells] == list(SIZES)
    assert {cell.folds for cell in runners["contrastive"].cells} == {3}


def test_last_runner_goes_on_for_its_curve_or_ends_the_race_as_one_wishes():
    whole, short = (Track(10_000).race(("probe", "bad"), to_the_end=end) for end in (True, False))
    assert whole["bad"].left
    assert short["bad"].left
    assert [cell.rows for cell in whole["probe"].cells] == list(SIZES)
    assert short["probe"].cells[-1].rows == short["bad"].cells[-1].rows < SIZES[-1]


def test_steep_curve_is_not_dropped_for_being_low_at_first():
    runners = Track(10_000).race()
    assert runners["full"].cells[0].score < runners["probe"].cells[0].score
    assert not runners["full"].left


def test_short_time_takes_fewer_folds_then_fewer_runners_and_never_more_than_there_is():
    long, short = Track(10_000), Track(40)
    long.race()
    runners = short.race()
    assert short.left >= 0 or not short.asked
    assert sum(folds for *_, folds in short.asked) < sum(folds for *_, folds in long.asked)
    assert all(runner.cells for runner in runners.values())


def test_what_is_broken_off_leaves_what_was_measured():
    track = Track(2)
    runners = track.race()
    assert runners["probe"].cells
    assert not runners["full"].cells


def test_best_expectation_is_chosen_and_a_much_cheaper_equal_is_preferred():
    runners = Track(10_000).race()
    verdict = judge(runners, {}, Limits(), rows=500, more=100)
    assert verdict.choice in ("contrastive", "full")
    assert not runners[verdict.choice].left
    assert verdict.ladder[0].expected >= verdict.ladder[-1].expected
    equal = Track(10_000).race(("probe", "full"))
    for name, runner in equal.items():
        score = 0.9 if name == "full" else 0.898
        runner.left = ""
        runner.cells = [
            Cell(rows, score, 0.88, 0.92, 300, 3, runner.expected_seconds(400)) for rows in SIZES
        ]
    verdict = judge(equal, {}, Limits(), rows=500, more=100)
    assert verdict.choice == "probe"
    assert "within 0.5 point of full" in verdict.reason


def test_method_beyond_a_limit_is_not_chosen_and_none_within_is_an_error():
    runners = Track(10_000).race()
    costs = {name: Cost(latency_ms=5.0, memory_gb=1.0) for name in LAWS}
    costs["contrastive"] = costs["full"] = Cost(latency_ms=50.0, memory_gb=1.0)
    verdict = judge(runners, costs, Limits(latency_ms=10.0), rows=500, more=100)
    assert verdict.choice == "probe"
    states = {step.method: step.state for step in verdict.ladder}
    assert states["full"] == "50.0 ms a text, 10 are allowed"
    with pytest.raises(ResourceError, match="keep within the limits"):
        judge(runners, costs, Limits(memory_gb=0.5), rows=500, more=100)


def test_worth_of_labels_and_crossings_are_told():
    runners = Track(10_000).race(("probe", "full"))
    verdict = judge(runners, {}, Limits(), rows=100, more=100)
    assert verdict.next_labels["rows"] == 100
    assert 0 <= verdict.next_labels["low"] <= verdict.next_labels["gain"]
    assert verdict.doubled["rows"] == 100
    if verdict.choice == "probe":
        assert [crossing["method"] for crossing in verdict.crossings] == ["full"]


def test_method_that_cannot_afford_its_next_rung_rests_and_the_cheaper_goes_on():
    track = Track(9.6)
    runners = track.race(("contrastive", "full"), folds=1)
    assert [cell.rows for cell in runners["contrastive"].cells] == [50, 100, 200]
    assert [cell.rows for cell in runners["full"].cells] == [50]
    assert not runners["full"].left
