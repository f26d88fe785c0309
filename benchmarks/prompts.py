"""Hard and soft prompts on one causal model that is not trained, on two tasks.

Hard: the best prompt that `tunesmith prompt` finds. Soft: at most 0.1 % of the parameters learned
as vectors before a text, the labels' words being the classifier. Both learn from the same rows and
are read once on the same test rows. The model is one of `tunesmith pretrain … --objective causal`.

Usage: TUNESMITH_DATA=… python benchmarks/prompts.py runs/lm/backbone [--rows 2000] [--test 1000]
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from record import data_folder, measure_fields, tell
from task_rows import Row, write_rows

import tunesmith
from tunesmith.model.backbones import load_backbone

MOST_TRAINED = 0.001
"""Share of the model's parameters that a soft prompt may have."""

TEST_SHARE = 0.3
TEMPLATE = "{text}\nLabel:{label}"
"""What the soft prompt is followed by, and one of those the search tries: without a blank, so that
the words' first tokens differ in small vocabularies too."""

SOFT = {"name": "soft-prompt", "head": "words", "template": TEMPLATE}


def sentiment_rows() -> list[Row]:
    """Return sentences of financial news with their sentiment, in the file's order."""
    path = data_folder("financial_phrasebank") / "Sentences_50Agree.txt"
    lines = path.read_text("utf-8-sig").splitlines()
    pairs = [line.rsplit("@", 1) for line in lines if "@" in line]
    return [{"text": text, "label": label.strip()} for text, label in pairs]


def topic_rows() -> list[Row]:
    """Return the in-scope messages of CLINC150 with the domain of their intent: ten topics."""
    folder = data_folder("clinc150")
    domains = json.loads((folder / "domains.json").read_text("utf-8"))
    topic = {intent: name for name, intents in domains.items() for intent in intents}
    rows = json.loads((folder / "data_full.json").read_text("utf-8"))
    every = [*rows["train"], *rows["test"]]
    return [{"text": text, "label": topic[intent]} for text, intent in every if intent in topic]


TASKS: dict[str, tuple[Callable[[], list[Row]], dict[str, str]]] = {
    "financial_phrasebank": (
        sentiment_rows,
        {"positive": "good", "negative": "bad", "neutral": "plain"},
    ),
    "clinc150 domains": (topic_rows, {}),
}
"""Rows of each task, and words for labels whose names would begin alike."""


def soft_tokens(parameters: int, width: int) -> int:
    """Return how many vectors are at most 0.1 % of a model; ends the program where none is.

    >>> soft_tokens(1_000_000, 128)
    7
    """
    tokens = int(MOST_TRAINED * parameters / width)
    if not tokens:
        raise SystemExit(f"one vector of {width} is more than 0.1 % of {parameters:,} parameters")
    return tokens


def part(rows: list[Row], *, train: int, test: int, seed: int) -> Iterator[tuple[str, list[Row]]]:
    """Yield the splits: rows in an order of the seed, those for the test first."""
    order = np.random.default_rng(seed).permutation(len(rows))
    held = min(test, int(TEST_SHARE * len(rows)))
    yield "test", [rows[at] for at in order[:held]]
    yield "train", [rows[at] for at in order[held : held + train]]


def main() -> None:
    """Measure both on both tasks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="folder of a causal backbone")
    parser.add_argument("--rows", type=int, default=2000, help="training rows")
    parser.add_argument("--test", type=int, default=1000, help="test rows")
    parser.add_argument("--candidates", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    card = load_backbone(given.model).card
    soft = soft_tokens(card.parameters, card.hidden_size)
    for name, (read, words) in TASKS.items():
        with tempfile.TemporaryDirectory() as folder:
            for split, rows in part(read(), train=given.rows, test=given.test, seed=given.seed):
                write_rows(rows, Path(folder, f"{split}.jsonl"))
            wishes = {"task": "classification", "model": given.model, "seed": given.seed}
            hard = tunesmith.prompt(
                f"{folder}/train.jsonl",
                candidates=given.candidates,
                most_rows=min(512, given.rows // 2),
                calibrations=["none", "contextual", "domain"],
                words=words,
                templates=[TEMPLATE],
                out=f"{folder}/hard",
                **wishes,
            )
            learned = tunesmith.fit(
                f"{folder}/train.jsonl",
                method={**SOFT, "tokens": soft, "words": words},
                training={"epochs": given.epochs},
                out=f"{folder}/soft",
                **wishes,
            )
            _tell(name, "hard", hard, folder, given, prompts_tried=hard.tried)
            share = soft * card.hidden_size / card.parameters
            _tell(name, "soft", learned, folder, given, tokens=soft, trained_share=round(share, 6))


def _tell(name: str, kind: str, result: Any, folder: str, given: Any, **more: Any) -> None:
    found = tunesmith.evaluate(str(result.bundle), f"{folder}/test.jsonl").measures["accuracy"]
    tell(
        f"prompts {name}",
        kind=kind,
        measure="accuracy",
        **measure_fields(found),
        train_rows=given.rows,
        seed=given.seed,
        seconds=round(result.seconds, 1),
        **more,
    )


if __name__ == "__main__":
    main()
