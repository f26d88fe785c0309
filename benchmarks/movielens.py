"""MovieLens latest-small, the last event of each user ranked among all films: ours and rivals.

Usage: TUNESMITH_DATA=… python benchmarks/movielens.py [implicit | ours | cold …]

The last event of each user is test, the one before it valid; settings were chosen on valid, the
rivals' here and ours in docs/log.md. Rivals are the ALS and BPR of `implicit` (extra `bench`) and
popularity, on the same rows and marked by the same code; they learn from train and valid once
their settings are chosen, ours from train alone. `cold` holds a tenth of the films out of training,
and ranks these alone for the users who saw one. One JSON line a measure and seed.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse
from record import measure_fields, tell
from task_rows import Row, movielens_items, movielens_rows, write_rows

import tunesmith
from tunesmith.core.examples import HistoryInput
from tunesmith.core.measures import Measure
from tunesmith.measure.exposure import catalogue_coverage, popularity_statistics
from tunesmith.measure.intervals import bootstrap_measures, paired_bootstrap
from tunesmith.measure.means import mean_statistics
from tunesmith.measure.ranking import ranking_marks, relevant_ranks, top_items
from tunesmith.runtime.loading import load_engine
from tunesmith.runtime.rankings import rank_items

SEEDS = (0, 1, 2)
RECIPE = {"epochs": 8, "head_learning_rate": 3e-3}
COLD_SHARE = 0.1
TOLD = ("ndcg_at_10", "recall_at_10", "mrr")
GRID = {
    "als": [
        {"factors": factors, "regularization": penalty, "alpha": alpha}
        for factors, penalty, alpha in itertools.product((16, 32, 64), (0.01, 0.1), (1, 10, 40))
    ],
    "bpr": [
        {"factors": factors, "learning_rate": rate, "iterations": rounds}
        for factors, rate, rounds in itertools.product((32, 64, 128), (0.01, 0.05), (50, 100))
    ],
}


@dataclass(frozen=True, slots=True)
class Events:
    """Who saw what, by number: the histories in the order of time, and how many films there are."""

    histories: list[np.ndarray]
    items: int

    def before(self, held: int) -> list[np.ndarray]:
        """Return what each user saw before his last `held` events."""
        return [history[: len(history) - held] for history in self.histories]

    def gold(self, held: int) -> np.ndarray:
        """Return the event of each user that is `held` from the end, 1 being the last."""
        return np.array([history[len(history) - held] for history in self.histories])


def main() -> None:
    """Measure what was named, or all."""
    wanted = sys.argv[1:] or ["implicit", "ours", "cold"]
    for name in wanted:
        {"ours": measure_ours, "cold": measure_cold, "implicit": measure_rivals}[name]()


def read_events() -> Events:
    """Return all events of MovieLens by number, users and films in the order of the files."""
    index = {row["item"]: number for number, row in enumerate(movielens_items())}
    own: dict[str, list[int]] = {}
    for split in ("train", "valid", "test"):
        for row in movielens_rows(split):
            own.setdefault(row["user"], []).append(index[row["item"]])
    return Events([np.array(items) for items in own.values()], len(index))


def measure_rivals() -> None:
    """Tell popularity, and `implicit` with the settings that rank valid best."""
    events = read_events()
    train, both = events.before(2), events.before(1)
    counts = np.bincount(np.concatenate(both), minlength=events.items).astype(np.float64)
    scores = np.tile(counts, (len(both), 1))
    _tell_scores("popularity", scores, events, both, seed=0)
    for name, grid in GRID.items():
        values = []
        for settings in grid:
            found = _fit_implicit(name, settings, train, events.items, seed=0)
            ranks = _ranks(found, events.gold(2), train, ties="pessimistic")
            values.append(float(ranking_marks(ranks)["ndcg_at_10"].mean()))
        best = grid[int(np.argmax(values))]
        for seed in SEEDS:
            found = _fit_implicit(name, best, both, events.items, seed=seed)
            fields = {**best, "valid_ndcg_at_10": round(max(values), 4)}
            _tell_scores(f"implicit {name}", found, events, both, seed=seed, **fields)


def measure_ours() -> None:
    """Tell our measures on test, and by how much we are above popularity on the same users."""
    events = read_events()
    popular = _popular_marks(events)
    for seed in SEEDS:
        with tempfile.TemporaryDirectory() as folder:
            rows = [row for split in ("train", "valid", "test") for row in movielens_rows(split)]
            tuned = _fit(Path(folder), rows, seed=seed, split={"test": 0.1})
            engine = load_engine(tuned.bundle)
        training = tuned.report["training"]
        for name, measure in tuned.measures.items():
            tell(
                "movielens",
                recipe="ours",
                measure=name,
                **measure_fields(measure),
                seed=seed,
                tuning_seconds=training["seconds"],
                valid_ndcg_at_10=max(
                    point["value"] for point in tuned.report["curve"]["validations"]
                ),
            )
        items = engine.task.catalogue.items
        before = events.before(1)
        inputs = [
            HistoryInput("", tuple(items[number] for number in history)) for history in before
        ]
        ranked = rank_items(engine, inputs, most=len(items))
        ranks = np.array(
            [
                1 + int(np.flatnonzero(own[:, 0] == gold)[0])
                for own, gold in zip(ranked, events.gold(1), strict=True)
            ]
        )
        ours = ranking_marks(ranks)["ndcg_at_10"]
        difference = paired_bootstrap(
            lambda weights, ours=ours: float(weights @ ours / weights.sum()),
            lambda weights: float(weights @ popular / weights.sum()),
            len(ours),
        )
        tell(
            "movielens",
            recipe="ours minus popularity",
            measure="ndcg_at_10",
            value=round(difference.difference, 4),
            low=round(difference.low, 4),
            high=round(difference.high, 4),
            count=len(ours),
            seed=seed,
        )


def measure_cold() -> None:
    """Tell how a tenth of the films, held out of training whole, are ranked among themselves."""
    rows = [row for split in ("train", "valid", "test") for row in movielens_rows(split)]
    names = [row["item"] for row in movielens_items()]
    for seed in SEEDS:
        chosen = np.random.default_rng(seed).random(len(names)) < COLD_SHARE
        cold = {name for name, is_cold in zip(names, chosen, strict=True) if is_cold}
        with tempfile.TemporaryDirectory() as folder:
            warm = [row for row in rows if row["item"] not in cold]
            engine = load_engine(_fit(Path(folder), warm, seed=seed).bundle)
        asked, gold = _cold_questions(rows, cold)
        among = np.flatnonzero(chosen)
        ranked = rank_items(engine, asked, among=among, most=len(among))
        index = engine.task.catalogue.index
        ranks = np.array(
            [
                1 + int(np.flatnonzero(own[:, 0] == index[item])[0])
                for own, item in zip(ranked, gold, strict=True)
            ]
        )
        marks = ranking_marks(ranks)
        measures = bootstrap_measures(mean_statistics({n: marks[n] for n in TOLD}), len(ranks))
        expected = {
            "ndcg_at_10": float(np.mean([_random_ndcg(len(own)) for own in ranked])),
            "recall_at_10": float(np.mean([10 / len(own) for own in ranked])),
        }
        for name, measure in measures.items():
            chance = expected.get(name)
            fields = {"random": round(chance, 4)} if chance else {}
            if chance:
                fields["times_random"] = round(measure.value / chance, 2)
            tell(
                "movielens",
                recipe="cold films",
                measure=name,
                **measure_fields(measure),
                **fields,
                candidates=len(among),
                seed=seed,
            )


def _fit(folder: Path, rows: Sequence[Row], *, seed: int, **more: Any) -> Any:
    write_rows(rows, folder / "ratings.jsonl")
    write_rows(movielens_items(), folder / "items.jsonl")
    return tunesmith.fit(
        str(folder / "ratings.jsonl"),
        task="recommendation",
        items=str(folder / "items.jsonl"),
        out=str(folder / "run"),
        training=RECIPE,
        seed=seed,
        **more,
    )


def _cold_questions(rows: Sequence[Row], cold: set[str]) -> tuple[list[HistoryInput], list[str]]:
    """Return, for each user who saw a cold film, what he saw before the last of them, and it."""
    own: dict[str, list[str]] = {}
    for row in rows:
        own.setdefault(row["user"], []).append(row["item"])
    asked, gold = [], []
    for items in own.values():
        last = max((at for at, item in enumerate(items) if item in cold), default=-1)
        warm = tuple(item for item in items[: max(last, 0)] if item not in cold)
        if warm:
            had = tuple(item for item in items[:last] if item in cold)
            asked.append(HistoryInput("", warm, passed=had))
            gold.append(items[last])
    return asked, gold


def _random_ndcg(candidates: int) -> float:
    """Return the expected NDCG@10 of one relevant item at a random rank of so many."""
    return float((1 / np.log2(1 + np.arange(1, 11))).sum() / candidates)


def _fit_implicit(
    name: str, settings: dict[str, Any], histories: Sequence[np.ndarray], items: int, *, seed: int
) -> np.ndarray:
    """Return (users, items) the scores of `implicit`; all films of 610 users fit in memory."""
    from implicit.als import AlternatingLeastSquares  # noqa: PLC0415 (an extra)
    from implicit.bpr import BayesianPersonalizedRanking  # noqa: PLC0415 (an extra)

    kinds = {"als": AlternatingLeastSquares, "bpr": BayesianPersonalizedRanking}
    lengths = [len(history) for history in histories]
    indices = np.concatenate(histories)
    matrix = scipy.sparse.csr_matrix(
        (
            np.ones(len(indices), dtype=np.float32),
            (np.repeat(range(len(lengths)), lengths), indices),
        ),
        shape=(len(lengths), items),
    )
    model = kinds[name](random_state=seed, num_threads=1, use_gpu=False, **settings)
    model.fit(matrix, show_progress=False)
    scores: np.ndarray = model.user_factors @ model.item_factors.T
    return scores


def _ranks(
    scores: np.ndarray, gold: np.ndarray, seen: Sequence[np.ndarray], *, ties: Any
) -> np.ndarray:
    """Return the rank (users,) of the gold film among all that a user had not seen."""
    return relevant_ranks(scores, gold, candidates=_unseen(scores, seen), ties=ties)[:, 0]


def _unseen(scores: np.ndarray, seen: Sequence[np.ndarray]) -> np.ndarray:
    candidates = np.ones(scores.shape, dtype=bool)
    for row, history in enumerate(seen):
        candidates[row, history] = False
    return candidates


def _popular_marks(events: Events) -> np.ndarray:
    both = events.before(1)
    counts = np.bincount(np.concatenate(both), minlength=events.items).astype(np.float64)
    ranks = _ranks(np.tile(counts, (len(both), 1)), events.gold(1), both, ties="mean")
    return ranking_marks(ranks)["ndcg_at_10"]


def _tell_scores(
    recipe: str,
    scores: np.ndarray,
    events: Events,
    seen: Sequence[np.ndarray],
    *,
    seed: int,
    **fields: Any,
) -> None:
    ties = "mean" if recipe == "popularity" else "pessimistic"
    marks = ranking_marks(_ranks(scores, events.gold(1), seen, ties=ties))
    told = mean_statistics({name: marks[name] for name in TOLD})
    measures = bootstrap_measures(told, len(seen))
    lists = top_items(scores, count=10, candidates=_unseen(scores, seen))
    popularity = np.bincount(np.concatenate(seen), minlength=events.items) / len(seen)
    covered = catalogue_coverage(lists, items=events.items)
    measures["coverage_at_10"] = Measure(covered, "ratio", events.items)
    statistic = popularity_statistics(lists, seen, popularity)
    measures |= bootstrap_measures(statistic, len(seen))
    for name, measure in measures.items():
        tell(
            "movielens", recipe=recipe, measure=name, **measure_fields(measure), seed=seed, **fields
        )


if __name__ == "__main__":
    main()
