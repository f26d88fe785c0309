"""Exposure: coverage and popularity by hand, weights, edges."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.measure.exposure import catalogue_coverage, item_popularity, popularity_statistics
from tunesmith.measure.intervals import bootstrap_intervals

ITEMS = 5
lists = st.lists(st.integers(-1, ITEMS - 1), min_size=2, max_size=2)
rows_of_lists = st.lists(st.tuples(lists, lists), max_size=8)


def test_coverage_counts_each_item_once():
    assert catalogue_coverage([[0, 1], [1, 2], [2, 0]], items=4) == 0.75
    assert catalogue_coverage([[-1, -1]], items=4) == 0.0
    assert catalogue_coverage(np.zeros((0, 10), dtype=int), items=0) == 0.0


def test_popularity_is_a_share_of_users():
    assert item_popularity([[0, 0, 1], [1], []], items=3).tolist() == pytest.approx(
        [1 / 3, 2 / 3, 0]
    )
    assert item_popularity([], items=2).tolist() == [0.0, 0.0]


def test_popularity_by_hand():
    popularity = [0.8, 0.4, 0.2, 0.0]
    statistics = popularity_statistics([[0, 1], [0, -1]], [[1], [2, 3, 0]], popularity)
    before = (0.4 + 1 / 3) / 2
    assert statistics(np.ones(2)) == pytest.approx(
        {
            "recommended_popularity": 0.7,
            "history_popularity": before,
            "popularity_lift": (0.7 - before) / before,
        }
    )


def test_lift_is_zero_for_lists_like_the_histories():
    histories = [[0, 1], [2, 3]]
    statistics = popularity_statistics(histories, histories, [0.9, 0.1, 0.5, 0.3])
    assert statistics(np.ones(2))["popularity_lift"] == 0.0


def test_users_without_list_or_history_count_in_neither():
    some = popularity_statistics([[0], [1], [-1]], [[1], [], [0]], [0.6, 0.2])(np.ones(3))
    assert some == pytest.approx(
        {"recommended_popularity": 0.6, "history_popularity": 0.2, "popularity_lift": 2.0}
    )
    nobody = popularity_statistics(np.zeros((0, 3), dtype=int), [], [0.6])(np.ones(0))
    assert set(nobody.values()) == {0.0}


@given(rows_of_lists, st.data())
def test_weights_equal_repeated_rows(rows, data):
    popularity = np.array([0.9, 0.5, 0.25, 0.125, 0.0])
    weights = np.array(
        data.draw(st.lists(st.integers(0, 3), min_size=len(rows), max_size=len(rows))),
        dtype=np.int64,
    )

    def statistics(some):
        recommended = np.array([row[0] for row in some], dtype=np.int64).reshape(-1, 2)
        return popularity_statistics(recommended, [row[1] for row in some], popularity)

    again = [row for row, times in zip(rows, weights, strict=True) for _ in range(times)]
    assert statistics(rows)(weights) == pytest.approx(statistics(again)(np.ones(len(again))))


def test_lift_has_an_interval():
    generator = np.random.default_rng(0)
    popularity = np.linspace(1, 0, 50)
    histories = generator.integers(50, size=(100, 5))
    recommended = generator.integers(10, size=(100, 10))
    low, high = bootstrap_intervals(
        popularity_statistics(recommended, list(histories), popularity), 100
    )["popularity_lift"]
    assert 0.5 < low < high < 1.2


def test_what_is_no_list_of_items_is_refused():
    with pytest.raises(ValueError, match=r"items must lie in 0..1, or be -1; got 0..2"):
        catalogue_coverage([[0, 2]], items=2)
    with pytest.raises(ValueError, match="lists must be"):
        catalogue_coverage([[0.5]], items=2)
    with pytest.raises(ValueError, match="equally many rows; got 1 and 2"):
        popularity_statistics([[0]], [[0], [0]], [1.0])
