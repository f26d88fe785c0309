"""Folds: each row held out once, groups and equal texts together, every class kept in the rest."""

from __future__ import annotations

from collections import Counter

import pytest

from tunesmith.core.errors import DataError
from tunesmith.core.examples import Example, Place, TextInput
from tunesmith.data.folds import fold_examples, splits_of_fold
from tunesmith.data.splits import Splits
from tunesmith.tasks.classification import Classification

TASK = Classification()


def row(number, label, *, text=None, group=None):
    return Example(
        str(number), TextInput(text or f"text {number}"), label, Place("f", number), group
    )


def folds_of(rows, *, folds=4, seed=0):
    return [
        fold_examples(rows, TASK, folds=folds, fold=number, seed=seed) for number in range(folds)
    ]


def test_every_row_is_held_out_once_and_classes_are_dealt_out_evenly():
    rows = [row(number, "rare" if number % 5 == 0 else "often") for number in range(60)]
    found = folds_of(rows)
    held = [example.id for _, own in found for example in own]
    assert sorted(held) == sorted(example.id for example in rows)
    for rest, own in found:
        assert len(rest) + len(own) == 60
        assert Counter(example.gold for example in own) == {"rare": 3, "often": 12}
        assert [example.id for example in rest] == [r.id for r in rows if r in rest]


def test_order_of_rows_changes_no_fold_but_the_seed_does():
    rows = [row(number, "ab"[number % 2]) for number in range(40)]
    ids = [{example.id for example in own} for _, own in folds_of(rows)]
    assert ids == [{example.id for example in own} for _, own in folds_of(rows[::-1])]
    assert ids != [{example.id for example in own} for _, own in folds_of(rows, seed=1)]


def test_equal_texts_and_groups_stay_together():
    rows = [row(number, "a", text=f"text {number // 2}") for number in range(24)]
    rows += [row(100 + number, "b", group=f"g{number // 3}") for number in range(24)]
    for rest, own in folds_of(rows):
        texts = [
            {example.inputs.text for example in part if not example.group} for part in (rest, own)
        ]
        groups = [{example.group for example in part if example.group} for part in (rest, own)]
        assert not texts[0] & texts[1]
        assert not groups[0] & groups[1]


def test_row_that_alone_holds_a_class_is_always_trained_on():
    rows = [row(number, "a") for number in range(12)] + [row(99, "single")]
    for rest, own in folds_of(rows):
        assert "single" in {example.gold for example in rest}
        assert "single" not in {example.gold for example in own}
    with pytest.raises(DataError, match="rows for 4 folds"):
        folds_of([row(1, "a"), row(2, "b"), row(3, "c")])


def test_valid_rows_are_dealt_out_with_train_and_test_stays():
    rows = [row(number, "a") for number in range(20)]
    splits = Splits(tuple(rows[:12]), tuple(rows[12:16]), tuple(rows[16:]))
    first, second = (
        splits_of_fold(splits, TASK, folds=2, fold=number, seed=0) for number in range(2)
    )
    assert {example.id for example in first.valid} == {example.id for example in second.train}
    assert len(first.train) + len(first.valid) == 16
    assert first.test == second.test == splits.test
