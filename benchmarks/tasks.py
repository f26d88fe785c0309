"""What each task reaches on public data: tuned on train, chosen on valid, test read once a method.

Usage: TUNESMITH_DATA=… python benchmarks/tasks.py [NAME …]

One JSON line a measure, with its interval. A baseline that needs no tuning stands beside where the
task has one: MiniLM untouched for STS-B, the question's most similar sentence for SQuAD, the most
frequent place for DREAM, the first three turns for DialogSum.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from record import measure_fields, tell
from sentence_baseline import mark_sentences
from task_rows import (
    Row,
    dialogsum_rows,
    dream_rows,
    movielens_items,
    movielens_rows,
    multi30k_rows,
    semeval_rows,
    squad_rows,
    stsb_rows,
    write_rows,
    write_sides,
    write_splits,
)

import tunesmith


@dataclass(frozen=True, slots=True)
class Case:
    """One data set: its rows, its task, the recipes tried on it and the measures told.

    `writer` is how the model that writes is made of the training rows and no other text.
    """

    task: str
    rows: Callable[[str], Iterator[Row]]
    measures: tuple[str, ...]
    recipes: dict[str, dict[str, Any]] = field(default_factory=lambda: {"tuned": {}})
    items: Callable[[], Iterator[Row]] | None = None
    writer: dict[str, Any] | None = None


ROUGE = (
    *(
        f"{prefix}rouge_{variant}"
        for prefix in ("", "mean_", "lead_", "lead_mean_")
        for variant in "12l"
    ),
    *(f"rouge_{variant}_over_lead" for variant in "12l"),
)

ROLES = {"translation": ("source", "target"), "summarization": ("document", "summary")}
"""The columns whose texts a model that writes is made of."""

CHOICE_TRAINING = {"epochs": 3, "learning_rate": 5e-5, "batch_tokens": 4096}

CASES = {
    "stsb": Case(
        "matching",
        stsb_rows,
        ("spearman", "pearson"),
        {
            "untouched, apart": {"method": "probe"},
            "tuned, apart": {},
            "tuned, together": {"model": {"pairs": "together"}},
        },
    ),
    "semeval": Case("relation", semeval_rows, ("relation_macro_f1", "accuracy")),
    "squad": Case(
        "qa",
        squad_rows,
        ("f1", "exact_match"),
        {"tuned": {"training": {"epochs": 2, "batch_tokens": 2048}}},
    ),
    "dream": Case(
        "choice",
        dream_rows,
        ("accuracy", "most_frequent_place"),
        {
            "tuned": {"training": CHOICE_TRAINING},
            "two tuned, joined": {
                "training": CHOICE_TRAINING,
                "ensemble": {
                    "recipes": [{"training.learning_rate": rate} for rate in (5e-5, 1e-4)]
                },
            },
        },
    ),
    "movielens": Case(
        "recommendation",
        movielens_rows,
        ("ndcg_at_10", "recall_at_10", "mrr", "popularity_ndcg_at_10"),
        {"tuned": {"training": {"epochs": 8, "head_learning_rate": 3e-3}}},
        movielens_items,
    ),
    "dialogsum": Case(
        "summarization",
        dialogsum_rows,
        ROUGE,
        {
            "extractive": {"method": "extractive"},
            "extractive, nothing fitted": {"method": {"name": "extractive", "scorer": "centroid"}},
        },
    ),
    "dialogsum_written": Case(
        "summarization",
        dialogsum_rows,
        ROUGE,
        {
            "written, from scratch": {
                "method": "full",
                "model": {"long_text": "truncate", "dropout": 0.2},
                "training": {
                    "epochs": 4,
                    "batch_tokens": 4096,
                    "learning_rate": 1e-3,
                    "label_smoothing": 0.1,
                    "warmup_ratio": 0.1,
                    "schedule": "cosine",
                    "patience": 0,
                },
                "decoding": {"beams": 4, "no_repeat_ngram": 3},
            }
        },
        writer={
            "objective": "seq2seq",
            "size": "tiny",
            "shape": {"hidden_size": 128, "layers": 6, "heads": 4, "feed_forward": 256},
            "tokenizer": {"size": 5000},
            "reading": {"window_tokens": 256},
            "training": {"epochs": 1},
        },
    ),
    "multi30k": Case(
        "translation",
        multi30k_rows,
        ("bleu", "chrf"),
        {
            "from scratch": {
                "training": {
                    "epochs": 20,
                    "batch_tokens": 4096,
                    "learning_rate": 1e-3,
                    "head_learning_rate": 1e-3,
                    "label_smoothing": 0.1,
                    "warmup_ratio": 0.1,
                    "schedule": "cosine",
                    "patience": 0,
                },
                "decoding": {"beams": 5},
            }
        },
        writer={
            "objective": "seq2seq",
            "size": "tiny",
            "shape": {"hidden_size": 128, "layers": 8, "heads": 4, "feed_forward": 256},
            "tokenizer": {"size": 5000},
            "training": {"max_steps": 1},
        },
    ),
}


def main() -> None:
    """Tune and measure each data set that was named, or all."""
    for name in sys.argv[1:] or CASES:
        case = CASES[name]
        with tempfile.TemporaryDirectory() as folder:
            write_splits(case.rows, Path(folder, "data"))
            if case.items is not None:
                write_rows(case.items(), Path(folder, "items.jsonl"))
            if case.writer is not None:
                roles = ROLES[case.task]
                write_sides(case.rows("train"), Path(folder, "text"), roles=roles)
                tunesmith.pretrain(f"{folder}/text", out=f"{folder}/writer", **case.writer)
            for recipe, settings in case.recipes.items():
                _measure(name, case, recipe, settings, folder=folder)
        if case.task == "qa":
            for measure, found in mark_sentences(list(case.rows("test"))).items():
                tell(name, recipe="most similar sentence", measure=measure, **measure_fields(found))


def _measure(name: str, case: Case, recipe: str, settings: dict[str, Any], *, folder: str) -> None:
    if case.items is not None:
        settings = {"items": f"{folder}/items.jsonl", **settings}
    if case.writer is not None:
        own = {"name": f"{folder}/writer/backbone", "dropout": 0.3, **settings.get("model", {})}
        settings = {**settings, "model": own}
    tuned = tunesmith.fit(
        f"{folder}/data", task=case.task, out=f"{folder}/run", overwrite=True, **settings
    )
    training = tuned.report.get("training", {})
    for measure in case.measures:
        tell(
            name,
            task=case.task,
            recipe=recipe,
            measure=measure,
            **measure_fields(tuned.measures[measure]),
            seed=training.get("seed"),
            tuning_seconds=round(tuned.seconds, 1),
            tokens_per_second=training.get("tokens_per_second"),
        )


if __name__ == "__main__":
    main()
