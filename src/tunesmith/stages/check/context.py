"""What every check looks at, computed once."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.examples import Example, Span
from tunesmith.data.splits import Splits
from tunesmith.model.backbones import Backbone, ModelCard
from tunesmith.model.encoding import Reading
from tunesmith.stages.check.findings import MAX_PLACES
from tunesmith.stages.check.tokens import TokenFigures, read_tokens
from tunesmith.tasks.task import Task

SPLITS = ("train", "valid", "test")

_LETTER = re.compile(r"\w")


@dataclass(frozen=True, slots=True)
class Context:
    """All rows in the order train, valid, test; arrays have one entry a row.

    `keys` are equal for rows of equal text (NFKC, case folded, white space made one); `is_blank`
    marks rows in which there is nothing to read; `names` counts the gold labels, or entities by
    type, of each split.
    """

    task: Task
    card: ModelCard
    tokenizer: Any
    reading: Reading
    rows: tuple[Example, ...]
    spans: Mapping[str, range]
    keys: NDArray[np.uint64]
    is_blank: NDArray[np.bool_]
    tokens: TokenFigures
    names: Mapping[str, Counter[str]]

    def split_of(self, row: int) -> str:
        """Return the name of the split that holds a row."""
        return next(split for split in SPLITS if row in self.spans[split])

    def places(self, rows: Iterable[int]) -> tuple[str, ...]:
        """Return the places of the first ten of `rows`."""
        first = [int(row) for row, _ in zip(rows, range(MAX_PLACES), strict=False)]
        return tuple(str(self.rows[row].place) for row in first)


def make_context(splits: Splits, task: Task, backbone: Backbone, reading: Reading) -> Context:
    """Read every row once."""
    by_split = {split: tuple(getattr(splits, split)) for split in SPLITS}
    rows = tuple(example for examples in by_split.values() for example in examples)
    ends = np.cumsum([0, *map(len, by_split.values())]).tolist()
    tokens = read_tokens(backbone.tokenizer, rows, reading)
    return Context(
        task=task,
        card=backbone.card,
        tokenizer=backbone.tokenizer,
        reading=reading,
        rows=rows,
        spans={split: range(*ends[at : at + 2]) for at, split in enumerate(SPLITS)},
        keys=np.array([_text_key(example.inputs.text) for example in rows], dtype=np.uint64),
        is_blank=np.array(
            [
                not count or is_blank(example.inputs.text)
                for count, example in zip(tokens.counts, rows, strict=True)
            ],
            dtype=bool,
        ),
        tokens=tokens,
        names={split: count_names(task, examples) for split, examples in by_split.items()},
    )


def normalise_text(text: str) -> str:
    """Return the text by which two rows count as the same."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def is_blank(text: str) -> bool:
    """Tell whether a text has nothing but white space, control and format characters."""
    return not _LETTER.search(text) and all(unicodedata.category(char)[0] in "CZ" for char in text)


def has_gold(example: Example) -> bool:
    """Tell whether a row has an answer; no labels and no entities are answers too."""
    return example.gold is not None and example.gold != ""


def gold_names(task: Task, example: Example) -> Sequence[str]:
    """Return the gold labels of a row, or the type of each of its entities."""
    if isinstance(example.gold, tuple):
        return [item.type if isinstance(item, Span) else item for item in example.gold]
    return task.strata(example)


def count_names(task: Task, examples: Iterable[Example]) -> Counter[str]:
    """Return how many rows have each label, or how many entities each type has."""
    return Counter(name for example in examples for name in gold_names(task, example))


def _text_key(text: str) -> int:
    content = normalise_text(text).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest())
