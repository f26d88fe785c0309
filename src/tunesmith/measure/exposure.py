"""Which items a recommender shows: how much of the catalogue, and how popular.

Only lists of item numbers come in; whether they are right is counted in `ranking`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tunesmith.measure.intervals import Statistics
from tunesmith.measure.means import mean_statistics


def catalogue_coverage(recommended: ArrayLike, *, items: int) -> float:
    """Return the share of `items` that stand in at least one list of `recommended` (n, k).

    Lists hold item indices, -1 where there is none. No interval is offered: a resample holds some
    63 % of the lists and so covers less than they do, always.

    Raises `ValueError` on an index that is no item.

    Source: Ge, Delgado-Battenfeld & Jannach, Beyond accuracy: evaluating recommender systems by
    coverage and serendipity, 2010.

    >>> catalogue_coverage([[0, 1], [1, -1]], items=4)
    0.5
    """
    recommended = _item_lists(recommended, items)
    shown = np.unique(recommended[recommended >= 0])
    return len(shown) / items if items else 0.0


def item_popularity(histories: Sequence[ArrayLike], *, items: int) -> NDArray:
    """Return for each item (items,) the share of the users (n) who have it in their history.

    An item that a user had twice counts once. Zeros without users.

    Source: Abdollahpouri, Mansoury, Burke & Mobasher, The unfairness of popularity bias in
    recommendation, 2019 (their φ).

    >>> item_popularity([[0, 1], [1]], items=3).tolist()
    [0.5, 1.0, 0.0]
    """
    counts = np.zeros(items)
    for history in histories:
        counts[np.unique(np.asarray(history, dtype=np.int64))] += 1
    return counts / max(len(histories), 1)


def popularity_statistics(
    recommended: ArrayLike, histories: Sequence[ArrayLike], popularity: ArrayLike
) -> Statistics:
    """Return a function of row weights (n,): how popular lists are, and what users had before.

    `recommended` is (n, k) item indices with -1 for none, `histories` the items that each of the n
    users had (or the gold items, to compare with what they took next), `popularity` (items,) as
    `item_popularity` gives it, of training rows. The names are

    - recommended_popularity: mean over users of the mean popularity of their list (ARP);
    - history_popularity: the same of their histories;
    - popularity_lift: by how much the first is larger, as a ratio of the second (ΔGAP over all
      users): 0 keeps to the users' taste, 1 is twice as popular, below 0 shows rarer items. 0.0
      where histories have no popularity.

    Users without list or history count in neither.

    Raises `ValueError` on unequally many rows and on an index that is no item.

    Source: Abdollahpouri, Burke & Mobasher, Managing popularity bias in recommender systems with
    personalized re-ranking, 2019 (ARP); Abdollahpouri, Mansoury, Burke & Mobasher, The unfairness
    of popularity bias in recommendation, 2019 (GAP, ΔGAP).

    >>> lists, histories = [[0], [0]], [[1, 2], [0]]
    >>> popularity_statistics(lists, histories, [1.0, 0.5, 0.0])(np.ones(2))["popularity_lift"]
    0.6
    """
    popularity = np.asarray(popularity, dtype=np.float64)
    lists = _item_lists(recommended, len(popularity))
    if len(lists) != len(histories):
        raise ValueError(
            "recommended and histories must have equally many rows;"
            f" got {len(lists)} and {len(histories)}"
        )
    had = [_item_lists(np.asarray(one)[np.newaxis], len(popularity))[0] for one in histories]
    shown = np.array([_mean_popularity(row, popularity) for row in lists])
    taste = np.array([_mean_popularity(row, popularity) for row in had])
    is_counted = ~(np.isnan(shown) | np.isnan(taste))
    means = mean_statistics(
        {
            "recommended_popularity": np.where(is_counted, shown, np.nan),
            "history_popularity": np.where(is_counted, taste, np.nan),
        }
    )

    def statistics(weights: NDArray) -> dict[str, float]:
        values = means(weights)
        before = values["history_popularity"]
        lift = (values["recommended_popularity"] - before) / before if before else 0.0
        return values | {"popularity_lift": lift}

    return statistics


def _mean_popularity(items: NDArray, popularity: NDArray) -> float:
    items = items[items >= 0]
    return float(popularity[items].mean()) if len(items) else float("nan")


def _item_lists(lists: ArrayLike, items: int) -> NDArray:
    lists = np.asarray(lists)
    lists = lists if lists.size else lists.astype(np.int64)
    if lists.ndim != 2 or lists.dtype.kind not in "iu":
        raise ValueError(f"lists must be (n, k) item indices; got {lists.dtype} {lists.shape}")
    if lists.size and not (lists.min() >= -1 and lists.max() < items):
        raise ValueError(
            f"items must lie in 0..{items - 1}, or be -1; got {lists.min()}..{lists.max()}"
        )
    return lists.astype(np.int64)
