"""How right `plan` is: regret of its choice, its cost, and what it expects of twice the labels.

Usage: TUNESMITH_DATA=… python benchmarks/plan.py [--sets banking77 …] [--rows 50 200 1000 0]
[--seeds 0 1 2] [--budget-minutes 10]

For every set, number of rows (0 takes all) and seed, rows are drawn from the train split, `plan`
chooses, and each of its candidates is then tuned on all drawn rows and read once on the test split.
Regret is the best candidate's test score minus that of the choice, in points; beside it stand those
of "always full", "always contrastive" and of fixed thresholds (contrastive up to 80 rows a class,
full above; a probe up to 5). The cost is the plan's seconds against those of tuning the best one.
Where twice the rows were drawn too, the score expected of them is held to the one that was reached.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from prompts import sentiment_rows, topic_rows
from public_rows import entity_rows, held_out
from record import tell
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
    wanted = parser.parse_args()
    regrets: dict[str, list[float]] = {}
    errors: list[float] = []
    for name in wanted.sets:
        for seed in wanted.seeds:
            reached: dict[tuple[int, str], float] = {}
            expected: dict[tuple[int, str], float] = {}
            for count in sorted(wanted.rows, key=lambda rows: rows or 10**9):
                found = _case(name, count, seed, wanted.budget_minutes)
                for rule, regret in found["regrets"].items():
                    regrets.setdefault(rule, []).append(regret)
                reached |= {(found["rows"], method): v for method, v in found["test"].items()}
                expected[2 * found["rows"], found["choice"]] = found["doubled"]
            errors += [abs(expected[key] - reached[key]) for key in expected if key in reached]
    for rule, values in regrets.items():
        mean = POINTS * statistics.mean(values)
        tell("plan, mean regret", rule=rule, value=round(mean, 2), unit="points", count=len(values))
    if errors:
        error = POINTS * statistics.mean(errors)
        tell("plan, twice the labels", measure="mean absolute error", value=round(error, 2),
             unit="points", count=len(errors))  # fmt: skip


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
    with tempfile.TemporaryDirectory() as folder:
        write_rows(drawn, Path(folder, "train.jsonl"))
        write_rows(test[:TEST_ROWS], Path(folder, "test.jsonl"))
        planned = tunesmith.plan(
            f"{folder}/train.jsonl",
            task=task,
            budget_minutes=minutes,
            seed=seed,
            out=f"{folder}/plan",
        )
        plan = planned.plan
        scores, seconds = {}, {}
        for method in plan["cells"]:
            tuned = tunesmith.fit(
                f"{folder}/train.jsonl",
                task=task,
                method=method,
                seed=seed,
                out=f"{folder}/{method}",
            )
            measures = tunesmith.evaluate(str(tuned.bundle), f"{folder}/test.jsonl").measures
            scores[method] = measures[plan["measure"]].value
            seconds[method] = tuned.seconds
    best = max(scores, key=lambda method: scores[method])
    classes = len({row["label"] for row in drawn}) if "label" in drawn[0] else 1
    chosen = {"plan": plan["choice"], **rules(len(drawn), classes, list(scores))}
    found = {
        "rows": len(drawn),
        "choice": plan["choice"],
        "test": scores,
        "regrets": {rule: scores[best] - scores[method] for rule, method in chosen.items()},
        "doubled": plan["doubled"]["expected"],
    }
    cost = (plan["seconds"] + seconds[plan["choice"]]) / seconds[best]
    told = {rule: round(POINTS * regret, 2) for rule, regret in found["regrets"].items()}
    tell(
        f"plan, {name}",
        rows=len(drawn),
        seed=seed,
        choice=plan["choice"],
        best=best,
        test={method: round(value, 4) for method, value in scores.items()},
        regret_points=told,
        cost_ratio=round(cost, 2),
    )
    return found


if __name__ == "__main__":
    main()
