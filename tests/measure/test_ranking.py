"""Ranking: ties, by hand, bounds. Agreement with scikit-learn is in `parity/`."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.measure.intervals import bootstrap_intervals
from tunesmith.measure.means import mean_statistics
from tunesmith.measure.ranking import ranking_marks, relevant_ranks, top_items

ITEMS = 6
rows_of_scores = st.lists(
    st.tuples(
        st.lists(st.integers(0, 4), min_size=ITEMS, max_size=ITEMS),
        st.lists(st.booleans(), min_size=ITEMS, max_size=ITEMS),
        st.lists(st.booleans(), min_size=ITEMS, max_size=ITEMS),
    ),
    min_size=1,
    max_size=6,
)


def test_ranks_count_the_items_that_score_more():
    scores = [[0.1, 0.9, 0.5, 0.3], [4, 3, 2, 1]]
    assert relevant_ranks(scores, [2, 3]).tolist() == [[2.0], [4.0]]
    wanted = np.array([[True, False, True, False], [False, False, False, False]])
    assert relevant_ranks(scores, wanted).tolist() == [[2.0, 4.0], [math.inf, math.inf]]


def test_candidates_alone_are_ranked():
    scores, had = [[0.9, 0.8, 0.7, 0.6]], np.array([[True, False, False, False]])
    assert relevant_ranks(scores, [2], candidates=~had).tolist() == [[2.0]]
    with pytest.raises(ValueError, match="must be a candidate; in row 0"):
        relevant_ranks(scores, [0], candidates=~had)


@pytest.mark.parametrize(("ties", "rank"), [("pessimistic", 1000.0), ("mean", 500.5)])
def test_a_constant_scorer_does_not_look_good(ties, rank):
    ranks = relevant_ranks(np.zeros((3, 1000)), [0, 500, 999], ties=ties)
    assert ranks.tolist() == [[rank]] * 3
    marks = ranking_marks(ranks)
    assert marks["recall_at_10"].tolist() == marks["ndcg_at_10"].tolist() == [0.0] * 3


def test_tied_relevant_items_stand_behind_the_others_one_after_another():
    wanted = np.array([[True, False, True, True]])
    scores = [[0.5, 0.5, 0.5, 0.9]]
    assert relevant_ranks(scores, wanted).tolist() == [[1.0, 3.0, 4.0]]
    assert relevant_ranks(scores, wanted, ties="mean").tolist() == [[1.0, 2.5, 3.5]]


def test_marks_of_one_relevant_item_by_hand():
    marks = ranking_marks([1, 2, 4, 11], cutoffs=[3, 10])
    assert marks["mrr"].tolist() == [1, 1 / 2, 1 / 4, 1 / 11]
    assert marks["recall_at_3"].tolist() == marks["hit_rate_at_3"].tolist() == [1, 1, 0, 0]
    assert marks["ndcg_at_10"].tolist() == pytest.approx([1, 1 / math.log2(3), 1 / math.log2(5), 0])


def test_marks_of_several_relevant_items_by_hand():
    marks = ranking_marks([[1.0, 3.0, 8.0], [2.0, math.inf, math.inf]], cutoffs=[2, 5])
    assert marks["mrr"].tolist() == [1.0, 0.5]
    assert marks["recall_at_5"].tolist() == pytest.approx([2 / 3, 1.0])
    assert marks["hit_rate_at_2"].tolist() == [1.0, 1.0]
    ideal = 1 + 1 / math.log2(3) + 1 / 2
    assert marks["ndcg_at_5"].tolist() == pytest.approx([1.5 / ideal, 1 / math.log2(3)])
    # The first two ranks could hold two relevant items, not three.
    assert marks["ndcg_at_2"][0] == pytest.approx(1 / (1 + 1 / math.log2(3)))


def test_rows_without_relevant_items_do_not_count():
    marks = ranking_marks([[1.0, 2.0], [math.inf, math.inf]], cutoffs=[1])
    assert all(math.isnan(values[1]) for values in marks.values())
    assert mean_statistics(marks)(np.ones(2)) == {
        "mrr": 1.0,
        "recall_at_1": 0.5,
        "hit_rate_at_1": 1.0,
        "ndcg_at_1": 1.0,
    }


@given(rows_of_scores, st.sampled_from(["pessimistic", "mean"]))
def test_marks_are_bounded_and_the_order_of_items_is_not_seen(rows, ties):
    scores = np.array([row[0] for row in rows], dtype=np.float64)
    wanted = np.array([row[1] for row in rows])
    ranked = np.array([row[2] for row in rows]) | wanted
    ranks = relevant_ranks(scores, wanted, candidates=ranked, ties=ties)
    turned = relevant_ranks(scores[:, ::-1], wanted[:, ::-1], candidates=ranked[:, ::-1], ties=ties)
    assert (ranks == turned).all()
    marks = ranking_marks(ranks, cutoffs=[1, 3, ITEMS])
    for values in marks.values():
        assert ((values >= 0) & (values <= 1 + 1e-12) | ~wanted.any(axis=1)).all()
    assert (marks[f"recall_at_{ITEMS}"][wanted.any(axis=1)] == 1).all()


@given(rows_of_scores)
def test_pessimistic_is_never_better_than_mean(rows):
    scores = np.array([row[0] for row in rows], dtype=np.float64)
    wanted = np.array([row[1] for row in rows])
    pessimistic = relevant_ranks(scores, wanted)
    mean = relevant_ranks(scores, wanted, ties="mean")
    assert (pessimistic >= mean).all()


def test_a_perfect_scorer_with_ties_among_the_relevant_is_perfect():
    wanted = np.array([[True, True, False]])
    for ties in ("pessimistic", "mean"):
        marks = ranking_marks(relevant_ranks([[1.0, 1.0, 0.0]], wanted, ties=ties), cutoffs=[1, 2])
        assert {float(values[0]) for values in marks.values()} == {0.5, 1.0}
        assert marks["ndcg_at_2"][0] == marks["mrr"][0] == 1.0


@given(rows_of_scores, st.integers(1, ITEMS + 2))
def test_top_items_are_the_best_candidates_in_order(rows, count):
    scores = np.array([row[0] for row in rows], dtype=np.float64)
    ranked = np.array([row[2] for row in rows])
    chosen = top_items(scores, count=count, candidates=ranked)
    assert chosen.shape == (len(rows), count)
    for row, items in enumerate(chosen):
        expected = sorted(np.flatnonzero(ranked[row]), key=lambda item: (-scores[row, item], item))
        filled = [*expected[:count], *[-1] * (count - len(expected))]
        assert items.tolist() == filled


def test_marks_have_intervals():
    ranks = np.random.default_rng(0).integers(1, 30, size=200)
    statistics = mean_statistics(ranking_marks(ranks))
    low, high = bootstrap_intervals(statistics, 200)["ndcg_at_10"]
    assert low < statistics(np.ones(200))["ndcg_at_10"] < high


def test_no_rows_give_zeros():
    marks = ranking_marks(relevant_ranks(np.zeros((0, 3)), np.zeros(0, dtype=int)))
    assert set(mean_statistics(marks)(np.ones(0)).values()) == {0.0}


@pytest.mark.parametrize(
    ("scores", "relevant", "settings", "named"),
    [
        ([0.1, 0.2], [0], {}, r"scores must be \(n, items\)"),
        ([[0.1, float("nan")]], [0], {}, "must be a number"),
        ([[0.1, 0.2]], [2], {}, "must lie in 0..1; got 2..2"),
        ([[0.1, 0.2]], [-1], {}, "must lie in 0..1"),
        ([[0.1, 0.2]], [0, 1], {}, "must be 1 item indices"),
        ([[0.1, 0.2]], [0.0], {}, "must be 1 item indices"),
        ([[0.1, 0.2]], [0], {"candidates": [[True]]}, "candidates must be"),
        ([[0.1, 0.2]], [0], {"ties": "kind"}, "ties must be"),
    ],
)
def test_what_cannot_be_ranked_is_refused(scores, relevant, settings, named):
    with pytest.raises(ValueError, match=named):
        relevant_ranks(scores, relevant, **settings)


def test_impossible_ranks_and_cutoffs_are_refused():
    with pytest.raises(ValueError, match="at least 1"):
        ranking_marks([0.0])
    with pytest.raises(ValueError, match="cutoff must be at least 1"):
        ranking_marks([1.0], cutoffs=[0])
    with pytest.raises(ValueError, match="count must be at least 1"):
        top_items([[0.1]], count=0)
