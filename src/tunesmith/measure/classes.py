"""Marks of class predictions: counts first, then precision, recall, F1 and their averages.

Everything is computed from counts, so that weighting rows (the bootstrap) and marking entities use
the same few lines. This module knows no text and no probabilities. Everywhere 0/0 is 0.0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tunesmith.measure.intervals import Statistics

Counts = tuple[NDArray, NDArray, NDArray]
"""True positives, false positives and false negatives, each (C,)."""


@dataclass(frozen=True, slots=True)
class ClassScore:
    """How one class was answered.

    `support` counts the gold items of the class and `predicted` the answered ones; precision,
    recall and F1 are ratios in 0..1.
    """

    label: str
    precision: float
    recall: float
    f1: float
    support: int
    predicted: int

    def to_json(self) -> dict[str, str | float | int]:
        """Return the six fields under their own names."""
        return {
            "label": self.label,
            "precision": self.precision,
            "recall": self.recall,
            "f1": self.f1,
            "support": self.support,
            "predicted": self.predicted,
        }


def confusion_counts(
    gold: ArrayLike, predicted: ArrayLike, *, classes: int, weights: ArrayLike | None = None
) -> NDArray:
    """Return the (C, C) confusion matrix: rows are gold classes, columns predicted ones.

    `gold` and `predicted` are (n,) class indices in 0..C-1; `weights` (n,) counts each row that
    often. The matrix is int64 unless the weights are fractions; it sums to n, or to the weights.

    Raises `ValueError` on lengths that differ and on an index that is no class.

    >>> confusion_counts([0, 1, 1], [0, 0, 1], classes=2).tolist()
    [[1, 0], [1, 1]]
    """
    gold, predicted = _class_indices(gold, predicted, classes=classes)
    cells = _weighted_counts(gold * classes + predicted, weights, size=classes * classes)
    return cells.reshape(classes, classes)


def confusion_outcomes(confusion: NDArray) -> Counts:
    """Return true positives, false positives and false negatives of each class, each (C,)."""
    true_positive = np.diagonal(confusion).copy()
    return (
        true_positive,
        confusion.sum(axis=0) - true_positive,
        confusion.sum(axis=1) - true_positive,
    )


def multilabel_counts(
    gold: ArrayLike, predicted: ArrayLike, weights: ArrayLike | None = None
) -> Counts:
    """Return true positives, false positives and false negatives of each label, each (C,).

    `gold` and `predicted` are (n, C) booleans, `weights` (n,) as in `confusion_counts`.

    Raises `ValueError` on shapes that differ.
    """
    gold, predicted = _label_sets(gold, predicted)
    labels = gold.shape[1]
    counts = []
    for outcome in (gold & predicted, predicted & ~gold, gold & ~predicted):
        rows, columns = np.nonzero(outcome)
        row_weights = None if weights is None else np.asarray(weights)[rows]
        counts.append(_weighted_counts(columns, row_weights, size=labels))
    return counts[0], counts[1], counts[2]


def class_scores(
    labels: Sequence[str],
    true_positive: ArrayLike,
    false_positive: ArrayLike,
    false_negative: ArrayLike,
) -> tuple[ClassScore, ...]:
    """Return the score of each class in label order; the counts are (C,).

    A class nobody answered has precision 0.0, one without gold items recall 0.0, one with neither
    F1 0.0.

    Source: van Rijsbergen, Information Retrieval, 1979, ch. 7; F1 = 2·tp / (2·tp + fp + fn).

    >>> class_scores(["no", "yes"], [1, 2], [0, 1], [1, 0])[1].f1
    0.8
    """
    tp, fp, fn = _as_floats(true_positive, false_positive, false_negative)
    precision, recall, f1 = _scores(tp, fp, fn)
    return tuple(
        ClassScore(
            label,
            float(precision[index]),
            float(recall[index]),
            float(f1[index]),
            support=round(float(tp[index] + fn[index])),
            predicted=round(float(tp[index] + fp[index])),
        )
        for index, label in enumerate(_one_each(labels, tp))
    )


def averaged_scores(
    true_positive: ArrayLike, false_positive: ArrayLike, false_negative: ArrayLike
) -> dict[str, dict[str, float]]:
    """Return `micro`, `macro` and `weighted` means, each with precision, recall and f1 in 0..1.

    The counts are (C,). Micro pools the counts. Macro is the plain mean over the classes that occur
    in gold or predictions, as scikit-learn's default label union; a class that occurs in neither
    is no evidence and is left out (scikit-learn's *multi-label* macro keeps such columns, as 0).
    Weighted is the mean by gold count. Macro F1 is the mean of F1s, not the F1 of means. With
    nothing to average, all are 0.0.

    Source: Yang, An evaluation of statistical approaches to text categorization, 1999;
    Opitz & Burst, Macro F1 and Macro F1, 2019 (arXiv:1911.03347), for the order of means.
    """
    tp, fp, fn = _as_floats(true_positive, false_positive, false_negative)
    by_class = _scores(tp, fp, fn)
    occurs = (tp + fp + fn) > 0
    support = tp + fn
    return {
        "micro": _named(*_scores(tp.sum(), fp.sum(), fn.sum())),
        "macro": _named(*(_ratio((score * occurs).sum(), occurs.sum()) for score in by_class)),
        "weighted": _named(*(_ratio((score * support).sum(), support.sum()) for score in by_class)),
    }


def accuracy(confusion: NDArray) -> float:
    """Return the share of rows on the diagonal of a (C, C) confusion matrix; 0.0 where it is empty.

    >>> accuracy(confusion_counts([0, 1, 1, 0], [0, 0, 1, 0], classes=2))
    0.75
    """
    return float(_ratio(np.trace(confusion), confusion.sum()))


def matthews_correlation(confusion: NDArray) -> float:
    """Return the correlation of gold and predicted classes, in -1..1, of a (C, C) confusion matrix.

    0.0 where gold or predictions hold a single class, for which it is undefined.

    Source: Gorodkin, Comparing two K-category assignments by a K-category correlation coefficient,
    2004 (R_K); for two classes it is Matthews, 1975.
    """
    confusion = np.asarray(confusion, dtype=np.float64)
    total = confusion.sum()
    gold, predicted = confusion.sum(axis=1), confusion.sum(axis=0)
    covariance = np.trace(confusion) * total - gold @ predicted
    variances = (total**2 - gold @ gold) * (total**2 - predicted @ predicted)
    return float(_ratio(covariance, np.sqrt(variances)))


def subset_accuracy(
    gold: ArrayLike, predicted: ArrayLike, weights: ArrayLike | None = None
) -> float:
    """Return the share of rows whose predicted label set is exactly the gold one; 0.0 without rows.

    `gold` and `predicted` are (n, C) booleans; two empty sets are equal.

    Source: Ghamrawi & McCallum, Collective multi-label classification, 2005.
    """
    gold, predicted = _label_sets(gold, predicted)
    return _weighted_mean((gold == predicted).all(axis=1), weights)


def hamming_loss(gold: ArrayLike, predicted: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Return the share of the n·C yes/no decisions that are wrong; 0.0 without rows or labels.

    `gold` and `predicted` are (n, C) booleans.

    Source: Schapire & Singer, Improved boosting algorithms using confidence-rated predictions,
    1999.
    """
    gold, predicted = _label_sets(gold, predicted)
    wrong = (gold != predicted).sum(axis=1)
    return _weighted_mean(wrong / max(gold.shape[1], 1), weights)


def class_statistics(gold: ArrayLike, predicted: ArrayLike, *, classes: int) -> Statistics:
    """Return a function of row weights (n,) that gives accuracy, macro_f1, micro_f1, weighted_f1.

    Made for `bootstrap_intervals`: what does not depend on the weights is done once. Macro F1 of a
    resample is over the classes that occur in that resample. Weights of one give the plain values.

    >>> class_statistics([0, 1, 1, 0], [0, 0, 1, 0], classes=2)(np.ones(4))["accuracy"]
    0.75
    """
    gold, predicted = _class_indices(gold, predicted, classes=classes)
    right = np.flatnonzero(gold == predicted)
    right_class = gold[right]

    def statistics(weights: NDArray) -> dict[str, float]:
        true_positive = np.bincount(right_class, weights[right], minlength=classes)
        support = np.bincount(gold, weights, minlength=classes)
        chosen = np.bincount(predicted, weights, minlength=classes)
        means = averaged_scores(true_positive, chosen - true_positive, support - true_positive)
        right_share = float(_ratio(true_positive.sum(), support.sum()))
        return {"accuracy": right_share} | _f1_of(means)

    return statistics


def multilabel_statistics(gold: ArrayLike, predicted: ArrayLike) -> Statistics:
    """Return a function of row weights (n,) that gives the measures of a multi-label marking.

    They are subset_accuracy, hamming_loss, macro_f1, micro_f1 and weighted_f1; `gold` and
    `predicted` are (n, C) booleans. Memory grows with the labels that are set, not with n·C.
    """
    gold, predicted = _label_sets(gold, predicted)
    labels = gold.shape[1]
    hits, false_alarms, misses = (
        np.nonzero(outcome) for outcome in (gold & predicted, predicted & ~gold, gold & ~predicted)
    )
    wrong = (gold != predicted).sum(axis=1).astype(np.float64)
    exact = (wrong == 0).astype(np.float64)

    def statistics(weights: NDArray) -> dict[str, float]:
        total = weights.sum()
        counts = (
            np.bincount(columns, weights[rows], minlength=labels)
            for rows, columns in (hits, false_alarms, misses)
        )
        return {
            "subset_accuracy": float(_ratio(exact @ weights, total)),
            "hamming_loss": float(_ratio(wrong @ weights, total * labels)),
        } | _f1_of(averaged_scores(*counts))

    return statistics


def _scores(tp: NDArray, fp: NDArray, fn: NDArray) -> Counts:
    return _ratio(tp, tp + fp), _ratio(tp, tp + fn), _ratio(2 * tp, 2 * tp + fp + fn)


def _ratio(numerator: ArrayLike, denominator: ArrayLike) -> NDArray:
    """Divide element by element, with 0.0 wherever the denominator is 0."""
    numerator = np.asarray(numerator, dtype=np.float64)
    denominator = np.asarray(denominator, dtype=np.float64)
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator != 0)


def _named(precision: NDArray, recall: NDArray, f1: NDArray) -> dict[str, float]:
    return {"precision": float(precision), "recall": float(recall), "f1": float(f1)}


def _f1_of(means: dict[str, dict[str, float]]) -> dict[str, float]:
    return {f"{mean}_f1": means[mean]["f1"] for mean in ("macro", "micro", "weighted")}


def _weighted_counts(indices: NDArray, weights: ArrayLike | None, *, size: int) -> NDArray:
    if weights is None:
        return np.bincount(indices, minlength=size)
    weights = np.asarray(weights)
    counts = np.bincount(indices, weights, minlength=size)
    # Without rows bincount forgets the type of its weights.
    return counts.astype(np.float64 if weights.dtype.kind == "f" else np.int64)


def _weighted_mean(values: NDArray, weights: ArrayLike | None) -> float:
    weights = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=np.float64)
    return float(_ratio(values @ weights, weights.sum()))


def _as_floats(*counts: ArrayLike) -> tuple[NDArray, ...]:
    return tuple(np.asarray(count, dtype=np.float64) for count in counts)


def _one_each(labels: Sequence[str], counts: NDArray) -> Sequence[str]:
    if len(labels) != len(counts):
        raise ValueError(
            f"labels and counts must be equally many; got {len(labels)}, {counts.shape}"
        )
    return labels


def _class_indices(
    gold: ArrayLike, predicted: ArrayLike, *, classes: int
) -> tuple[NDArray, NDArray]:
    gold, predicted = np.asarray(gold), np.asarray(predicted)
    if gold.shape != predicted.shape or gold.ndim != 1:
        raise ValueError(
            f"gold and predicted must both be (n,); got {gold.shape} and {predicted.shape}"
        )
    for name, indices in (("gold", gold), ("predicted", predicted)):
        if not len(indices):
            continue
        if indices.dtype.kind not in "iu":
            raise ValueError(f"{name} must hold class indices; got {indices.dtype}")
        if indices.min() < 0 or indices.max() >= classes:
            raise ValueError(
                f"{name} must lie in 0..{classes - 1}; got {indices.min()}..{indices.max()}"
            )
    return gold.astype(np.int64), predicted.astype(np.int64)


def _label_sets(gold: ArrayLike, predicted: ArrayLike) -> tuple[NDArray, NDArray]:
    gold, predicted = np.asarray(gold, dtype=bool), np.asarray(predicted, dtype=bool)
    if gold.shape != predicted.shape or gold.ndim != 2:
        raise ValueError(
            f"gold and predicted must both be (n, C); got {gold.shape} and {predicted.shape}"
        )
    return gold, predicted
