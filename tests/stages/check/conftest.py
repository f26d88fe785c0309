"""The packaged model, loaded once, and short ways to make rows and check them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from tunesmith.core.examples import Example, Place
from tunesmith.data.splits import Splits
from tunesmith.data.spool import keep_examples
from tunesmith.model.backbones import Backbone, load_backbone
from tunesmith.model.framing import Reading
from tunesmith.stages.check import Finding, check_splits
from tunesmith.tasks import make_task
from tunesmith.tasks.task import Task

READING = Reading(max_length=512, stride=64, long_text="windows", case_shape=False)
ROLE = {"classification": "label", "multilabel": "labels", "ner": "entities"}

SUBJECTS = (
    "my parcel",
    "the blue lamp",
    "your invoice",
    "our account",
    "the new chair",
    "his card",
)
CLAUSES = {
    "delivery": ("has not arrived since", "was left outside on"),
    "refund": ("must be paid back before", "was charged twice on"),
    "repair": ("stopped working late on", "came broken in two on"),
}
DAYS = {"train": ("Monday", "Tuesday", "Friday"), "valid": ("Sunday",), "test": ("Saturday",)}


def clean_pairs(split: str) -> list[tuple[str, str]]:
    """Return distinct texts with their labels: 36 a label in train, 12 in valid and test."""
    return [
        (f"{subject.capitalize()} {clause} {day}.", label)
        for label, clauses in CLAUSES.items()
        for clause in clauses
        for subject in SUBJECTS
        for day in DAYS[split]
    ]


def read_rows(task: Task, pairs: list[tuple[Any, Any]], *, file: str) -> tuple[Example, ...]:
    """Return the examples of (text, gold) pairs, or of rows as they stand, from line 2 on."""
    examples = []
    for line, pair in enumerate(pairs, start=2):
        row = pair if isinstance(pair, dict) else {"text": pair[0], ROLE[task.kind]: pair[1]}
        example, problems = task.read(row, place=Place(file, line))
        assert not problems, problems
        examples.append(example)
    return tuple(examples)


@dataclass(frozen=True)
class Found:
    """The findings of one check."""

    all: tuple[Finding, ...]

    def named(self, name: str) -> list[Finding]:
        """Return the findings of one name."""
        return [finding for finding in self.all if finding.name == name]

    def one(self, name: str) -> Finding:
        """Return the only finding of a name."""
        (finding,) = self.named(name)
        return finding

    def grave(self) -> set[str]:
        """Return the names of faults and warnings."""
        return {finding.name for finding in self.all if finding.severity != "note"}


@pytest.fixture(scope="session")
def backbone() -> Backbone:
    """Return the packaged MiniLM, whose vocabulary is English."""
    return load_backbone("minilm")


@pytest.fixture
def check(backbone):
    """Return a function that checks rows given as pairs; splits not given are clean."""

    def run(  # noqa: PLR0913  (each but the first has a default that most tests take)
        kind="classification", *, reading=READING, model=None, on_disk=False, method="", **pairs
    ) -> Found:
        if kind == "classification":
            pairs = {split: clean_pairs(split) for split in DAYS} | pairs
        task = make_task(kind).with_method(method) if method else make_task(kind)
        rows = {split: read_rows(task, own, file=f"{split}.csv") for split, own in pairs.items()}
        if on_disk:
            rows = {split: keep_examples(own, spool_rows=0) for split, own in rows.items()}
        splits = Splits(**{"train": (), **rows})
        task = task.with_labels_of(splits.train)
        return Found(check_splits(splits, task, model or backbone, reading))

    return run


@pytest.fixture
def clean():
    """Return the function that gives clean (text, label) pairs of a split."""
    return clean_pairs


@pytest.fixture
def reading():
    """Return a function that changes the reading."""
    return lambda **changes: replace(READING, **changes)


@pytest.fixture
def byte_backbone(backbone):
    """Return a model that spells texts in bytes: nothing is unknown, no token is Chinese."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({token: index for index, token in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return replace(backbone, tokenizer=PreTrainedTokenizerFast(tokenizer_object=tokenizer))


@pytest.fixture
def merging_backbone(backbone):
    """Return a model whose vocabulary joins Chinese characters, as sentence-piece ones do."""
    pieces = [
        ("<unk>", 0.0),
        ("北京", -1.0),
        ("的", -1.0),
        *((char, -3.0) for char in "北京天气好 "),
    ]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=0, byte_fallback=False))
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>")
    return replace(backbone, tokenizer=fast)
