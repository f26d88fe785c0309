"""Intervals: determinism, edges, and whether they cover what they promise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.measure.classes import class_statistics
from tunesmith.measure.intervals import bootstrap_intervals, paired_bootstrap, wilson_interval


def share_of(right):
    """Return a bootstrap statistic: the weighted share of right rows."""
    right = np.asarray(right, dtype=np.float64)
    return lambda weights: {"share": float(weights @ right / max(weights.sum(), 1))}


def bernoulli(probability, *, rows, seed):
    """Return `rows` draws that are 1 with the given probability."""
    return (np.random.default_rng(seed).random(rows) < probability).astype(np.int64)


def test_bootstrap_agrees_with_wilson_on_a_share():
    right = bernoulli(0.8, rows=400, seed=1)
    low, high = bootstrap_intervals(share_of(right), 400, replicates=2000)["share"]
    assert (low, high) == pytest.approx(wilson_interval(right.sum(), 400), abs=0.01)


def test_bootstrap_covers_the_truth_about_as_often_as_promised():
    covered = 0
    for sample in range(200):
        right = bernoulli(0.7, rows=80, seed=sample)
        low, high = bootstrap_intervals(share_of(right), 80, replicates=200, seed=sample)["share"]
        covered += low <= 0.7 <= high
    # Binomial(200, 0.95) stays within ±3.3 standard deviations of 190 in 99.9 % of runs.
    assert 180 <= covered <= 200


def test_bootstrap_repeats_with_its_seed_and_moves_with_another():
    statistics = share_of(bernoulli(0.6, rows=101, seed=3))
    first = bootstrap_intervals(statistics, 101, replicates=300, seed=5)
    assert first == bootstrap_intervals(statistics, 101, replicates=300, seed=5)
    assert first != bootstrap_intervals(statistics, 101, replicates=300, seed=6)


def test_bootstrap_widens_with_its_level():
    statistics = share_of(bernoulli(0.6, rows=200, seed=3))
    wide = bootstrap_intervals(statistics, 200, level=0.99)["share"]
    narrow = bootstrap_intervals(statistics, 200, level=0.5)["share"]
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


@pytest.mark.parametrize("rows", [0, 1])
def test_bootstrap_without_anything_to_resample_is_a_point(rows):
    intervals = bootstrap_intervals(
        class_statistics(np.zeros(rows, int), np.zeros(rows, int), classes=2), rows
    )
    assert intervals == dict.fromkeys(
        ("accuracy", "macro_f1", "micro_f1", "weighted_f1"), (float(rows), float(rows))
    )


@given(st.integers(2, 30), st.integers(0, 5))
def test_bootstrap_weights_are_integers_that_sum_to_the_rows(rows, seed):
    seen = []

    def statistics(weights):
        seen.append(weights)
        return {"first": float(weights[0])}

    bootstrap_intervals(statistics, rows, replicates=5, seed=seed)
    assert len(seen) == 5
    for weights in seen:
        assert weights.shape == (rows,)
        assert weights.dtype == np.int64
        assert weights.sum() == rows
        assert weights.min() >= 0


@given(st.lists(st.integers(0, 1), min_size=1, max_size=30))
def test_bootstrap_interval_is_ordered_and_within_the_values(right):
    low, high = bootstrap_intervals(share_of(right), len(right), replicates=30)["share"]
    assert min(right) <= low <= high <= max(right)


@pytest.mark.parametrize(
    "wrong", [{"rows": -1}, {"replicates": 0}, {"level": 0.0}, {"level": 1.0}, {"level": 95.0}]
)
def test_bootstrap_refuses_impossible_settings(wrong):
    settings = {"rows": 3, "replicates": 10, "level": 0.95} | wrong
    with pytest.raises(ValueError, match="must"):
        bootstrap_intervals(share_of([1, 0, 1]), **settings)
    with pytest.raises(ValueError, match="must"):
        paired_bootstrap(np.sum, np.max, **settings)


def paired(right_a, right_b, **settings):
    """Return the paired bootstrap of two shares."""
    a, b = share_of(right_a), share_of(right_b)
    return paired_bootstrap(
        lambda weights: a(weights)["share"],
        lambda weights: b(weights)["share"],
        len(right_a),
        **settings,
    )


def test_paired_bootstrap_finds_a_clear_difference():
    right_a, right_b = bernoulli(0.9, rows=500, seed=1), bernoulli(0.7, rows=500, seed=2)
    difference, low, high, p_value = paired(right_a, right_b)
    assert difference == pytest.approx(right_a.mean() - right_b.mean())
    assert 0 < low < difference < high
    assert p_value == pytest.approx(1 / 1001)


def test_paired_bootstrap_changes_sign_when_swapped():
    right_a, right_b = bernoulli(0.8, rows=300, seed=1), bernoulli(0.76, rows=300, seed=2)
    one, other = paired(right_a, right_b), paired(right_b, right_a)
    assert one.difference == pytest.approx(-other.difference)
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low))
    assert one.p_value == other.p_value


def test_paired_bootstrap_of_equal_systems_is_no_evidence():
    right = bernoulli(0.8, rows=100, seed=1)
    assert paired(right, right) == (0.0, 0.0, 0.0, 1.0)


def test_paired_bootstrap_is_narrower_than_unpaired_for_systems_that_agree():
    right_a = bernoulli(0.8, rows=400, seed=1)
    right_b = right_a.copy()
    right_b[:8] = 0
    _, low, high, _ = paired(right_a, right_b)
    alone_low, alone_high = bootstrap_intervals(share_of(right_a), 400)["share"]
    assert high - low < (alone_high - alone_low) / 2


def test_paired_bootstrap_rejects_about_its_level_under_the_null():
    p_values = [
        paired(
            bernoulli(0.75, rows=100, seed=2 * sample),
            bernoulli(0.75, rows=100, seed=2 * sample + 1),
            replicates=200,
            seed=sample,
        ).p_value
        for sample in range(200)
    ]
    assert 0.005 <= np.mean(np.array(p_values) <= 0.05) <= 0.11


@pytest.mark.parametrize("right", [[], [1]])
def test_paired_bootstrap_of_fewer_than_two_rows_is_no_evidence(right):
    difference, low, high, p_value = paired(right, [0] * len(right))
    assert difference == low == high == float(len(right))
    assert p_value == 1.0


@given(st.integers(0, 50), st.integers(0, 50), st.floats(0.01, 0.999))
def test_wilson_interval_holds_the_share_and_mirrors(successes, failures, level):
    count = successes + failures
    low, high = wilson_interval(successes, count, level)
    share = successes / count if count else 0.5
    assert 0.0 <= low <= share <= high <= 1.0
    assert wilson_interval(failures, count, level) == pytest.approx((1 - high, 1 - low))


def test_wilson_interval_of_a_published_example():
    # Newcombe, Statistics in Medicine 17, 1998, table I, method 3: 81 of 263 and 0 of 20.
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)


def test_wilson_interval_without_data_is_everything():
    assert wilson_interval(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("successes", "count"), [(2, 1), (-1, 3)])
def test_wilson_interval_refuses_impossible_counts(successes, count):
    with pytest.raises(ValueError, match="successes must lie"):
        wilson_interval(successes, count)
