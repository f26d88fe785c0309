"""How right `plan` is: regret of its choice, its cost, and what it expects of twice the labels.

Usage: TUNESMITH_DATA=… python benchmarks/plan.py [--sets banking77 …] [--rows 50 200 1000 0]
[--seeds 0 1 2] [--budget-minutes 10] [--kept runs/plan.jsonl]

For every set, number of rows (0 takes all) and seed, rows are drawn from the train split, a plan
chooses as it does for `fit --method auto`, and each of its candidates is then tuned on all drawn
rows and read once on the test split. Regret is the best candidate's test score minus that of the
choice, in points; beside it stand those of "always full", "always contrastive" and of fixed
thresholds (contrastive up to 80 rows a class, full above; a probe up to 5). The cost is the plan's
seconds and its choice's against those of tuning the best one. Where there are twice the rows, the
choice is tuned on these too, and the score that was expected of them is held to the one that is
reached.

All cases take many hours. Each is kept in a file once it is measured, and not measured again; the
means are those of all cases that were asked for and are there.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np
from prompts import sentiment_rows, topic_rows
from public_rows import entity_rows, held_out
from record import commit, tell
from task_rows import Row, semeval_rows, write_rows
from zero_shot import banking77, clinc150

import tunesmith

TEST_ROWS = 2000
POINTS = 100


SETS: dict[str, tuple[str, Callable[[], tuple[list[Row], list[Row]]]]] = {
    "banking77": ("classification", lambda: (list(banking77("train")), list(banking77("test")))),
    "clinc150": ("classification", lambda: (list(clinc150("train")), list(clinc150("test")))),
    "clinc150 domains": ("classification", lambda: held_out(topic_rows())),
    "financial_phrasebank": ("classification", lambda: held_out(sentiment_rows())),
    "semeval": ("relation", lambda: (list(semeval_rows("train")), list(semeval_rows("test")))),
    "wnut17": ("ner", entity_rows),
}


def main() -> None:
    """Plan, tune every candidate, and tell what the choice cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="+", default=[*SETS])
    parser.add_argument("--rows", nargs="+", type=int, default=[50, 200, 1000, 0])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--budget-minutes", type=float, default=10.0)
    parser.add_argument("--kept", type=Path, default=Path("runs", "plan.jsonl"))
    wanted = parser.parse_args()
    wanted.kept.parent.mkdir(parents=True, exist_ok=True)
    lines = wanted.kept.read_text("utf-8").splitlines() if wanted.kept.exists() else []
    cases = [json.loads(line) for line in lines]
    kept = {(case["set"], case["asked"], case["seed"]): case for case in cases}
    found = []
    for asked in product(wanted.rows, wanted.seeds, wanted.sets):
        count, seed, name = asked
        case = kept.get((name, count, seed)) or _case(name, count, seed, wanted.budget_minutes)
        if (name, count, seed) not in kept:
            with wanted.kept.open("a", encoding="utf-8") as file:
                file.write(json.dumps(case) + "\n")
        found.append(case)
    tell_means(found)


def tell_means(cases: Sequence[dict[str, Any]]) -> None:
    """Tell each rule's mean regret, the plan's cost, and the error of what it expects."""
    for rule in cases[0]["regrets"]:
        regrets = [POINTS * case["regrets"][rule] for case in cases]
        _tell_mean("plan, mean regret", regrets, "points", rule=rule)
    costs = [case["seconds"] / case["best_seconds"] for case in cases]
    whole, best = (sum(case[name] for case in cases) for name in ("seconds", "best_seconds"))
    more = {"median": round(median(costs), 2), "of_all_seconds": round(whole / best, 2)}
    _tell_mean("plan, cost against the best", costs, "ratio", **more)
    errors = [
        POINTS * abs(case["doubled"] - case["twice"]) for case in cases if case["twice"] is not None
    ]
    if errors:
        _tell_mean("plan, twice the labels", errors, "points", measure="mean absolute error")


def _tell_mean(benchmark: str, values: Sequence[float], unit: str, **more: Any) -> None:
    low, high = min(values), max(values)
    tell(
        benchmark,
        **more,
        value=round(mean(values), 2),
        low=round(low, 2),
        high=round(high, 2),
        unit=unit,
        count=len(values),
    )


def rules(rows: int, classes: int, methods: list[str]) -> dict[str, str]:
    """Return what each fixed rule would take, among the methods there are."""
    few = rows / classes
    by_size = "probe" if few <= 5 else "contrastive" if few <= 80 else "full"  # noqa: PLR2004
    taken = {"always full": "full", "always contrastive": "contrastive", "thresholds": by_size}
    return {rule: method if method in methods else "full" for rule, method in taken.items()}


def _case(name: str, count: int, seed: int, minutes: float) -> dict[str, Any]:
    """Tell and return what `plan` chose on one draw, and how every candidate did."""
    task, read = SETS[name]
    train, test = read()
    order = np.random.default_rng(seed).permutation(len(train))
    drawn = [train[at] for at in order[: count or len(train)]]
    doubled = [train[at] for at in order[: 2 * len(drawn)]]
    with tempfile.TemporaryDirectory() as folder:
        write_rows(drawn, Path(folder, "train.jsonl"))
        write_rows(doubled, Path(folder, "twice.jsonl"))
        write_rows(test[:TEST_ROWS], Path(folder, "test.jsonl"))
        planned = tunesmith.plan(
            f"{folder}/train.jsonl",
            task=task,
            budget_minutes=minutes,
            seed=seed,
            whole_curves=False,
            out=f"{folder}/plan",
        )
        plan = planned.plan

        def reach(rows: str, method: str) -> tuple[float, float]:
            """Return the test score of a method tuned on rows, and the seconds of tuning."""
            out = f"{folder}/{rows}-{method}"
            tuned = tunesmith.fit(
                f"{folder}/{rows}.jsonl", task=task, method=method, seed=seed, out=out
            )
            measures = tunesmith.evaluate(str(tuned.bundle), f"{folder}/test.jsonl").measures
            return measures[plan["measure"]].value, tuned.seconds

        tried = {method: reach("train", method) for method in plan["cells"]}
        scores = {method: score for method, (score, _) in tried.items()}
        seconds = {method: spent for method, (_, spent) in tried.items()}
        is_twice = len(doubled) == 2 * len(drawn)
        twice = reach("twice", plan["choice"])[0] if is_twice else None
    best = max(scores, key=lambda method: scores[method])
    classes = len({row["label"] for row in drawn}) if "label" in drawn[0] else 1
    chosen = {"plan": plan["choice"], **rules(len(drawn), classes, list(scores))}
    spent = plan["seconds"] + seconds[plan["choice"]]
    found = {
        "set": name,
        "asked": count,
        "seed": seed,
        "commit": commit(),
        "rows": len(drawn),
        "choice": plan["choice"],
        "test": scores,
        "regrets": {rule: scores[best] - scores[method] for rule, method in chosen.items()},
        "doubled": plan["doubled"]["expected"],
        "twice": twice,
        "seconds": spent,
        "best_seconds": seconds[best],
    }
    told = {rule: round(POINTS * regret, 2) for rule, regret in found["regrets"].items()}
    tell(
        f"plan, {name}",
        rows=len(drawn),
        seed=seed,
        choice=plan["choice"],
        best=best,
        test={method: round(value, 4) for method, value in scores.items()},
        regret_points=told,
        cost_ratio=round(spent / seconds[best], 2),
    )
    return found


if __name__ == "__main__":
    main()
