"""The subsets of a plan: held out means held out, and every beginning has all classes."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from tunesmith.core.errors import DataError
from tunesmith.core.examples import Example, Place, TextInput
from tunesmith.stages.plan.rows import fold_splits, make_folds, rung_sizes
from tunesmith.tasks import make_task


def rows_of(count, *, classes=4, text=lambda number: f"text {number}"):
    return [
        Example(str(number), TextInput(text(number)), f"c{number % classes}", Place("rows", number))
        for number in range(count)
    ]


@pytest.fixture
def task():
    return make_task("classification").with_labels_of(rows_of(40))


@pytest.mark.parametrize(("count", "folds"), [(60, 5), (500, 5), (900, 3), (3000, 1)])
def test_folds_hold_out_a_fifth_and_share_no_row(task, count, folds):
    rows = rows_of(count)
    made = make_folds(rows, task, seed=0)
    assert len(made) == folds
    for fold in made:
        assert not set(fold.held) & set(fold.order)
        assert len(fold.held) == pytest.approx(min(count / 5, 1000), abs=2)
    held = np.concatenate([fold.held for fold in made])
    assert len(held) == len(set(held.tolist()))


def test_every_beginning_has_the_classes_in_proportion(task):
    fold = make_folds(rows_of(400), task, seed=1)[0]
    for size in (20, 40, 160):
        counts = Counter(int(row) % 4 for row in fold.order[:size])
        assert max(counts.values()) - min(counts.values()) <= 3


def test_rows_of_equal_text_stay_on_one_side(task):
    rows = rows_of(120, text=lambda number: f"text {number // 3}", classes=1)
    for fold in make_folds(rows, task, seed=0):
        held = {rows[row].inputs.text for row in fold.held}
        assert not held & {rows[row].inputs.text for row in fold.order}


def test_rungs_grow_to_all_rows_and_none_is_smaller_than_the_classes(task):
    folds = make_folds(rows_of(500), task, seed=0)
    assert rung_sizes(folds, classes=4) == [50, 100, 200, 400]
    assert rung_sizes(folds, classes=60) == [60, 100, 200, 400]
    assert rung_sizes(folds, classes=77) == [100, 200, 400]
    assert rung_sizes(folds, classes=350) == [400]


def test_splits_of_a_fold_are_disjoint_and_whole(task):
    rows = rows_of(100)
    fold = make_folds(rows, task, seed=0)[0]
    splits = fold_splits(rows, fold, 40)
    ids = [{example.id for example in split} for split in (splits.train, splits.valid, splits.test)]
    assert [len(part) for part in ids] == [36, 4, 20]
    assert not ids[0] & ids[1] | ids[0] & ids[2] | ids[1] & ids[2]


def test_too_few_rows_are_refused(task):
    with pytest.raises(DataError, match="at least 12 rows"):
        make_folds(rows_of(8), task, seed=0)
