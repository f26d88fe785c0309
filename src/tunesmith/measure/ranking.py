"""Marks of ranked items: from scores to the ranks of what is relevant, and from ranks to measures.

One row is one query or one user. Which items are recommended at all is counted in `exposure`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Ties = Literal["pessimistic", "mean"]

CUTOFFS = (1, 5, 10)


def relevant_ranks(
    scores: ArrayLike,
    relevant: ArrayLike,
    *,
    candidates: ArrayLike | None = None,
    ties: Ties = "pessimistic",
) -> NDArray:
    """Return the ranks (n, R) of the relevant items of each row, ascending, the best being 1.0.

    `scores` are (n, items), larger is better. `relevant` is (n,) item indices, one a row, or
    (n, items) booleans; R is the most of a row, and inf fills up. `candidates` (n, items) says what
    is ranked (leave out what a user has had); all items where it is None. Rows may be given in
    slices, so that the whole matrix need not exist.

    A relevant item that ties with others stands behind all of them ("pessimistic") or half of them
    ("mean"; a half rank where they are odd). Either way a scorer that gives every item the same
    score earns nothing by the order of the items: of 1,000 items, its one relevant item has rank
    1,000 or 500.5. Relevant items that tie among themselves take one rank after the other.

    Raises `ValueError` on shapes that do not fit, a score that is not a number, an index that is no
    item, and a relevant item that is no candidate.

    Source: McSherry & Najork, Computing information retrieval performance measures efficiently in
    the presence of tied scores, 2008, for why ties must not be broken by the order of the items.

    >>> relevant_ranks([[0.1, 0.9, 0.5], [0.3, 0.3, 0.3]], [2, 0]).tolist()
    [[2.0], [3.0]]
    >>> relevant_ranks([[0.3, 0.3, 0.3]], [0], ties="mean").tolist()
    [[2.0]]
    """
    scores, wanted, ranked = _ranked_rows(scores, relevant, candidates)
    if ties not in ("pessimistic", "mean"):
        raise ValueError(f"ties must be pessimistic or mean; got {ties!r}")
    most = int(wanted.sum(axis=1).max(initial=0))
    ranks = np.full((len(scores), most), np.inf)
    for row, (values, is_wanted, is_ranked) in enumerate(zip(scores, wanted, ranked, strict=True)):
        found = -np.sort(-values[is_wanted])
        others = np.sort(values[is_ranked & ~is_wanted])
        ahead: NDArray = len(others) - np.searchsorted(others, found, side="left")
        if ties == "mean":
            ahead = (ahead + len(others) - np.searchsorted(others, found, side="right")) / 2
        ranks[row, : len(found)] = ahead + np.arange(1, len(found) + 1)
    return ranks


def ranking_marks(ranks: ArrayLike, *, cutoffs: Sequence[int] = CUTOFFS) -> dict[str, NDArray]:
    """Return mrr and, for each cutoff k, recall_at_k, hit_rate_at_k and ndcg_at_k, each (n,).

    `ranks` are (n,), one relevant item a row, or (n, R) as `relevant_ranks` gives them. Recall is
    the share of the relevant items in the first k, hit rate whether there is one; with one relevant
    item they are the same, and NDCG is 1/log2(1 + rank). MRR takes the first relevant item, however
    far down. A row without relevant items is NaN, which `mean_statistics` leaves out.

    Raises `ValueError` on a rank below 1 and a cutoff below 1.

    Source: Voorhees, The TREC-8 question answering track report, 1999 (MRR); Järvelin & Kekäläinen,
    Cumulated gain-based evaluation of IR techniques, 2002, with gain 1 and the discount
    1/log2(1 + rank) of Burges et al., Learning to rank using gradient descent, 2005.

    >>> marks = ranking_marks([1, 3, 12], cutoffs=[10])
    >>> marks["recall_at_10"].tolist(), marks["ndcg_at_10"].tolist()
    ([1.0, 1.0, 0.0], [1.0, 0.5, 0.0])
    """
    ranks = np.asarray(ranks, dtype=np.float64)
    ranks = ranks[:, np.newaxis] if ranks.ndim == 1 else ranks
    if ranks.ndim != 2 or not (ranks >= 1).all():
        raise ValueError(f"ranks must be (n,) or (n, R) and at least 1; got {ranks.shape}")
    if any(cutoff < 1 for cutoff in cutoffs):
        raise ValueError(f"every cutoff must be at least 1; got {list(cutoffs)}")
    items = np.isfinite(ranks).sum(axis=1)
    counted = np.where(items > 0, 1.0, np.nan)
    gains = 1 / np.log2(1 + ranks)
    marks = {"mrr": counted / ranks.min(axis=1, initial=np.inf)}
    for cutoff in cutoffs:
        is_shown = ranks <= cutoff
        shown = is_shown.sum(axis=1)
        marks[f"recall_at_{cutoff}"] = counted * shown / np.maximum(items, 1)
        marks[f"hit_rate_at_{cutoff}"] = counted * (shown > 0)
        best = np.minimum(items, cutoff)
        marks[f"ndcg_at_{cutoff}"] = counted * (gains * is_shown).sum(axis=1) / _ideal_gain(best)
    return marks


def top_items(scores: ArrayLike, *, count: int, candidates: ArrayLike | None = None) -> NDArray:
    """Return the `count` best items (n, count) of each row of `scores` (n, items), best first.

    Of equal scores the lower index stands first. `candidates` is as in `relevant_ranks`; where a
    row has fewer, -1 fills up.

    Raises `ValueError` as `relevant_ranks` does, and on a count below 1.

    >>> top_items([[0.1, 0.9, 0.5]], count=2).tolist()
    [[1, 2]]
    """
    if count < 1:
        raise ValueError(f"count must be at least 1; got {count}")
    scores = _numbers(scores)
    ranked = _candidate_rows(candidates, scores.shape)
    order = np.lexsort((-scores, ~ranked))[:, :count]
    chosen = np.where(np.take_along_axis(ranked, order, axis=1), order, -1)
    return np.pad(chosen, ((0, 0), (0, count - chosen.shape[1])), constant_values=-1)


def _ideal_gain(items: NDArray) -> NDArray:
    """Return the gain of that many relevant items (n,) on the first ranks; that of one for none."""
    discounts = 1 / np.log2(2 + np.arange(max(int(items.max(initial=0)), 1)))
    return np.cumsum(discounts)[np.maximum(items, 1) - 1]


def _ranked_rows(
    scores: ArrayLike, relevant: ArrayLike, candidates: ArrayLike | None
) -> tuple[NDArray, NDArray, NDArray]:
    scores = _numbers(scores)
    wanted = _relevant_rows(np.asarray(relevant), scores.shape)
    ranked = _candidate_rows(candidates, scores.shape)
    outside = np.flatnonzero((wanted & ~ranked).any(axis=1))
    if len(outside):
        raise ValueError(f"a relevant item must be a candidate; in row {outside[0]} it is not")
    return scores, wanted, ranked


def _numbers(scores: ArrayLike) -> NDArray:
    scores = np.asarray(scores)
    scores = scores if scores.dtype.kind == "f" else scores.astype(np.float64)
    if scores.ndim != 2:
        raise ValueError(f"scores must be (n, items); got {scores.shape}")
    if np.isnan(scores).any():
        raise ValueError("every score must be a number; got NaN")
    return scores


def _relevant_rows(relevant: NDArray, shape: tuple[int, ...]) -> NDArray:
    rows, items = shape
    if relevant.dtype == bool and relevant.shape == shape:
        return relevant
    if relevant.shape != (rows,) or (rows and relevant.dtype.kind not in "iu"):
        raise ValueError(
            f"relevant must be {rows} item indices or booleans {shape};"
            f" got {relevant.dtype} {relevant.shape}"
        )
    if rows and not (relevant.min() >= 0 and relevant.max() < items):
        raise ValueError(
            f"relevant must lie in 0..{items - 1}; got {relevant.min()}..{relevant.max()}"
        )
    wanted = np.zeros(shape, dtype=bool)
    wanted[np.arange(rows), relevant.astype(np.int64)] = True
    return wanted


def _candidate_rows(candidates: ArrayLike | None, shape: tuple[int, ...]) -> NDArray:
    if candidates is None:
        return np.ones(shape, dtype=bool)
    ranked = np.asarray(candidates, dtype=bool)
    if ranked.shape != shape:
        raise ValueError(f"candidates must be {shape} like the scores; got {ranked.shape}")
    return ranked
