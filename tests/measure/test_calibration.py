"""Calibration: bins, proper scores, and finding back a temperature that was put in."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.measure.calibration import (
    HIGHEST_TEMPERATURE,
    LOWEST_TEMPERATURE,
    CalibrationBin,
    brier_score,
    calibration_bins,
    expected_calibration_error,
    fit_temperature,
    negative_log_likelihood,
)

confident_rows = st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=50)


def softmax(logits):
    """Return the row-wise softmax of (n, C) logits."""
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


def drawn_rows(*, rows, classes, temperature, seed):
    """Return logits and gold classes for which `temperature` is the calibrated one."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 2, (rows, classes))
    cumulative = softmax(logits).cumsum(axis=1)
    gold = (generator.random((rows, 1)) < cumulative).argmax(axis=1)
    return logits * temperature, gold


@given(confident_rows, st.integers(1, 20))
def test_bins_hold_every_row_once_where_its_confidence_lies(rows, bins):
    confidence = np.array([row[0] for row in rows])
    correct = np.array([row[1] for row in rows], dtype=bool)
    diagram = calibration_bins(confidence, correct, bins=bins)
    assert len(diagram) == bins
    assert (diagram[0].low, diagram[-1].high) == (0.0, 1.0)
    for part in diagram:
        inside = (confidence > part.low) & (confidence <= part.high)
        if part is diagram[0]:
            inside |= confidence == 0
        assert part.count == inside.sum()
        if part.count:
            assert part.confidence == pytest.approx(confidence[inside].mean())
            assert part.accuracy == pytest.approx(correct[inside].mean())
        else:
            assert (part.confidence, part.accuracy) == (0.0, 0.0)


@given(confident_rows, st.randoms(use_true_random=False))
def test_expected_calibration_error_is_bounded_and_ignores_row_order(rows, random):
    shuffled = random.sample(rows, len(rows))
    one, other = (
        expected_calibration_error([row[0] for row in order], [row[1] for row in order])
        for order in (rows, shuffled)
    )
    assert 0.0 <= one <= 1.0
    assert one == pytest.approx(other, abs=1e-12)


def test_expected_calibration_error_of_one_bin_is_the_overall_gap():
    assert expected_calibration_error([0.9, 0.5], [1, 1], bins=1) == pytest.approx(0.3)


def test_expected_calibration_error_of_calibrated_answers_is_small():
    generator = np.random.default_rng(0)
    confidence = generator.uniform(0.3, 1, 20_000)
    correct = generator.random(20_000) < confidence
    assert expected_calibration_error(confidence, correct) < 0.02
    assert expected_calibration_error(np.ones(20_000), correct) > 0.3


def test_confidence_on_an_edge_belongs_to_the_lower_bin():
    assert [part.count for part in calibration_bins([0.0, 0.5, 1.0], [1, 1, 1], bins=2)] == [2, 1]


def test_float32_confidence_just_above_one_is_accepted():
    confidence = np.nextafter(np.float32(1), np.float32(2))
    assert calibration_bins([confidence], [True])[-1].count == 1


@pytest.mark.parametrize("confidence", [-0.1, 1.1, np.nan])
def test_confidence_that_is_no_probability_is_refused(confidence):
    with pytest.raises(ValueError, match="must lie in 0..1"):
        calibration_bins([confidence], [True])


def test_bins_refuse_unequal_lengths_and_no_bins():
    with pytest.raises(ValueError, match="must both be"):
        calibration_bins([0.5], [True, False])
    with pytest.raises(ValueError, match="at least 1"):
        calibration_bins([0.5], [True], bins=0)


def test_calibration_bin_to_json_holds_every_field():
    part = calibration_bins([0.7], [True], bins=2)[1]
    assert CalibrationBin(**part.to_json()) == part


def test_no_rows_give_zeros_and_no_temperature():
    nothing = np.zeros((0, 3))
    assert expected_calibration_error([], []) == 0.0
    assert brier_score(nothing, []) == negative_log_likelihood(nothing, []) == 0.0
    assert fit_temperature(nothing, []) == 1.0


@given(st.integers(2, 6), st.integers(1, 20), st.integers(0, 1000))
def test_proper_scores_are_bounded_and_best_for_the_gold_itself(classes, rows, seed):
    generator = np.random.default_rng(seed)
    probabilities = generator.dirichlet(np.full(classes, 0.3), rows)
    gold = generator.integers(classes, size=rows)
    perfect = np.eye(classes)[gold]
    assert brier_score(perfect, gold) == negative_log_likelihood(perfect, gold) == 0.0
    assert 0 <= brier_score(probabilities, gold) <= 2
    assert 0 <= negative_log_likelihood(probabilities, gold) < 36.1


def test_sure_mistake_costs_the_most_and_stays_finite():
    assert brier_score([[1.0, 0.0]], [1]) == 2.0
    assert negative_log_likelihood([[1.0, 0.0]], [1]) == pytest.approx(36.04, abs=0.01)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5, 6.0])
def test_fit_temperature_finds_back_what_was_put_in(temperature):
    logits, gold = drawn_rows(rows=20_000, classes=5, temperature=temperature, seed=1)
    assert fit_temperature(logits, gold) == pytest.approx(temperature, rel=0.04)


@given(st.integers(2, 5), st.integers(1, 30), st.integers(0, 10_000), st.floats(0.05, 30))
def test_fit_temperature_is_never_worse_than_any_other(classes, rows, seed, scale):
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, scale, (rows, classes))
    gold = generator.integers(classes, size=rows)

    def loss(temperature):
        scaled = logits / temperature
        scaled -= scaled.max(axis=1, keepdims=True)
        log_sum = np.log(np.exp(scaled).sum(axis=1))
        return float((log_sum - scaled[np.arange(rows), gold]).mean())

    fitted = fit_temperature(logits, gold)
    assert LOWEST_TEMPERATURE <= fitted <= HIGHEST_TEMPERATURE
    grid = np.geomspace(LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE, 50)
    assert loss(fitted) <= min(map(loss, grid)) + 1e-9


def test_fit_temperature_ignores_row_offsets_and_scales_with_logits():
    logits, gold = drawn_rows(rows=500, classes=4, temperature=1.5, seed=2)
    fitted = fit_temperature(logits, gold)
    offsets = np.linspace(-900, 900, 500)[:, np.newaxis]
    assert fit_temperature(logits + offsets, gold) == pytest.approx(fitted, rel=1e-6)
    assert fit_temperature(logits * 2, gold) == pytest.approx(2 * fitted, rel=1e-6)
    assert fit_temperature(logits.astype(np.float32), gold) == pytest.approx(fitted, rel=1e-4)


def test_fit_temperature_stays_at_one_where_one_is_exactly_right():
    # softmax([log 3, 0]) is (3/4, 1/4), and so are the answers.
    logits = np.tile([np.log(3), 0.0], (4, 1))
    assert fit_temperature(logits, [0, 0, 0, 1]) == pytest.approx(1.0, abs=1e-12)
    assert fit_temperature(7 * logits, [0, 0, 0, 1]) == pytest.approx(7.0, rel=1e-9)


def test_fit_temperature_stops_at_its_bounds():
    logits = np.eye(3)
    assert fit_temperature(logits, [0, 1, 2]) == LOWEST_TEMPERATURE
    assert fit_temperature(logits, [1, 2, 0]) == HIGHEST_TEMPERATURE
    assert fit_temperature(1e6 * logits, [0, 1, 0]) == HIGHEST_TEMPERATURE


@pytest.mark.parametrize("shape", [(4, 1), (4, 3)])
def test_fit_temperature_of_equal_logits_is_one(shape):
    assert fit_temperature(np.full(shape, 0.1), [0, 0, 0, 0]) == 1.0


@pytest.mark.parametrize(
    ("logits", "gold", "named"),
    [
        ([[0.0, np.inf]], [0], "finite"),
        ([[0.0, 1.0]], [2], "class indices in 0..1"),
        ([[0.0, 1.0]], [0, 1], r"gold \(n,\)"),
        ([0.0, 1.0], [0], r"scores must be \(n, C\)"),
    ],
)
def test_fit_temperature_refuses_what_does_not_fit(logits, gold, named):
    with pytest.raises(ValueError, match=named):
        fit_temperature(logits, gold)
