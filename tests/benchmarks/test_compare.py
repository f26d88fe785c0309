"""The arithmetic of a comparison: pairs, ratios, percentiles."""

from __future__ import annotations

import os

import pytest


@pytest.fixture
def compare(load_benchmark):
    return load_benchmark("compare")


def test_interleave_takes_the_sides_in_turn(compare):
    order = []

    def side(name):
        def run(number):
            order.append((name, number))
            return compare.Slice(number + 1, 1.0)

        return run

    slices = compare.interleave({"a": side("a"), "b": side("b")}, pairs=3)
    assert order == [("a", 0), ("b", 0), ("a", 1), ("b", 1), ("a", 2), ("b", 2)]
    assert [run.amount for run in slices["b"]] == [1, 2, 3]


def test_rate_ratios_are_taken_pair_by_pair(compare):
    """A machine that halves its speed for the last two pairs changes no ratio."""
    ours = [compare.Slice(100, seconds) for seconds in (1.0, 2.0, 2.0)]
    theirs = [compare.Slice(50, seconds) for seconds in (1.0, 2.0, 4.0)]
    found = compare.rate_ratios(ours, theirs)
    assert (found.median, found.low, found.high, found.count) == (2.0, 2.0, 4.0, 3)


def test_rate_ratios_count_work_and_not_time_alone(compare):
    """Half the work in half the time is no gain."""
    assert compare.rate_ratios([compare.Slice(5, 1.0)], [compare.Slice(10, 2.0)]).median == 1.0


def test_time_ratios_below_one_mean_that_ours_is_sooner(compare):
    ours = [compare.Slice(1, 1.0), compare.Slice(1, 3.0)]
    theirs = [compare.Slice(1, 2.0), compare.Slice(1, 4.0)]
    assert compare.time_ratios(ours, theirs).median == pytest.approx((0.5 + 0.75) / 2)


def test_ratios_of_unequally_many_slices_are_refused(compare):
    one = compare.Slice(1, 1.0)
    with pytest.raises(ValueError, match="shorter"):
        compare.rate_ratios([one, one], [one])


@pytest.mark.parametrize(("percent", "expected"), [(0, 1.0), (50, 3.0), (95, 4.8), (100, 5.0)])
def test_percentile_is_linear_between_neighbours(compare, percent, expected):
    assert compare.percentile([5.0, 1.0, 4.0, 2.0, 3.0], percent) == pytest.approx(expected)


def test_spread_is_told_with_value_low_high_and_count(compare):
    told = compare.spread([1.0, 3.00049, 2.0]).to_json()
    assert told == {"value": 2.0, "low": 1.0, "high": 3.0, "count": 3}


def test_pinned_process_has_no_more_processors_than_asked(compare, monkeypatch):
    before = os.sched_getaffinity(0)
    monkeypatch.setenv("OMP_NUM_THREADS", "")
    try:
        assert compare.pin_processors(1) == 1
        assert len(os.sched_getaffinity(0)) == 1
        assert os.environ["OMP_NUM_THREADS"] == "1"
    finally:
        os.sched_setaffinity(0, before)
