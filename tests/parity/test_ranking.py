"""Our ranking measures against scikit-learn, tolerance 1e-12; it has no MRR, but an equal."""

import numpy as np
import pytest
from sklearn import metrics

from tunesmith.measure.ranking import ranking_marks, relevant_ranks

TOLERANCE = 1e-12


@pytest.mark.parametrize(("rows", "items", "share"), [(1, 5, 0.3), (40, 30, 0.2), (200, 300, 0.02)])
@pytest.mark.parametrize("cutoff", [1, 3, 10])
def test_ndcg_of_distinct_scores_equals_scikit_learn(rows, items, share, cutoff):
    generator = np.random.default_rng(rows)
    scores = generator.normal(size=(rows, items))
    wanted = generator.random((rows, items)) < share
    wanted[:, 0] = True
    ours = ranking_marks(relevant_ranks(scores, wanted), cutoffs=[cutoff])[f"ndcg_at_{cutoff}"]
    expected = metrics.ndcg_score(wanted, scores, k=cutoff)
    assert ours.mean() == pytest.approx(expected, abs=TOLERANCE)


@pytest.mark.parametrize("levels", [3, 10**9])
def test_mrr_of_one_item_equals_label_ranking_precision(levels):
    # With one relevant label that is 1 / (labels that score at least as much): pessimistic too.
    generator = np.random.default_rng(levels)
    scores = generator.integers(levels, size=(150, 40)).astype(float)
    gold = generator.integers(40, size=150)
    expected = metrics.label_ranking_average_precision_score(np.eye(40)[gold], scores)
    ours = ranking_marks(relevant_ranks(scores, gold))["mrr"].mean()
    assert ours == pytest.approx(expected, abs=TOLERANCE)


@pytest.mark.parametrize("cutoff", [1, 5, 10])
def test_recall_of_one_item_equals_top_k_accuracy(cutoff):
    generator = np.random.default_rng(cutoff)
    scores = generator.normal(size=(300, 25))
    gold = generator.integers(25, size=300)
    ours = ranking_marks(relevant_ranks(scores, gold), cutoffs=[cutoff])[f"recall_at_{cutoff}"]
    expected = metrics.top_k_accuracy_score(gold, scores, k=cutoff, labels=np.arange(25))
    assert ours.mean() == pytest.approx(expected, abs=TOLERANCE)
