"""Calibrators: what they keep, what they change, and finding back what was put in."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.measure.calibrators import (
    Calibrator,
    calibration_scores,
    fit_curves,
    fit_temperatures,
    probabilities,
    row_losses,
)
from tunesmith.measure.isotonic import Curve

logit_rows = st.lists(st.floats(-8, 8, width=32), min_size=3, max_size=3)


def drawn(*, rows, classes, temperature, seed=0):
    """Return logits, `temperature` times too large, and gold classes drawn from the right ones."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 2, (rows, classes))
    gold = [generator.choice(classes, p=probabilities(row, "softmax")) for row in logits]
    return list(logits * temperature), gold


@given(st.lists(logit_rows, min_size=1, max_size=20), st.floats(0.05, 20))
def test_temperature_never_changes_the_order_of_the_classes(rows, temperature):
    logits = np.array(rows)
    warmed = Calibrator("softmax", (temperature,))(logits)
    assert (warmed.argmax(axis=1) == logits.argmax(axis=1)).all()


@given(st.lists(st.tuples(logit_rows, st.integers(0, 2)), min_size=2, max_size=30))
def test_shared_curve_never_turns_two_probabilities_round(rows):
    logits = [np.array(row) for row, _ in rows]
    calibrator = fit_curves(logits, [gold for _, gold in rows], "softmax")
    assert len(calibrator.curves) == 1
    for row in logits:
        ordered = calibrator(row)[np.argsort(row, kind="stable")]
        assert (np.diff(ordered) >= -1e-9).all()


def test_temperature_that_was_put_in_is_found():
    logits, gold = drawn(rows=4000, classes=4, temperature=3.0)
    assert fit_temperatures(logits, gold, "softmax").temperatures[0] == pytest.approx(3.0, rel=0.1)


def test_rows_that_are_all_right_do_not_sharpen_without_end():
    logits = [np.array([2.0, 0.0])] * 18
    found = fit_temperatures(logits, [0] * 18, "softmax")
    confidence = probabilities(found(logits[0]), "softmax").max()
    assert confidence == pytest.approx(19 / 20)  # 18 of 18, by Laplace's rule
    sure = [np.array([9.0, 0.0])] * 18
    assert fit_temperatures(sure, [0] * 18, "softmax").temperatures[0] == pytest.approx(1.0)


def test_rows_of_different_lengths_share_a_temperature():
    logits, gold = drawn(rows=2000, classes=3, temperature=2.0)
    wider, wider_gold = drawn(rows=2000, classes=5, temperature=2.0, seed=1)
    found = fit_temperatures(logits + wider, gold + wider_gold, "softmax").temperatures[0]
    assert found == pytest.approx(2.0, rel=0.1)


def test_each_label_has_its_temperature_and_the_shift_is_taken_off():
    generator = np.random.default_rng(0)
    true = generator.normal(0, 2, (4000, 2))
    gold = list((generator.random(true.shape) < probabilities(true, "sigmoid")).astype(int))
    served = list(true * [1.0, 3.0] + 0.5)
    found = fit_temperatures(served, gold, "sigmoid", shift=0.5)
    assert found.temperatures == pytest.approx((1.0, 3.0), rel=0.1)
    np.testing.assert_allclose(found(served[0]), true[0], atol=0.5)


def test_label_that_is_never_right_keeps_its_logits():
    logits = [np.array([1.0, -1.0]), np.array([-2.0, 1.0])]
    gold = [np.array([1, 0]), np.array([0, 0])]
    assert fit_temperatures(logits, gold, "sigmoid").temperatures[1] == 1.0


def test_classes_with_many_rows_have_curves_of_their_own():
    logits, gold = drawn(rows=600, classes=2, temperature=2.0)
    assert len(fit_curves(logits, gold, "softmax").curves) == 2
    assert len(fit_curves(logits[:60], gold[:60], "softmax").curves) == 1


def test_curves_promise_no_more_than_their_rows_can_tell():
    logits = [np.array([4.0, -4.0])] * 8
    curves = fit_curves(logits, [0] * 8, "softmax")
    assert probabilities(curves(logits[0]), "softmax").max() == pytest.approx(0.9)


def test_curves_of_a_softmax_are_normalised_again():
    calibrator = Calibrator("softmax", curves=(Curve((0.0, 1.0), (0.2, 0.8)),))
    # 0.75 and 0.25 become 0.65 and 0.35.
    found = probabilities(calibrator(np.log([0.75, 0.25])), "softmax")
    assert found.tolist() == pytest.approx([0.65, 0.35])


def test_curves_of_a_sigmoid_are_probabilities_as_they_are():
    calibrator = Calibrator("sigmoid", curves=(Curve((0.0, 1.0), (0.2, 0.8)),))
    assert probabilities(calibrator(np.zeros(2)), "sigmoid").tolist() == pytest.approx([0.5, 0.5])


def test_scores_of_a_worked_example():
    logits = [np.log([0.8, 0.2]), np.log([0.6, 0.4])]
    found = calibration_scores(logits, [0, 1], "softmax", raw=logits)
    assert found["log_loss"] == pytest.approx(-(np.log(0.8) + np.log(0.4)) / 2)
    assert found["brier"] == pytest.approx((0.04 + 0.04 + 0.36 + 0.36) / 2)
    assert found["ece"] == pytest.approx((0.2 + 0.6) / 2)


def test_decisions_of_a_sigmoid_are_those_that_are_served():
    # Raw says yes, calibrated says 0.25: the yes stays, at confidence 0.25.
    found = calibration_scores([np.log([1 / 3])], [[0]], "sigmoid", raw=[np.array([0.4])])
    assert found["ece"] == pytest.approx(0.25)
    assert found["brier"] == pytest.approx(2 * 0.25**2)
    assert row_losses([np.log([1 / 3])], [[0]], "sigmoid") == pytest.approx(-np.log(0.75))


@pytest.mark.parametrize(
    "calibrator",
    [
        Calibrator("softmax"),
        Calibrator("softmax", (2.0,)),
        Calibrator("sigmoid", (2.0, 3.0), shift=0.5),
        Calibrator("softmax", curves=(Curve((0.0, 1.0), (0.1, 0.9)),)),
    ],
)
def test_calibrator_survives_json(calibrator):
    assert Calibrator.from_json(json.loads(json.dumps(calibrator.to_json()))) == calibrator


def test_names_of_calibrators_say_what_they_do():
    assert Calibrator("sigmoid").name == "none"
    assert Calibrator("sigmoid", shift=1.0).name == "shift"
    assert Calibrator("sigmoid", (1.0,)).name == "temperature"
