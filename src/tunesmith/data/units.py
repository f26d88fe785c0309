"""Rows that must not be parted, as arrays: about 60 bytes a row while they are drawn from.

This module knows which rows belong together and which class each unit counts for; which units are
held out is the affair of `splits`.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tunesmith.core.examples import Example
from tunesmith.data.fingerprints import DIGEST, stable_hash, text_key
from tunesmith.tasks.task import Task


@dataclass(frozen=True, slots=True)
class Units:
    """Rows of equal text or of one group, directly or through others, by their place in a draw.

    Units are numbered in the order of the draw. Unit u holds `rows[starts[u]:starts[u + 1]]`, in
    order; its classes, one entry for each row that has one, are `classes[firsts[u]:firsts[u + 1]]`,
    as numbers into `names`; `strata` (units,) is the rarest, a nameless one where there is none.
    """

    rows: np.ndarray
    starts: np.ndarray
    classes: np.ndarray
    firsts: np.ndarray
    strata: np.ndarray
    names: tuple[str, ...]

    def __len__(self) -> int:
        """Return how many units there are."""
        return len(self.starts) - 1

    def sizes(self) -> np.ndarray:
        """Return (units,) the rows of each."""
        return np.diff(self.starts)

    def rows_of(self, unit: int) -> np.ndarray:
        """Return the rows of one unit, in order."""
        return self.rows[self.starts[unit] : self.starts[unit + 1]]

    def classes_of(self, unit: int) -> Counter[int]:
        """Return how many rows of a unit have each class."""
        return Counter(self.classes[self.firsts[unit] : self.firsts[unit + 1]].tolist())


def find_units(examples: Sequence[Example], task: Task, *, seed: int) -> Units:
    """Return the units of the rows, read once; the draw depends on their texts and `seed` alone."""
    names: dict[str, int] = {"": 0}
    classes, widths, grouped = array("i"), array("i"), array("q")
    texts, groups = bytearray(), bytearray()
    for row, example in enumerate(examples):
        own = {names.setdefault(name, len(names)) for name in task.strata(example)}
        classes.extend(own)
        widths.append(len(own))
        # A text's hash is both what tells it from others and its place in the draw.
        texts += stable_hash(seed, text_key(example))
        if example.group is not None:
            grouped.append(row)
            groups += stable_hash("group", example.group)
    unit_of = np.unique(np.frombuffer(texts, dtype=DIGEST), return_inverse=True)[1]
    if grouped:
        group_of = np.unique(np.frombuffer(groups, dtype=DIGEST), return_inverse=True)[1]
        unit_of = _tie_groups(unit_of, group_of, np.array(grouped))
    unit_of_class = np.repeat(unit_of, np.array(widths))
    return _arrange(unit_of, unit_of_class, np.array(classes), tuple(names))


def _tie_groups(text_of: np.ndarray, group_of: np.ndarray, grouped: np.ndarray) -> np.ndarray:
    """Return (rows,) units: texts that share a group, directly or through others, are one.

    `group_of` has one entry for each of the `grouped` rows. A unit comes where its first text does.
    """
    parent = list(range(int(text_of.max()) + 1))

    def root(text: int) -> int:
        while parent[text] != text:
            parent[text] = text = parent[parent[text]]
        return text

    first = np.full(int(group_of.max()) + 1, -1).tolist()
    for text, group in zip(text_of[grouped].tolist(), group_of.tolist(), strict=True):
        if first[group] < 0:
            first[group] = text
        one, other = root(first[group]), root(text)
        parent[max(one, other)] = min(one, other)
    roots = np.array([root(text) for text in range(len(parent))])
    return np.unique(roots, return_inverse=True)[1][text_of]


def _arrange(
    unit_of: np.ndarray, unit_of_class: np.ndarray, classes: np.ndarray, names: tuple[str, ...]
) -> Units:
    """Return the units with their rows and classes side by side."""
    count = int(unit_of.max(initial=-1)) + 1
    frequency = np.bincount(classes, minlength=len(names)).tolist()
    by_rank = np.array(sorted(range(len(names)), key=lambda name: (frequency[name], names[name])))
    rank = np.argsort(by_rank)
    rarest = np.full(count, len(names))
    np.minimum.at(rarest, unit_of_class, rank[classes])
    return Units(
        rows=np.argsort(unit_of, kind="stable"),
        starts=_edges(np.bincount(unit_of, minlength=count)),
        classes=classes[np.argsort(unit_of_class, kind="stable")],
        firsts=_edges(np.bincount(unit_of_class, minlength=count)),
        strata=np.append(by_rank, 0)[rarest],
        names=names,
    )


def _edges(counts: np.ndarray) -> np.ndarray:
    """Return (N + 1,) where stretches of these lengths, end to end, begin and end."""
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts)])
