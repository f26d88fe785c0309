"""Rows in folds: parts of which each is held out once, drawn as splits are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tunesmith.core.errors import DataError, Problem
from tunesmith.core.examples import Example
from tunesmith.data.splits import Splits
from tunesmith.data.spool import JoinedExamples, take_examples
from tunesmith.data.units import Units, find_units
from tunesmith.tasks.task import Task

ALWAYS_TRAINED = -1


def splits_of_fold(splits: Splits, task: Task, *, folds: int, fold: int, seed: int) -> Splits:
    """Return splits whose valid rows are one fold of train and valid together; test stays."""
    both = JoinedExamples([splits.train, splits.valid])
    train, valid = fold_examples(both, task, folds=folds, fold=fold, seed=seed)
    return Splits(train, valid, splits.test)


def fold_examples(
    examples: Sequence[Example], task: Task, *, folds: int, fold: int, seed: int = 0
) -> tuple[Sequence[Example], Sequence[Example]]:
    """Return (rest, rows of fold number `fold` from 0); both keep the order.

    Rows of equal text and rows of one group stay together, each class is dealt out evenly, and
    every class keeps a row in the rest: what alone holds one is in no fold. Folds depend on content
    and seed, not on the order of rows. Raises `DataError` where a fold would be empty.
    """
    fold_of = _deal(find_units(examples, task, seed=seed), folds)
    held = fold_of == fold
    if len(set(fold_of.tolist()) - {ALWAYS_TRAINED}) < folds:
        raise DataError(
            Problem(
                f"there must be rows for {folds} folds, without those that alone hold a class",
                f"{len(examples):,} rows",
            ),
            hint=f"--set ensemble.folds={max(2, folds - 1)}, or --set ensemble.seeds={folds}",
        )
    return (
        take_examples(examples, np.flatnonzero(~held)),
        take_examples(examples, np.flatnonzero(held)),
    )


def _deal(units: Units, folds: int) -> np.ndarray:
    """Return (rows,) the fold of each row: of each stratum one unit after the other, in turn."""
    fold_of_unit = np.empty(len(units), dtype=np.int64)
    order = np.argsort(units.strata, kind="stable")  # units come in the order of the draw
    fold_of_unit[order] = np.arange(len(units)) % folds
    folds_of: dict[int, set[int]] = {}
    for unit in range(len(units)):
        for name in units.classes_of(unit):
            folds_of.setdefault(name, set()).add(int(fold_of_unit[unit]))
    alone = {name for name, own in folds_of.items() if len(own) == 1}
    for unit in range(len(units)):
        if any(name in alone for name in units.classes_of(unit)):
            fold_of_unit[unit] = ALWAYS_TRAINED
    found = np.empty(len(units.rows), dtype=np.int64)
    for unit in range(len(units)):
        found[units.rows_of(unit)] = fold_of_unit[unit]
    return found
