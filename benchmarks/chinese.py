"""What an encoder of our own is worth in Chinese: pretrained on public text, against the same net.

Usage: TUNESMITH_DATA=… python benchmarks/chinese.py FOLDER [pretrain] [adapt] [entities] [reviews]

FOLDER keeps the encoders, so that the parts may be run one by one. The same net unpretrained has
the same vocabulary, and weights at random. Each has its rate chosen on valid rows; the test is read
once with it, for each seed.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from chinese_rows import ENTITY_FILES, TEST_ENTITIES, write_reviews, write_texts
from record import data_folder, measure_fields, tell

import tunesmith

EPOCHS = 8
RATES = {
    "pretrained": (3e-4, 5e-4),
    "adapted": (3e-4, 5e-4, 1e-3),
    "unpretrained": (5e-4, 1e-3),
}
ENTITY_TRAINING = {"epochs": 12, "batch_tokens": 1024, "head_learning_rate": 2e-3}
REVIEW_TRAINING = {"epochs": 10, "batch_tokens": 1024}
SEEDS = (0, 1, 2, 3, 4)


def main() -> None:
    """Run the parts that were named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("parts", nargs="*", default=[*PARTS])
    wanted = parser.parse_args()
    for part in wanted.parts:
        PARTS[part](wanted.folder)


def pretrain_both(folder: Path) -> None:
    """Make the encoder, and the same net as it would begin at random."""
    write_texts(folder / "text")
    made = tunesmith.pretrain(
        str(folder / "text"),
        size="mini",
        training={"epochs": EPOCHS, "learning_rate": 1e-3},
        out=str(folder / "pretrained"),
        overwrite=True,
    )
    for name, measure in made.measures.items():
        tell("chinese text", measure=name, **measure_fields(measure), seconds=round(made.seconds))
    tunesmith.pretrain(
        str(folder / "text"),
        size="mini",
        beginning="random",
        training={"max_steps": 1, "learning_rate": 1e-9},
        out=str(folder / "unpretrained"),
        overwrite=True,
    )


def adapt(folder: Path) -> None:
    """Go on with the encoder on the reviews' own text, the training rows' alone."""
    reviews = folder / "reviews-text"
    reviews.mkdir(parents=True, exist_ok=True)
    shutil.copy(folder / "text" / "reviews.txt", reviews)
    made = tunesmith.pretrain(
        str(reviews),
        model=str(folder / "pretrained" / "backbone"),
        training={"epochs": 24, "learning_rate": 5e-4},
        out=str(folder / "adapted"),
        overwrite=True,
    )
    for name, measure in made.measures.items():
        tell("reviews' text", measure=name, **measure_fields(measure), seconds=round(made.seconds))


def tune_entities(folder: Path) -> None:
    """Tune both on the résumés' entities."""
    data = data_folder("resume_ner")

    def tune(start: str, rate: float, seed: int) -> Any:
        return tunesmith.fit(
            str(data / ENTITY_FILES["train"]),
            valid=str(data / ENTITY_FILES["valid"]),
            task="ner",
            model={"name": str(folder / start / "backbone")},
            training={**ENTITY_TRAINING, "learning_rate": rate},
            seed=seed,
            out=str(folder / "entities" / f"{start}-{rate}-{seed}"),
            overwrite=True,
        )

    starts = ("pretrained", "unpretrained")
    _compare("resume entities", starts, tune, "strict_f1", lambda _: str(data / TEST_ENTITIES))


def tune_reviews(folder: Path) -> None:
    """Tune both on 500 reviews, drawn anew for each seed."""

    def rows(seed: int) -> Path:
        return folder / "reviews" / str(seed)

    for seed in SEEDS:
        write_reviews(rows(seed), seed=seed)

    def tune(start: str, rate: float, seed: int) -> Any:
        return tunesmith.fit(
            str(rows(seed) / "train.jsonl"),
            valid=str(rows(seed) / "valid.jsonl"),
            task="classification",
            model={"name": str(folder / start / "backbone")},
            training={**REVIEW_TRAINING, "learning_rate": rate},
            seed=seed,
            out=str(folder / "tuned-reviews" / f"{start}-{rate}-{seed}"),
            overwrite=True,
        )

    test = "test.jsonl"
    _compare("reviews, 500 labels", RATES, tune, "accuracy", lambda seed: str(rows(seed) / test))


def _compare(
    benchmark: str,
    starts: Iterable[str],
    tune: Callable[[str, float, int], Any],
    measure: str,
    test: Callable[[int], str],
) -> None:
    """Choose each start's rate by the first seed's valid rows, then tell the test of every seed."""
    for start in starts:
        tried = {rate: tune(start, rate, SEEDS[0]) for rate in RATES[start]}
        valid = {rate: made.measures[measure].value for rate, made in tried.items()}
        rate = max(valid, key=valid.__getitem__)
        tell(benchmark, start=start, measure=f"valid {measure}", by_rate=valid)
        values = []
        for seed in SEEDS:
            made = tried[rate] if seed == SEEDS[0] else tune(start, rate, seed)
            found = tunesmith.evaluate(str(made.bundle), test(seed)).measures[measure]
            values.append(found.value)
            fields = measure_fields(found)
            tell(benchmark, start=start, rate=rate, seed=seed, measure=measure, **fields)
        tell(
            f"{benchmark}, mean",
            start=start,
            measure=measure,
            value=round(statistics.mean(values), 4),
            sd=round(statistics.stdev(values), 4),
            seeds=SEEDS,
        )


PARTS: dict[str, Callable[[Path], None]] = {
    "pretrain": pretrain_both,
    "adapt": adapt,
    "entities": tune_entities,
    "reviews": tune_reviews,
}


if __name__ == "__main__":
    main()
