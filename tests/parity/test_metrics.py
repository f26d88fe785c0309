"""Our metrics against scikit-learn (tolerance 1e-12) and our chunks against seqeval (exact)."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.metrics.sequence_labeling import precision_recall_fscore_support as seqeval_scores
from sklearn import metrics

from tunesmith.core.examples import Span
from tunesmith.measure.calibration import brier_score, negative_log_likelihood
from tunesmith.measure.classes import (
    accuracy,
    averaged_scores,
    class_scores,
    confusion_counts,
    confusion_outcomes,
    hamming_loss,
    matthews_correlation,
    multilabel_counts,
    subset_accuracy,
)
from tunesmith.measure.spans import decode_tags, span_counts

TOLERANCE = 1e-12
AVERAGES = ("micro", "macro", "weighted")
SHAPES = [(1, 1), (3, 2), (40, 2), (60, 9), (500, 77), (30, 40)]
TO_SEQEVAL = str.maketrans("MLU", "IES")


def drawn_classes(rows, classes):
    """Return gold, half-right predictions and fractional weights; rare classes may not occur."""
    generator = np.random.default_rng(rows * 1000 + classes)
    gold = np.minimum(generator.geometric(0.2, rows) - 1, classes - 1)
    predicted = np.where(generator.random(rows) < 0.5, gold, generator.integers(classes, size=rows))
    return gold, predicted, generator.random(rows)


@pytest.mark.filterwarnings("ignore:A single label was found")
@pytest.mark.parametrize(("rows", "classes"), SHAPES)
@pytest.mark.parametrize("is_weighted", [False, True])
def test_class_metrics_equal_scikit_learn(rows, classes, is_weighted):
    gold, predicted, weights = drawn_classes(rows, classes)
    weights = weights if is_weighted else None
    confusion = confusion_counts(gold, predicted, classes=classes, weights=weights)
    names = np.arange(classes)
    expected = metrics.confusion_matrix(gold, predicted, labels=names, sample_weight=weights)
    np.testing.assert_allclose(confusion, expected, rtol=0, atol=TOLERANCE)

    outcomes = confusion_outcomes(confusion)
    scores = class_scores(names.astype(str), *outcomes)
    expected = metrics.precision_recall_fscore_support(
        gold, predicted, labels=names, sample_weight=weights, zero_division=0
    )
    ours = [(score.precision, score.recall, score.f1) for score in scores]
    np.testing.assert_allclose(np.transpose(ours), expected[:3], rtol=0, atol=TOLERANCE)

    means = averaged_scores(*outcomes)
    for average in AVERAGES:
        expected = metrics.precision_recall_fscore_support(
            gold, predicted, average=average, sample_weight=weights, zero_division=0
        )
        assert tuple(means[average].values()) == pytest.approx(expected[:3], rel=0, abs=TOLERANCE)

    assert accuracy(confusion) == pytest.approx(
        metrics.accuracy_score(gold, predicted, sample_weight=weights), abs=TOLERANCE
    )
    expected = metrics.matthews_corrcoef(gold, predicted, sample_weight=weights)
    assert matthews_correlation(confusion) == pytest.approx(expected, abs=TOLERANCE)


@pytest.mark.parametrize(("rows", "labels"), [(1, 3), (50, 4), (300, 28), (10, 60)])
@pytest.mark.parametrize("is_weighted", [False, True])
def test_multilabel_metrics_equal_scikit_learn(rows, labels, is_weighted):
    generator = np.random.default_rng(rows + labels)
    gold = generator.random((rows, labels)) < 0.1
    predicted = gold ^ (generator.random((rows, labels)) < 0.05)
    weights = generator.random(rows) if is_weighted else None
    counts = multilabel_counts(gold, predicted, weights)
    table = metrics.multilabel_confusion_matrix(gold, predicted, sample_weight=weights)
    for ours, expected in zip(
        counts, (table[:, 1, 1], table[:, 0, 1], table[:, 1, 0]), strict=True
    ):
        np.testing.assert_allclose(ours, expected, rtol=0, atol=TOLERANCE)

    # scikit-learn's multi-label macro keeps columns that never occur; ours leaves them out.
    occurring = np.flatnonzero(gold.any(axis=0) | predicted.any(axis=0))
    means = averaged_scores(*counts)
    for average in AVERAGES if len(occurring) else ():
        expected = metrics.precision_recall_fscore_support(
            gold,
            predicted,
            labels=occurring,
            average=average,
            sample_weight=weights,
            zero_division=0,
        )
        assert tuple(means[average].values()) == pytest.approx(expected[:3], rel=0, abs=TOLERANCE)

    assert subset_accuracy(gold, predicted, weights) == pytest.approx(
        metrics.accuracy_score(gold, predicted, sample_weight=weights), abs=TOLERANCE
    )
    assert hamming_loss(gold, predicted, weights) == pytest.approx(
        metrics.hamming_loss(gold, predicted, sample_weight=weights), abs=TOLERANCE
    )


def test_proper_scores_equal_scikit_learn():
    generator = np.random.default_rng(4)
    probabilities = generator.dirichlet(np.full(6, 0.2), 300)
    gold = generator.integers(6, size=300)
    expected = metrics.log_loss(gold, probabilities, labels=np.arange(6))
    assert negative_log_likelihood(probabilities, gold) == pytest.approx(expected, abs=TOLERANCE)
    expected = metrics.brier_score_loss(
        gold, probabilities, labels=np.arange(6), scale_by_half=False
    )
    assert brier_score(probabilities, gold) == pytest.approx(expected, abs=TOLERANCE)


def any_tags(prefixes):
    """Return lists of tags with these prefixes in any order, most of them impossible ones."""
    known = ["O", *(f"{prefix}-{kind}" for prefix in prefixes for kind in ("X", "Y", "a-b"))]
    return st.lists(st.sampled_from(known), max_size=15)


@given(st.one_of(any_tags("BI"), any_tags("BIES"), any_tags("BMES"), any_tags("BILU")))
def test_decode_tags_equals_seqeval(tags):
    # seqeval knows B I E S only, and gives the last word where we give the one after it.
    read = [tag[0].translate(TO_SEQEVAL) + tag[1:] for tag in tags]
    expected = [(start, last + 1, kind) for kind, start, last in get_entities(read)]
    assert decode_tags(tags) == expected


@given(st.lists(st.tuples(any_tags("BI"), any_tags("BI")), min_size=1, max_size=8))
def test_span_scores_equal_seqeval(rows):
    words = max(len(tags) for row in rows for tags in row)
    gold, predicted = (
        [row[side] + ["O"] * (words - len(row[side])) for row in rows] for side in (0, 1)
    )
    read_gold, read_predicted = (
        [{Span(*chunk) for chunk in decode_tags(tags)} for tags in side]
        for side in (gold, predicted)
    )
    counts = span_counts(read_gold, read_predicted, ("X", "Y", "a-b"))
    if not any(total.any() for total in counts.totals()):
        return
    means = averaged_scores(*counts.totals())
    for average in AVERAGES:
        expected = seqeval_scores(gold, predicted, average=average, zero_division=0)
        assert tuple(means[average].values()) == pytest.approx(expected[:3], rel=0, abs=TOLERANCE)
