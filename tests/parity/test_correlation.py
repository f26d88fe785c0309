"""Our correlations against scipy, tolerance 1e-12."""

import numpy as np
import pytest
from scipy import stats

from tunesmith.measure.correlation import (
    correlation_statistics,
    pearson_correlation,
    spearman_correlation,
)

TOLERANCE = 1e-12


@pytest.mark.parametrize("rows", [2, 3, 20, 1379])
@pytest.mark.parametrize("levels", [3, 26, 10**9])
def test_correlations_equal_scipy(rows, levels):
    generator = np.random.default_rng(rows + levels)
    gold = generator.integers(levels, size=rows) / 5
    predicted = gold + generator.normal(size=rows)
    gold[0], gold[-1] = 0, levels
    predicted[::3] = np.round(predicted[::3])
    expected = stats.spearmanr(gold, predicted).statistic
    assert spearman_correlation(gold, predicted) == pytest.approx(expected, abs=TOLERANCE)
    expected = stats.pearsonr(gold, predicted).statistic
    assert pearson_correlation(gold, predicted) == pytest.approx(expected, abs=TOLERANCE)


def test_correlations_of_a_resample_equal_scipy_on_its_rows():
    generator = np.random.default_rng(2)
    gold = generator.integers(6, size=400) / 1.0
    predicted = gold + generator.integers(5, size=400)
    weights = np.bincount(generator.integers(400, size=400), minlength=400)
    again = np.repeat(gold, weights), np.repeat(predicted, weights)
    assert correlation_statistics(gold, predicted)(weights) == pytest.approx(
        {
            "spearman": stats.spearmanr(*again).statistic,
            "pearson": stats.pearsonr(*again).statistic,
        },
        abs=TOLERANCE,
    )
