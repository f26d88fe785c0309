"""Class metrics: bounds, invariances, edges. Agreement with scikit-learn is in `parity/`."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.measure.classes import (
    ClassScore,
    accuracy,
    averaged_scores,
    class_scores,
    class_statistics,
    confusion_counts,
    confusion_outcomes,
    hamming_loss,
    matthews_correlation,
    multilabel_counts,
    multilabel_statistics,
    subset_accuracy,
)

CLASSES = 5
pairs = st.lists(st.tuples(st.integers(0, CLASSES - 1), st.integers(0, CLASSES - 1)), max_size=40)
label_rows = st.lists(
    st.tuples(*[st.lists(st.booleans(), min_size=3, max_size=3)] * 2), min_size=1, max_size=20
)


def split(rows):
    """Return gold and predicted of rows of pairs as two arrays."""
    table = np.array(rows, dtype=np.int64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


@given(pairs)
def test_every_score_lies_between_zero_and_one(rows):
    outcomes = confusion_outcomes(confusion_counts(*split(rows), classes=CLASSES))
    scores = class_scores("abcde", *outcomes)
    values = [value for score in scores for value in (score.precision, score.recall, score.f1)]
    values += [value for mean in averaged_scores(*outcomes).values() for value in mean.values()]
    assert all(0.0 <= value <= 1.0 for value in values)
    assert sum(score.support for score in scores) == len(rows)
    assert sum(score.predicted for score in scores) == len(rows)


@given(pairs, st.randoms(use_true_random=False))
def test_statistics_do_not_depend_on_row_order(rows, random):
    shuffled = random.sample(rows, len(rows))
    ones = np.ones(len(rows), dtype=np.int64)
    plain = class_statistics(*split(rows), classes=CLASSES)(ones)
    assert plain == class_statistics(*split(shuffled), classes=CLASSES)(ones)


@given(pairs, st.permutations(range(CLASSES)))
def test_averages_do_not_depend_on_class_order(rows, order):
    gold, predicted = split(rows)
    order = np.array(order)
    ones = np.ones(len(rows))
    plain = class_statistics(gold, predicted, classes=CLASSES)(ones)
    renamed = class_statistics(order[gold], order[predicted], classes=CLASSES)(ones)
    assert renamed == pytest.approx(plain, abs=1e-12)


@given(pairs)
def test_swapping_gold_and_predicted_transposes_and_swaps_precision_with_recall(rows):
    gold, predicted = split(rows)
    confusion = confusion_counts(gold, predicted, classes=CLASSES)
    assert (confusion_counts(predicted, gold, classes=CLASSES) == confusion.T).all()
    one = averaged_scores(*confusion_outcomes(confusion))["macro"]
    other = averaged_scores(*confusion_outcomes(confusion.T))["macro"]
    assert (one["precision"], one["f1"]) == pytest.approx((other["recall"], other["f1"]))


@given(pairs, st.data())
def test_weights_equal_repeated_rows(rows, data):
    gold, predicted = split(rows)
    weights = np.array(
        data.draw(st.lists(st.integers(0, 3), min_size=len(rows), max_size=len(rows))),
        dtype=np.int64,
    )
    gold_again, predicted_again = np.repeat(gold, weights), np.repeat(predicted, weights)
    weighted = confusion_counts(gold, predicted, classes=CLASSES, weights=weights)
    assert weighted.dtype == np.int64
    assert (weighted == confusion_counts(gold_again, predicted_again, classes=CLASSES)).all()
    repeated = class_statistics(gold_again, predicted_again, classes=CLASSES)
    assert class_statistics(gold, predicted, classes=CLASSES)(weights) == pytest.approx(
        repeated(np.ones(len(gold_again))), abs=1e-12
    )


@given(pairs)
def test_statistics_of_ones_equal_the_plain_metrics(rows):
    gold, predicted = split(rows)
    confusion = confusion_counts(gold, predicted, classes=CLASSES)
    means = averaged_scores(*confusion_outcomes(confusion))
    assert class_statistics(gold, predicted, classes=CLASSES)(np.ones(len(rows))) == {
        "accuracy": accuracy(confusion),
        "macro_f1": means["macro"]["f1"],
        "micro_f1": means["micro"]["f1"],
        "weighted_f1": means["weighted"]["f1"],
    }


@given(pairs)
def test_matthews_correlation_is_bounded_and_symmetric(rows):
    confusion = confusion_counts(*split(rows), classes=CLASSES)
    value = matthews_correlation(confusion)
    assert -1 - 1e-12 <= value <= 1 + 1e-12
    assert value == pytest.approx(matthews_correlation(confusion.T))


@given(label_rows, st.data())
def test_multilabel_statistics_equal_the_plain_metrics_on_repeated_rows(rows, data):
    gold = np.array([row[0] for row in rows])
    predicted = np.array([row[1] for row in rows])
    weights = np.array(
        data.draw(st.lists(st.integers(0, 3), min_size=len(rows), max_size=len(rows)))
    )
    again, predicted_again = np.repeat(gold, weights, axis=0), np.repeat(predicted, weights, axis=0)
    counts = multilabel_counts(gold, predicted, weights)
    for weighted, repeated in zip(counts, multilabel_counts(again, predicted_again), strict=True):
        assert (weighted == repeated).all()
    means = averaged_scores(*counts)
    assert multilabel_statistics(gold, predicted)(weights) == pytest.approx(
        {
            "subset_accuracy": subset_accuracy(again, predicted_again),
            "hamming_loss": hamming_loss(again, predicted_again),
            "macro_f1": means["macro"]["f1"],
            "micro_f1": means["micro"]["f1"],
            "weighted_f1": means["weighted"]["f1"],
        },
        abs=1e-12,
    )
    assert subset_accuracy(gold, predicted, weights) == pytest.approx(
        subset_accuracy(again, predicted_again)
    )
    assert hamming_loss(gold, predicted, weights) == pytest.approx(
        hamming_loss(again, predicted_again)
    )


def test_averages_of_a_worked_example():
    # Counts by hand: a 2 of 3 right with one false alarm, b 1 of 2, c never occurs.
    means = averaged_scores([2, 1, 0], [1, 1, 0], [1, 1, 0])
    assert means["macro"]["f1"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert means["micro"]["f1"] == pytest.approx(3 / 5)
    assert means["weighted"]["f1"] == pytest.approx((3 * 2 / 3 + 2 * 1 / 2) / 5)


def test_macro_counts_a_class_that_was_only_predicted():
    macro = averaged_scores([2, 0, 0], [0, 1, 0], [1, 0, 0])["macro"]
    assert macro["recall"] == pytest.approx((2 / 3 + 0) / 2)


def test_no_rows_gives_zeros():
    confusion = confusion_counts([], [], classes=2)
    nothing = {"precision": 0.0, "recall": 0.0, "f1": 0.0}
    assert confusion.tolist() == [[0, 0], [0, 0]]
    assert accuracy(confusion) == matthews_correlation(confusion) == 0.0
    assert averaged_scores(*confusion_outcomes(confusion)) == dict.fromkeys(
        ("micro", "macro", "weighted"), nothing
    )
    empty = np.zeros((0, 3), dtype=bool)
    assert subset_accuracy(empty, empty) == hamming_loss(empty, empty) == 0.0
    assert set(multilabel_statistics(empty, empty)(np.ones(0)).values()) == {0.0}
    assert set(class_statistics([], [], classes=2)(np.ones(0)).values()) == {0.0}


def test_no_classes_gives_an_empty_table():
    assert class_scores([], [], [], []) == ()
    assert averaged_scores([], [], [])["macro"]["f1"] == 0.0


def test_matthews_correlation_of_one_class_is_zero():
    assert matthews_correlation(np.array([[3, 0], [0, 0]])) == 0.0


def test_matthews_correlation_of_many_rows_does_not_overflow():
    assert matthews_correlation(np.diag([10**9, 10**9, 10**9])) == pytest.approx(1.0)


def test_class_score_to_json_holds_every_field():
    (score,) = class_scores(["好评"], [3], [1], [0])
    assert score == ClassScore("好评", 0.75, 1.0, 6 / 7, support=3, predicted=4)
    assert ClassScore(**score.to_json()) == score


@pytest.mark.parametrize(
    ("gold", "predicted", "named"),
    [
        ([0, 1], [0], "must both be"),
        ([0, 5], [0, 1], "gold must lie in 0..4"),
        ([0, 1], [0, -1], "predicted must lie in 0..4"),
        ([0.5, 1.0], [0, 1], "gold must hold class indices"),
    ],
)
def test_confusion_counts_refuses_what_is_no_class(gold, predicted, named):
    with pytest.raises(ValueError, match=named):
        confusion_counts(gold, predicted, classes=CLASSES)


def test_multilabel_counts_refuses_unequal_shapes():
    with pytest.raises(ValueError, match="must both be"):
        multilabel_counts(np.zeros((2, 3), bool), np.zeros((2, 2), bool))


def test_class_scores_refuses_too_few_labels():
    with pytest.raises(ValueError, match="equally many"):
        class_scores(["a"], [1, 2], [0, 0], [0, 0])


def test_small_integer_types_do_not_overflow():
    gold = np.array([100, 120], dtype=np.int8)
    confusion = confusion_counts(gold, gold, classes=121)
    assert confusion[100, 100] == confusion[120, 120] == 1
