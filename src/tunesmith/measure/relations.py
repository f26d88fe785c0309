"""Marks of typed, directed relations as SemEval-2010 task 8 counts them.

Labels come in and are read as `Type(e1,e2)` or `Type(e2,e1)`; no text and no entity is seen here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tunesmith.measure.classes import Counts, averaged_scores
from tunesmith.measure.intervals import Statistics

NO_RELATION = "Other"
"""What SemEval-2010 task 8 calls a pair that stands in none of its relations."""

_DIRECTION = re.compile(r"\(e[12],e[12]\)$")


@dataclass(frozen=True, slots=True, eq=False)
class RelationRows:
    """Which relation types n rows hold, were given, and whether type and direction are right.

    `types` are without direction and without "no relation". `gold` and `predicted` are (n,) int64
    places in `types`, -1 where a row has or was given no relation; `right` is (n,) bool.
    """

    types: tuple[str, ...]
    gold: NDArray
    predicted: NDArray
    right: NDArray

    def totals(self, weights: NDArray | None = None) -> Counts:
        """Return true positives, false positives and false negatives of each type, each (T,).

        A right type in the wrong direction is both: answered wrongly, and missed.
        """
        rows = np.ones(len(self.gold)) if weights is None else np.asarray(weights, np.float64)
        found, answered, wanted = (
            np.bincount(places[chosen], rows[chosen], minlength=len(self.types))
            for places, chosen in (
                (self.gold, self.right & (self.gold >= 0)),
                (self.predicted, self.predicted >= 0),
                (self.gold, self.gold >= 0),
            )
        )
        return found, answered - found, wanted - found


def relation_type(label: str) -> str:
    """Return a label without its direction; one that has none as it is.

    >>> relation_type("Cause-Effect(e2,e1)"), relation_type("Other")
    ('Cause-Effect', 'Other')
    """
    return _DIRECTION.sub("", label)


def relation_rows(
    gold: Sequence[str], predicted: Sequence[str], *, no_relation: str = NO_RELATION
) -> RelationRows:
    """Return the types of gold and predicted labels (n,), sorted by name, and which rows are right.

    An empty predicted label counts as `no_relation`, as the scorer counts a skipped row.

    Raises `ValueError` on unequally many labels.
    """
    if len(gold) != len(predicted):
        raise ValueError(
            f"gold and predicted must be equally many; got {len(gold)} and {len(predicted)}"
        )
    answered = [label or no_relation for label in predicted]
    types = tuple(sorted({relation_type(label) for label in (*gold, *answered)} - {no_relation}))
    place = {name: number for number, name in enumerate(types)} | {no_relation: -1}
    return RelationRows(
        types,
        np.array([place[relation_type(label)] for label in gold], dtype=np.int64),
        np.array([place[relation_type(label)] for label in answered], dtype=np.int64),
        np.array([one == other for one, other in zip(gold, answered, strict=True)], dtype=bool),
    )


def relation_statistics(rows: RelationRows) -> Statistics:
    """Return a function of row weights (n,) that gives macro_f1, the official score, and more.

    That is micro_f1, micro_precision, micro_recall, and accuracy over all rows and directed labels,
    "no relation" included. Macro F1 is the mean over the types that occur in gold, direction taken
    into account, "no relation" left out. An answer whose type is nowhere in gold counts as "no
    relation", which is the scorer's rule; in a resample, its own gold rows decide.

    Source: Hendrickx et al., SemEval-2010 task 8, 2010; semeval2010_task8_scorer-v1.2.pl,
    third evaluation, (9+1)-way taking directionality into account.

    >>> gold = ["Cause-Effect(e1,e2)", "Cause-Effect(e2,e1)", "Other"]
    >>> rows = relation_rows(gold, ["Cause-Effect(e1,e2)", "Cause-Effect(e1,e2)", "Other"])
    >>> relation_statistics(rows)(np.ones(3))["macro_f1"]
    0.5
    """

    def statistics(weights: NDArray) -> dict[str, float]:
        found, invented, missed = rows.totals(weights)
        in_gold = found + missed > 0
        means = averaged_scores(found[in_gold], invented[in_gold], missed[in_gold])
        total = float(weights.sum())
        return {
            "macro_f1": means["macro"]["f1"],
            "micro_f1": means["micro"]["f1"],
            "micro_precision": means["micro"]["precision"],
            "micro_recall": means["micro"]["recall"],
            "accuracy": float(weights @ rows.right) / total if total else 0.0,
        }

    return statistics
