"""The subsets a plan measures on: folds that are held out, and nested shares of all others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tunesmith.core.errors import DataError
from tunesmith.core.examples import Example
from tunesmith.data.splits import Splits
from tunesmith.data.spool import take_examples
from tunesmith.data.units import find_units
from tunesmith.tasks.task import Task

SHARES = (0.125, 0.25, 0.5, 1.0)
"""Of the rows that are not held out: each rung has twice those of the one before."""

APART = 1.4
"""Rungs nearer than this factor tell the same twice."""

FEWEST_ROWS = 12
MARKED_ROWS = 1000
"""Held-out rows that are answered in a fold, at most."""

VALID_SHARE, FEWEST_VALID = 0.1, 4


@dataclass(frozen=True, slots=True)
class Fold:
    """Rows to be marked, and the order in which all others are learned from.

    `held` and `order` are places of rows; every beginning of `order` has the classes in proportion.
    """

    held: np.ndarray
    order: np.ndarray


def make_folds(examples: Sequence[Example], task: Task, *, seed: int) -> list[Fold]:
    """Return 5 folds of up to 500 rows, 3 of up to 2,000, else one, of a fifth of the rows at most.

    Rows of equal text or of one group are never on both sides. Raises `DataError` where too few
    rows are there to learn from some and mark others.
    """
    units = find_units(examples, task, seed=seed)
    if len(examples) < FEWEST_ROWS or len(units) < FEWEST_ROWS // 2:
        raise DataError(
            f"a plan must have at least {FEWEST_ROWS} rows that differ; got {len(examples):,}",
            hint="label more rows, or begin with --method zero-shot",
        )
    count = 5 if len(examples) <= 500 else 3 if len(examples) <= 2000 else 1  # noqa: PLR2004
    random = np.random.default_rng(seed)
    ranked = np.argsort(_places_in_class(units.strata, random), kind="stable")
    parts = [ranked[number::5] for number in range(5)][:count]
    folds = []
    for part in parts:
        others = ranked[~np.isin(ranked, part)]
        held, rest = (
            np.concatenate([units.rows_of(unit) for unit in own]) for own in (part, others)
        )
        folds.append(Fold(held[:MARKED_ROWS], rest))
    return folds


def _places_in_class(strata: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return (N,) where each unit stands within its class, between 0 and 1."""
    places = np.empty(len(strata))
    for stratum in np.unique(strata):
        own = random.permutation(np.flatnonzero(strata == stratum))
        places[own] = (np.arange(len(own)) + random.random()) / len(own)
    return places


def rung_sizes(folds: Sequence[Fold], *, classes: int) -> list[int]:
    """Return how many rows each rung learns from: shares of the smallest fold's, growing.

    None has fewer rows than classes, as a method could not begin there, and each has 1.4 times the
    rows of the one before.
    """
    most = min(len(fold.order) for fold in folds)
    fewest = min(most, max(FEWEST_ROWS // 2, classes))
    sizes = [most]
    for share in reversed(SHARES[:-1]):
        size = max(fewest, round(share * most))
        if APART * size <= sizes[-1]:
            sizes.append(size)
    return sizes[::-1]


def fold_splits(examples: Sequence[Example], fold: Fold, size: int) -> Splits:
    """Return `size` rows of a fold to learn from, a tenth of them held back to choose by.

    What is marked stands in `test`.
    """
    chosen = fold.order[:size]
    valid = max(FEWEST_VALID, round(VALID_SHARE * size))
    is_valid = np.zeros(size, dtype=bool)
    is_valid[np.linspace(0, size - 1, min(valid, size // 3), dtype=np.int64)] = True
    return Splits(
        train=take_examples(examples, np.sort(chosen[~is_valid])),
        valid=take_examples(examples, np.sort(chosen[is_valid])),
        test=take_examples(examples, np.sort(fold.held)),
    )
