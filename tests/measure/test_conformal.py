"""Label sets: scores and quantiles by hand, and the coverage they promise."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from tunesmith.measure.conformal import (
    class_quantiles,
    conformal_quantile,
    coverage_band,
    fewest_rows,
    label_scores,
    label_sets,
    rows_for_band,
)
from tunesmith.measure.probabilities import softmax

METHODS = ("lac", "aps", "raps")


def test_scores_of_a_worked_example():
    ratios = np.array([[0.1, 0.6, 0.3]])
    assert label_scores(ratios, "lac")[0] == pytest.approx([0.9, 0.4, 0.7])
    assert label_scores(ratios, "aps")[0] == pytest.approx([1.0, 0.6, 0.9])


def test_raps_adds_to_labels_far_down():
    ratios = np.linspace(0.24, 0.01, 8)[None]
    found = label_scores(ratios, "raps") - label_scores(ratios, "aps")
    assert found[0] == pytest.approx([0, 0, 0, 0, 0, 0.01, 0.02, 0.03])


@pytest.mark.parametrize(
    ("count", "coverage", "place"), [(9, 0.9, 9), (10, 0.9, 10), (19, 0.9, 18), (99, 0.95, 95)]
)
def test_quantile_is_the_score_at_its_place(count, coverage, place):
    assert conformal_quantile(np.arange(1, count + 1)[::-1], coverage) == place


def test_quantile_of_too_few_rows_is_infinite():
    assert conformal_quantile([0.1] * 8, 0.9) == math.inf
    assert fewest_rows(0.9) == 9
    assert fewest_rows(0.95) == 19
    assert label_sets([[0.1, 0.9, 0.5]], math.inf).all()


@given(st.integers(1, 200), st.floats(0.05, 0.99))
def test_fewest_rows_are_those_that_have_a_quantile(count, coverage):
    assert math.isinf(conformal_quantile(np.zeros(count), coverage)) == (
        count < fewest_rows(coverage)
    )


def test_set_holds_what_conforms_and_never_nothing():
    found = label_sets([[0.2, 0.4, 0.6], [0.7, 0.8, 0.9]], 0.4)
    assert found.tolist() == [[True, True, False], [True, False, False]]


def test_class_with_few_rows_is_in_every_set():
    quantiles = class_quantiles([*[0.3] * 9, 0.1], [*[0] * 9, 1], 0.9, classes=2)
    assert quantiles.tolist() == [0.3, math.inf]
    assert label_sets([[0.2, 0.9], [0.4, 0.9]], quantiles).tolist() == [[True, True], [True, True]]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("coverage", [0.8, 0.9])
def test_coverage_is_what_was_promised_on_exchangeable_rows(method, coverage):
    """The model is wrong about everything; the promise holds all the same."""
    generator = np.random.default_rng(0)
    covered = []
    for _ in range(300):
        scores = label_scores(softmax(generator.normal(0, 2, (101, 6))), method)
        gold = generator.integers(6, size=101)
        own = scores[np.arange(101), gold]
        quantile = conformal_quantile(own[:100], coverage)
        covered.append(own[100] <= quantile)
    low = coverage - 3 * math.sqrt(coverage * (1 - coverage) / 300)
    assert low <= np.mean(covered) <= coverage + 1 / 101 + (coverage - low)


def test_coverage_holds_for_each_class_where_that_is_asked():
    generator = np.random.default_rng(1)
    gold = generator.integers(2, size=4000)
    # The model hardly ever gives the second class: together covered, by itself it is not.
    scores = np.where(gold == 0, generator.random(4000) * 0.2, 0.5 + generator.random(4000) * 0.5)
    quantiles = class_quantiles(scores[:2000], gold[:2000], 0.9, classes=2)
    for own in (0, 1):
        rest = scores[2000:][gold[2000:] == own]
        assert (rest <= quantiles[own]).mean() == pytest.approx(0.9, abs=0.03)


def test_band_is_that_of_the_beta_distribution():
    low, high = coverage_band(999, 0.9)
    assert low == pytest.approx(beta.ppf(0.05, 900, 100), abs=1e-9)
    assert high == pytest.approx(beta.ppf(0.95, 900, 100), abs=1e-9)
    assert coverage_band(5, 0.9) == (1.0, 1.0)


def test_rows_for_a_band_are_enough_and_hardly_more():
    rows = rows_for_band(0.9)
    assert coverage_band(rows, 0.9)[0] >= 0.85
    assert 50 < rows < 200


@pytest.mark.parametrize("coverage", [0.0, 1.0, -0.1, 1.5])
def test_impossible_coverage_is_refused(coverage):
    for ask in (lambda: conformal_quantile([0.1], coverage), lambda: fewest_rows(coverage)):
        with pytest.raises(ValueError, match="between 0 and 1"):
            ask()
