"""Exact binomial statements, by hand and as a public reference gives them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, binom

from tunesmith.measure.binomial import beta_quantile, binomial_tail, least_share


@given(st.integers(0, 40), st.integers(1, 40), st.floats(0, 1))
def test_tail_is_that_of_the_reference(successes, count, ratio):
    found = binomial_tail(min(successes, count), count, ratio)
    assert found == pytest.approx(binom.sf(min(successes, count) - 1, count, ratio), abs=1e-9)


@given(st.integers(1, 300), st.integers(1, 300), st.floats(0.01, 0.99))
def test_quantile_is_that_of_the_reference(first, second, level):
    assert beta_quantile(first, second, level) == pytest.approx(
        beta.ppf(level, first, second), abs=1e-9
    )


def test_bound_of_rows_that_are_all_right_is_a_root():
    # (1 - 0.95) ** (1 / 20): the chance that 20 of 20 are right is 5 %.
    assert least_share(20, 20) == pytest.approx(0.05 ** (1 / 20))
    assert least_share(0, 20) == 0.0


@given(st.integers(0, 60), st.integers(1, 60))
def test_bound_lies_below_what_was_counted(successes, count):
    successes = min(successes, count)
    assert least_share(successes, count) <= successes / count + 1e-12


@pytest.mark.parametrize("settings", [(0, 1, 0.5), (1, 0, 0.5), (1, 1, 0.0), (1, 1, 1.0)])
def test_parameters_that_are_none_are_refused(settings):
    with pytest.raises(ValueError, match="at least 1"):
        beta_quantile(*settings)


def test_more_successes_than_draws_are_refused():
    with pytest.raises(ValueError, match="successes must lie"):
        least_share(3, 2)
