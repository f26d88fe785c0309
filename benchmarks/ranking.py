"""How well `zoo rank` foretells what tuning gives, and what it costs beside tuning them all.

Usage: TUNESMITH_DATA=… python benchmarks/ranking.py OUT [--tasks banking77 …] [--seeds 0]
[--tune-only]

Ten backbones (MiniLM, its first one to five layers, its shape with random weights, three pretrained
here) are tuned on the same rows of each task by the default recipe, and read on test rows. True
scores are kept in OUT and not made twice, so a run that was stopped goes on; where a task has not
all of them it is ranked on those it has. Seconds are those of the processor, since machines are
shared, and all is computed by one thread: others would be counted while they only wait. The way of
ranking was chosen on the tasks of `DESIGN`; means leave them out.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ranking_cases import CASES, DESIGN, make_backbones, read_scores, write_case
from record import tell
from scipy.stats import kendalltau
from threadpoolctl import threadpool_limits

import tunesmith
from tunesmith.measure.correlation import pearson_correlation
from tunesmith.model.device import threads
from tunesmith.session import Session
from tunesmith.store.workspace import Workspace

POINTS = 100
FEWEST = 3
"""Backbones with a true score that a task needs to be told of."""


def main() -> None:
    """Make the backbones, tune each on each task, rank them, and tell how the two agree."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--tasks", nargs="+", default=[*CASES])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--tune-only", action="store_true")
    parser.add_argument("--rank-only", action="store_true")
    wanted = parser.parse_args()
    with threads(1), threadpool_limits(1):
        _run(wanted)


def _run(wanted: argparse.Namespace) -> None:
    backbones = make_backbones(wanted.out / "backbones")
    for seed in () if wanted.rank_only else wanted.seeds:
        for name in wanted.tasks:
            data = write_case(name, wanted.out / "rows")
            for backbone, model in backbones.items():
                _tune_once(wanted.out, (name, backbone, seed), data, str(model))
    if not wanted.tune_only:
        _rank_all(wanted.out, wanted.tasks, backbones)


def _tune_once(out: Path, which: tuple[str, str, int], data: Path, model: str) -> None:
    """Add the true score of a backbone on a task to the file in `out`, unless it is there."""
    task, backbone, seed = which
    path = out / "scores.json"
    if str(seed) in read_scores(path).get(task, {}).get(backbone, {}):
        return
    started = time.process_time()
    tuned = tunesmith.fit(
        str(data),
        task=CASES[task].task,
        model=model,
        method="full",
        seed=seed,
        training={"threads": 1},
        out=out / "run",
        overwrite=True,
        session=Session(workspace=Workspace(out / "home")),
    )
    seconds = time.process_time() - started
    measure = tuned.measures[CASES[task].measure]
    scores = read_scores(path)
    found = {**measure.to_json(), "seconds": seconds}
    scores.setdefault(task, {}).setdefault(backbone, {})[str(seed)] = found
    path.write_text(json.dumps(scores, indent=1), encoding="utf-8")
    print(task, backbone, seed, found, flush=True)


def _rank_all(out: Path, tasks: Sequence[str], backbones: Mapping[str, Any]) -> None:
    scores = read_scores(out / "scores.json")
    told: list[dict[str, float]] = []
    for name in tasks:
        true = {each: list(scores.get(name, {}).get(each, {}).values()) for each in backbones}
        true = {each: found for each, found in true.items() if found}
        if len(true) < FEWEST:
            continue
        figures = _rank(name, out, {each: str(backbones[each]) for each in true}, true)
        if name not in DESIGN:
            told.append(figures)
    for measure in ("pearson", "kendall", "regret_points", "time_ratio"):
        values = [figures[measure] for figures in told]
        if values:
            mean = round(statistics.mean(values), 3)
            tell("ranking, mean of tasks", measure=measure, value=mean, count=len(values))


def _rank(
    name: str, out: Path, models: Mapping[str, str], true: Mapping[str, list[dict[str, Any]]]
) -> dict[str, float]:
    """Tell and return how the ranking of one task agrees with the true scores.

    The workspace is a new one: no tuned score is known to the ranking.
    """
    data = write_case(name, out / "rows")
    started = time.process_time()
    found = tunesmith.zoo(
        "rank",
        data,
        task=CASES[name].task,
        models=[*models.values()],
        session=Session(workspace=Workspace(out / "unknowing")),
    )
    seconds = time.process_time() - started
    names = {model: each for each, model in models.items()}
    lines = {names[line["model"]]: line for line in found.models}
    reached = {each: statistics.mean(one["value"] for one in runs) for each, runs in true.items()}
    order = [*lines]
    figures = agreement([lines[each]["score"] for each in order], [reached[each] for each in order])
    tuning = sum(one["seconds"] for runs in true.values() for one in runs[:1])
    figures["time_ratio"] = seconds / tuning
    tell(
        f"ranking, {name}",
        design=name in DESIGN,
        count=len(order),
        rows=found.details["rows"],
        seeds=min(map(len, true.values())),
        **{measure: round(value, 3) for measure, value in figures.items()},
        ranking_seconds=round(seconds, 1),
        tuning_seconds=round(tuning, 1),
        tied=[each for each in order if lines[each]["is_tied"]],
        scores={each: round(lines[each]["score"], 3) for each in order},
        true={each: round(reached[each], 3) for each in order},
        estimates=_alone(lines, reached),
    )
    return figures


def agreement(scores: Sequence[float], true: Sequence[float]) -> dict[str, float]:
    """Return Pearson's and Kendall's correlation, and what the first choice loses in points."""
    chosen = max(range(len(scores)), key=lambda number: scores[number])
    return {
        "pearson": pearson_correlation(true, scores),
        "kendall": float(kendalltau(scores, true).statistic),
        "regret_points": POINTS * (max(true) - true[chosen]),
    }


def _alone(
    lines: Mapping[str, Mapping[str, Any]], reached: Mapping[str, float]
) -> dict[str, list[float]]:
    """Return Pearson's and Kendall's correlation of each estimate by itself."""
    names = next(iter(lines.values()))["shares"]
    found = {}
    for name in names:
        values = [lines[each]["shares"][name] for each in lines]
        alone = agreement(values, [reached[each] for each in lines])
        found[name] = [round(alone["pearson"], 3), round(alone["kendall"], 3)]
    return found


if __name__ == "__main__":
    main()
