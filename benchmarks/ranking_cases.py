"""Backbones of known worth made here, and the tasks they are tuned on, for `ranking.py`."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from prompts import sentiment_rows, topic_rows
from public_rows import entity_rows, held_out
from record import data_folder
from task_rows import Row, dialogsum_rows, stsb_rows, write_rows
from transformers import AutoConfig, AutoModel, AutoTokenizer
from zero_shot import banking77, clinc150

import tunesmith
from tunesmith.model.sources import find_model

TEST_ROWS = 800
LAYERS = (1, 2, 3, 4, 5)
CORPUS_CHARACTERS = 2_400_000
"""Of each domain a pretrained model reads so much, so that domains and not amounts differ."""

_BOOK = re.compile(r"\*\*\* ?START OF.*?\*\*\*(.*)\*\*\* ?END OF", re.DOTALL)


class Pretrained(NamedTuple):
    """A model that is pretrained here: on which text, how large, how often it reads it."""

    domain: str
    size: str
    epochs: int


PRETRAINED = {
    "books-tiny": Pretrained("books", "tiny", 4),
    "talks-tiny": Pretrained("talks", "tiny", 4),
    "talks-mini": Pretrained("talks", "mini", 2),
}


def make_backbones(folder: Path) -> dict[str, Path | str]:
    """Return the backbones by name; those that `folder` does not hold yet are made in it."""
    folder.mkdir(parents=True, exist_ok=True)
    made: dict[str, Path | str] = {"minilm": "minilm"}
    for count in LAYERS:
        made[f"layers-{count}"] = _once(folder / f"layers-{count}", _cut(count))
    made["random"] = _once(folder / "random", _scramble)
    for name, plan in PRETRAINED.items():
        made[name] = _once(folder / name, _pretrainer(plan, folder)) / "backbone"
    return made


def _once(folder: Path, make: Callable[[Path], None]) -> Path:
    if not (folder / "made").exists():
        shutil.rmtree(folder, ignore_errors=True)
        make(folder)
        (folder / "made").touch()
    return folder


def _cut(layers: int) -> Callable[[Path], None]:
    """Return what writes MiniLM's first layers as a model of its own."""

    def write(folder: Path) -> None:
        model: Any = AutoModel.from_pretrained(find_model("minilm").path, dtype=torch.float32)
        model.encoder.layer = model.encoder.layer[:layers]
        model.config.num_hidden_layers = layers
        _save(model, folder)

    return write


def _scramble(folder: Path) -> None:
    """Write a model of MiniLM's shape whose weights are random."""
    torch.manual_seed(0)
    config = AutoConfig.from_pretrained(find_model("minilm").path)
    _save(AutoModel.from_config(config), folder)


def _save(model: Any, folder: Path) -> None:
    source = find_model("minilm").path
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(source).save_pretrained(folder)
    shutil.copytree(source / "1_Pooling", folder / "1_Pooling")


def _pretrainer(plan: Pretrained, folder: Path) -> Callable[[Path], None]:
    def write(out: Path) -> None:
        corpus = folder / f"{plan.domain}.txt"
        corpus.write_text(CORPORA[plan.domain]()[:CORPUS_CHARACTERS], encoding="utf-8")
        tunesmith.pretrain(
            str(corpus), size=plan.size, training={"epochs": plan.epochs, "threads": 1}, out=out
        )

    return write


def _books() -> str:
    found = []
    for path in sorted(data_folder("gutenberg_en").glob("pg*.txt")):
        match = _BOOK.search(path.read_text("utf-8-sig"))
        found.append(match[1].strip() if match else "")
    return "\n\n".join(found)


def _talks() -> str:
    return "\n\n".join(row["document"] for row in dialogsum_rows("train"))


CORPORA = {"books": _books, "talks": _talks}


class Case(NamedTuple):
    """A task of the benchmark: what is measured, how many rows each tuning has, and all rows.

    They are few, so that sixty tunings end; all backbones have the same.
    """

    task: str
    measure: str
    rows: int
    read: Callable[[], tuple[list[Row], list[Row]]]


def _sentiment() -> tuple[list[Row], list[Row]]:
    return held_out(sentiment_rows())


def _topics() -> tuple[list[Row], list[Row]]:
    return held_out(topic_rows())


CASES = {
    "financial_phrasebank": Case("classification", "accuracy", 300, _sentiment),
    "banking77": Case(
        "classification",
        "accuracy",
        500,
        lambda: (list(banking77("train")), list(banking77("test"))),
    ),
    "clinc150": Case(
        "classification",
        "accuracy",
        600,
        lambda: (list(clinc150("train")), list(clinc150("test"))),
    ),
    "stsb": Case(
        "matching", "spearman", 400, lambda: (list(stsb_rows("train")), list(stsb_rows("test")))
    ),
    "topics": Case("classification", "accuracy", 250, _topics),
    "wnut17": Case("ner", "strict_f1", 2000, entity_rows),
}
DESIGN = ("financial_phrasebank",)
"""The task on which the way of ranking was chosen; its figures are told apart."""


def write_case(name: str, folder: Path, *, test_rows: int = TEST_ROWS) -> Path:
    """Return the folder of a case's training rows and of `test_rows` test rows, drawn once."""
    rows, target = CASES[name].rows, folder / name
    train, test = CASES[name].read()
    target.mkdir(parents=True, exist_ok=True)
    for split, own, count in (("train", train, rows), ("test", test, test_rows)):
        order = np.random.default_rng(1).permutation(len(own))[:count]
        write_rows([own[at] for at in order], target / f"{split}.jsonl")
    return target


def read_scores(path: Path) -> dict[str, dict[str, Any]]:
    """Return the true scores that an earlier run left, by task, backbone and seed."""
    return json.loads(path.read_text("utf-8")) if path.is_file() else {}
