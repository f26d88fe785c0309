"""Relation scores: the scorer's rules by hand. Agreement with the scorer itself is in `parity/`."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.measure.classes import class_scores
from tunesmith.measure.relations import relation_rows, relation_statistics, relation_type

TYPES = ("Cause-Effect", "Entity-Origin", "Product-Producer")
LABELS = ("Other", *(f"{name}({way})" for name in TYPES for way in ("e1,e2", "e2,e1")))
answers = st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from(("", *LABELS))), max_size=25)


def scores(gold, predicted, **settings):
    """Return the plain values of all rows."""
    rows = relation_rows(gold, predicted, **settings)
    return relation_statistics(rows)(np.ones(len(gold), dtype=np.int64))


def test_a_confusion_matrix_by_hand():
    # Cause-Effect: 3 gold, 1 right, 1 in the wrong direction, 1 given as Other.
    # Entity-Origin: 2 gold, both right; one Other is given as Entity-Origin.
    cause, effect, origin = "Cause-Effect(e1,e2)", "Cause-Effect(e2,e1)", "Entity-Origin(e1,e2)"
    gold = [cause, cause, effect, origin, origin, "Other", "Other"]
    predicted = [cause, effect, "Other", origin, origin, origin, "Other"]
    rows = relation_rows(gold, predicted)
    one, other = class_scores(rows.types, *rows.totals())
    assert (one.precision, one.recall) == pytest.approx((1 / 2, 1 / 3))
    assert (other.precision, other.recall) == pytest.approx((2 / 3, 1))
    assert scores(gold, predicted) == pytest.approx(
        {
            "macro_f1": (2 / 5 + 4 / 5) / 2,
            "micro_f1": 2 * 3 / (5 + 5),
            "micro_precision": 3 / 5,
            "micro_recall": 3 / 5,
            "accuracy": 4 / 7,
        }
    )


def test_wrong_direction_is_a_wrong_answer():
    gold = ["Cause-Effect(e1,e2)"] * 4
    assert scores(gold, ["Cause-Effect(e2,e1)"] * 4)["macro_f1"] == 0.0
    assert scores(gold, gold)["macro_f1"] == scores(gold, gold)["micro_f1"] == 1.0


def test_other_earns_nothing_but_spoils_precision():
    gold = ["Cause-Effect(e1,e2)", *["Other"] * 9]
    assert scores(gold, gold)["macro_f1"] == 1.0
    assert scores(gold, ["Cause-Effect(e1,e2)"] * 10)["macro_f1"] == pytest.approx(2 / 11)
    assert scores(["Other"] * 3, ["Other"] * 3) == {
        "macro_f1": 0.0,
        "micro_f1": 0.0,
        "micro_precision": 0.0,
        "micro_recall": 0.0,
        "accuracy": 1.0,
    }


def test_an_answer_whose_type_is_not_in_gold_counts_as_other():
    gold = ["Cause-Effect(e1,e2)", "Cause-Effect(e1,e2)", "Other"]
    given_other = scores(gold, ["Cause-Effect(e1,e2)", "Other", "Other"])
    foreign = scores(gold, ["Cause-Effect(e1,e2)", "Entity-Origin(e1,e2)", "Entity-Origin(e2,e1)"])
    del given_other["accuracy"], foreign["accuracy"]
    assert given_other == foreign


def test_labels_of_another_data_set_need_no_direction():
    gold = ["国籍", "无关", "夫妻", "夫妻"]
    predicted = ["国籍", "夫妻", "夫妻", "无关"]
    assert scores(gold, predicted, no_relation="无关")["macro_f1"] == pytest.approx((1 + 1 / 2) / 2)
    assert relation_type("Message-Topic(e2,e1)") == "Message-Topic"
    assert relation_type("per:city(born)") == "per:city(born)"


@given(answers)
def test_scores_are_bounded_and_order_of_rows_is_not_seen(rows):
    gold, predicted = [row[0] for row in rows], [row[1] for row in rows]
    plain = scores(gold, predicted)
    assert all(0.0 <= value <= 1.0 for value in plain.values())
    assert scores(gold[::-1], predicted[::-1]) == plain


@given(answers)
def test_turning_every_relation_round_changes_nothing(rows):
    turned = str.maketrans("12", "21")
    gold, predicted = [row[0] for row in rows], [row[1] for row in rows]
    assert scores(gold, predicted) == scores(
        [label.translate(turned) for label in gold],
        [label.translate(turned) for label in predicted],
    )


@given(answers, st.data())
def test_weights_equal_repeated_rows(rows, data):
    gold, predicted = [row[0] for row in rows], [row[1] for row in rows]
    weights = np.array(
        data.draw(st.lists(st.integers(0, 3), min_size=len(rows), max_size=len(rows))),
        dtype=np.int64,
    )
    again = [row for row, times in zip(rows, weights, strict=True) for _ in range(times)]
    weighted = relation_statistics(relation_rows(gold, predicted))(weights)
    assert weighted == pytest.approx(scores([row[0] for row in again], [row[1] for row in again]))


def test_no_rows_give_zeros():
    assert set(scores([], []).values()) == {0.0}


def test_unequally_many_labels_are_refused():
    with pytest.raises(ValueError, match="equally many; got 1 and 2"):
        relation_rows(["Other"], ["Other", "Other"])
