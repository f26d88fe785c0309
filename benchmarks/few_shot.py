"""Few labels: the probe, contrastive tuning and setfit on the same rows and the same encoder.

Usage: TUNESMITH_DATA=… python benchmarks/few_shot.py [--sets banking77 clinc150] [--shots 5 10]
[--seeds 0 1 2 3 4] [--recipes probe contrastive ensemble setfit]

A seed draws so many rows a class from the train split; nothing else is read before the test, which
is read once a run. Default settings of ours, `ensemble` being five contrastive models in one
bundle; setfit (where it is installed) with the 20 pairs a row each way of its paper, as all pairs
of 385 rows would take hours. Recipes take turns within a seed, and each tells its seconds; the mean
over the seeds stands behind them with its deviation.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from record import measure_fields, tell
from task_rows import Row, write_rows
from zero_shot import banking77, clinc150

import tunesmith
from tunesmith.measure.intervals import wilson_interval
from tunesmith.model.sources import find_model

SETS = {"banking77": banking77, "clinc150": clinc150}
PAIRS_A_ROW = 20
RECIPES = {"ensemble": {"method": "contrastive", "ensemble": {"seeds": 5}}}


def main() -> None:
    """Measure every recipe on every draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="+", default=[*SETS])
    parser.add_argument("--shots", type=int, nargs="+", default=[5, 10])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--recipes", nargs="+", default=["probe", "contrastive", "setfit"])
    wanted = parser.parse_args()
    for name in wanted.sets:
        for shots in wanted.shots:
            found: dict[str, list[tuple[float, float]]] = {}
            for seed in wanted.seeds:
                for recipe in wanted.recipes:
                    found.setdefault(recipe, []).append(_run(name, recipe, shots, seed))
            for recipe, figures in found.items():
                values, seconds = zip(*figures, strict=True)
                tell(
                    f"{name}, {shots} a class, mean",
                    recipe=recipe,
                    measure="accuracy",
                    value=round(statistics.mean(values), 4),
                    sd=round(statistics.stdev(values), 4) if len(values) > 1 else None,
                    seeds=wanted.seeds,
                    tuning_seconds=round(statistics.mean(seconds), 1),
                )


def draw(rows: list[Row], shots: int, *, seed: int) -> list[Row]:
    """Return `shots` rows of each label."""
    random = np.random.default_rng(seed)
    labels = np.array([row["label"] for row in rows])
    chosen = [
        random.permutation(np.flatnonzero(labels == label))[:shots] for label in np.unique(labels)
    ]
    return [rows[index] for index in np.concatenate(chosen)]


def _run(name: str, recipe: str, shots: int, seed: int) -> tuple[float, float]:
    """Tell and return accuracy and seconds of one recipe on one draw."""
    train = draw(list(SETS[name]("train")), shots, seed=seed)
    test = list(SETS[name]("test"))
    tune = _setfit if recipe == "setfit" else _ours
    accuracy, seconds = tune(recipe, train, test, seed)
    tell(
        f"{name}, {shots} a class",
        recipe=recipe,
        measure="accuracy",
        **accuracy,
        seed=seed,
        tuning_seconds=round(seconds, 1),
    )
    return accuracy["value"], seconds


def _ours(recipe: str, train: list[Row], test: list[Row], seed: int) -> tuple[dict, float]:
    with tempfile.TemporaryDirectory() as folder:
        write_rows(train, Path(folder, "train.jsonl"))
        write_rows(test, Path(folder, "test.jsonl"))
        started = time.perf_counter()
        tuned = tunesmith.fit(
            f"{folder}/train.jsonl",
            task="classification",
            **RECIPES.get(recipe, {"method": recipe}),
            seed=seed,
            out=f"{folder}/run",
        )
        seconds = time.perf_counter() - started
        found = tunesmith.evaluate(str(tuned.bundle), f"{folder}/test.jsonl").measures
    return measure_fields(found["accuracy"]), seconds


def _setfit(recipe: str, train: list[Row], test: list[Row], seed: int) -> tuple[dict, float]:  # noqa: ARG001
    import setfit  # noqa: PLC0415 (the rival; where it is installed)
    from datasets import Dataset  # noqa: PLC0415 (of setfit)

    model = setfit.SetFitModel.from_pretrained(str(find_model("minilm").path))
    with tempfile.TemporaryDirectory() as folder:
        settings = setfit.TrainingArguments(
            output_dir=folder,
            num_iterations=PAIRS_A_ROW,
            batch_size=16,
            seed=seed,
            save_strategy="no",
            report_to="none",
        )
        trainer = setfit.Trainer(
            model=model,
            args=settings,
            train_dataset=Dataset.from_list([dict(row) for row in train]),
        )
        started = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - started
    answers = model.predict([row["text"] for row in test])
    hits = sum(str(answer) == row["label"] for answer, row in zip(answers, test, strict=True))
    low, high = wilson_interval(hits, len(test))
    value = hits / len(test)
    return {"value": value, "unit": "ratio", "count": len(test), "low": low, "high": high}, seconds


if __name__ == "__main__":
    main()
