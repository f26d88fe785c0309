"""LogME against the evidence written out, and what must hold whatever the vectors are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from tunesmith.measure.transferability.evidence import explained_ratio, log_evidence
from tunesmith.measure.transferability.factors import find_factors


def written_out(vectors: np.ndarray, targets: np.ndarray) -> float:
    """Return the highest log density a row of `targets` under N(0, FFᵀ/α + I/β), α, β searched."""
    rows = len(targets)

    def loss(logs: np.ndarray) -> float:
        alpha, beta = np.exp(logs)
        spread = vectors @ vectors.T / alpha + np.eye(rows) / beta
        _, determinant = np.linalg.slogdet(spread)
        fit = targets @ np.linalg.solve(spread, targets)
        return 0.5 * (rows * np.log(2 * np.pi) + determinant + fit) / rows

    starts = [(0.0, 0.0), (2.0, 2.0), (-2.0, 1.0), (4.0, 0.0)]
    return -min(minimize(loss, start, method="Nelder-Mead", tol=1e-9).fun for start in starts)


@pytest.mark.parametrize(("rows", "width"), [(60, 8), (40, 40), (30, 50)])
def test_evidence_is_the_highest_density_of_the_answers(rows, width):
    random = np.random.default_rng(rows)
    vectors = random.normal(size=(rows, width)) * random.uniform(0.2, 3, width) + 0.5
    noise = random.normal(size=rows)
    targets = (vectors[:, 0] + noise > 1).astype(float)
    found = log_evidence(find_factors(vectors), targets[:, None])[0]
    assert found == pytest.approx(written_out(vectors, targets), abs=2e-3)


def test_evidence_of_one_direction_by_hand():
    """One direction of strength s² = 4, answers of which z² = 9 lie in it and 1 outside; 2 rows.

    At α / β = t the fixed point is t = [4/(t+4)] [9 t²/(t+4)² + 1] / ([2 - 4/(t+4)] 36/(t+4)²).
    """
    vectors = np.array([[2.0], [0.0]])
    targets = np.array([[3.0], [1.0]])
    t = 1.0
    for _ in range(500):
        used = 4 / (t + 4)
        t = used * (9 * t**2 / (t + 4) ** 2 + 1) / ((2 - used) * 36 / (t + 4) ** 2)
    alpha = 4 / (t + 4) / (36 / (t + 4) ** 2)
    beta = alpha / t
    density = -0.5 * (
        2 * np.log(2 * np.pi) + np.log(4 / alpha + 1 / beta) - np.log(beta)
        + 9 / (4 / alpha + 1 / beta) + beta
    )  # fmt: skip
    found = log_evidence(find_factors(vectors), targets)
    assert found[0] == pytest.approx(density / 2, abs=1e-4)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.01, 100))
def test_evidence_knows_no_scale_and_no_order(seed, scale):
    random = np.random.default_rng(seed)
    vectors, targets = random.normal(size=(24, 5)), random.integers(2, size=(24, 3)).astype(float)
    order = random.permutation(24)
    found = log_evidence(find_factors(vectors), targets)
    again = log_evidence(find_factors(scale * vectors[order]), targets[order])
    assert again == pytest.approx(found, rel=1e-3, abs=1e-3)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 40))
def test_share_that_is_explained_lies_between_none_and_all(seed, width):
    random = np.random.default_rng(seed)
    vectors, targets = random.normal(size=(30, width)), random.integers(2, size=(30, 2))
    found = explained_ratio(find_factors(vectors), targets)
    assert ((found >= 0) & (found <= 1)).all()


def test_vectors_that_tell_the_answers_explain_more_than_noise():
    random = np.random.default_rng(0)
    targets = random.integers(2, size=(200, 1)).astype(float)
    noise = random.normal(size=(200, 10))
    told = np.hstack([noise, targets + 0.1 * random.normal(size=(200, 1)), np.ones((200, 1))])
    assert explained_ratio(find_factors(told), targets)[0] > 0.9
    assert explained_ratio(find_factors(noise), targets)[0] < 0.1


def test_column_that_never_varies_explains_nothing():
    vectors = np.random.default_rng(0).normal(size=(20, 3))
    assert explained_ratio(find_factors(vectors), np.ones((20, 1)))[0] == 0


def test_factors_give_the_vectors_again():
    vectors = np.random.default_rng(0).normal(size=(7, 12))
    factors = find_factors(vectors)
    assert factors.left.T @ factors.left == pytest.approx(np.eye(7), abs=1e-9)
    expected = np.linalg.svd(vectors, compute_uv=False)
    assert factors.values == pytest.approx(expected, rel=1e-6)


def test_vectors_that_are_no_numbers_are_refused():
    with pytest.raises(ValueError, match="finite"):
        find_factors(np.array([[1.0, np.nan]]))
