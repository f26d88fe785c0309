"""Which calibrator is taken, and that none is judged by rows it was fitted on."""

import numpy as np
import pytest

from tunesmith.core.reliability import ReliabilityRecipe
from tunesmith.measure.probabilities import sigmoid, softmax
from tunesmith.stages.tune.calibrating import choose_calibration
from tunesmith.tasks.odds import Odds


def drawn(rows, *, temperature=1.0, seed=0):
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 2, (rows, 3))
    gold = [generator.choice(3, p=softmax(row)) for row in logits]
    return Odds("softmax", tuple(logits * temperature), tuple(gold))


def bent(rows, *, seed=0):
    """Return logits of two classes whose odds no temperature sets right."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 3, rows)
    true = 0.5 + 0.4 * np.sign(logits)
    gold = (generator.random(rows) < true).astype(int)
    return Odds("softmax", tuple(np.stack([-logits, logits], axis=1) / 2), tuple(gold))


def test_odds_that_hold_true_are_left_alone():
    found = choose_calibration(drawn(400), ReliabilityRecipe())
    assert found.calibrator.name == "none"
    assert found.before == found.after
    assert found.rows == 400


def test_odds_that_are_too_sure_get_a_temperature():
    found = choose_calibration(drawn(400, temperature=3.0), ReliabilityRecipe())
    assert found.calibrator.name == "temperature"
    assert found.calibrator.temperatures[0] == pytest.approx(3.0, rel=0.2)
    assert all(found.after[name] < found.before[name] for name in ("log_loss", "brier", "ece"))


def test_odds_that_no_temperature_mends_get_curves():
    found = choose_calibration(bent(2000), ReliabilityRecipe())
    assert found.calibrator.name == "isotonic"
    assert found.after["log_loss"] < found.before["log_loss"]


@pytest.mark.parametrize("wish", ["temperature", "isotonic"])
def test_wish_is_met_and_judged_on_folds(wish):
    odds = drawn(60)
    found = choose_calibration(odds, ReliabilityRecipe(calibration=wish))
    assert found.calibrator.name == wish
    # What is fitted cannot do better on other rows than on its own.
    own = [found.calibrator(row) for row in odds.logits]
    losses = [-np.log(softmax(row)[at]) for row, at in zip(own, odds.gold, strict=True)]
    assert found.after["log_loss"] >= np.mean(losses) - 1e-9


def test_no_row_is_judged_by_a_fit_of_its_own():
    """A hundred rows alike but one: curves that saw it would not be surprised by it."""
    logits = tuple(np.array([2.0, 0.0]) for _ in range(100))
    gold = (1, *[0] * 99)
    found = choose_calibration(
        Odds("softmax", logits, gold), ReliabilityRecipe(calibration="isotonic", folds=100)
    )
    # Each fold holds one row: the odd one is judged by 99 rows that never were wrong.
    assert found.after["log_loss"] > -(np.log(0.01) + 99 * np.log(0.99)) / 100


def test_shift_of_many_labels_is_taken_off_without_a_fit():
    generator = np.random.default_rng(0)
    true = generator.normal(0, 2, (800, 2))
    gold = tuple((generator.random(true.shape) < sigmoid(true)).astype(int))
    odds = Odds("sigmoid", tuple(true + 1.5), gold)
    found = choose_calibration(odds, ReliabilityRecipe(), shift=1.5)
    assert found.calibrator.name == "shift"
    assert found.after["log_loss"] < found.before["log_loss"]
    np.testing.assert_allclose(found.calibrator(odds.logits[0]), true[0])


def test_same_seed_gives_the_same_folds():
    odds, recipe = drawn(120), ReliabilityRecipe(calibration="isotonic")
    first, second = (choose_calibration(odds, recipe, seed=3).after for _ in range(2))
    assert first == second != choose_calibration(odds, recipe, seed=4).after
