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

from tunesmith.core.examples import Example, MarkedInput, Span
from tunesmith.data.splits import Splits
from tunesmith.data.spool import JoinedExamples
from tunesmith.model.backbones import Backbone, ModelCard
from tunesmith.model.framing import Reading
from tunesmith.stages.check.findings import MAX_PLACES
from tunesmith.stages.check.tokens import TokenFigures, read_tokens
from tunesmith.tasks.task import Task

SPLITS = ("train", "valid", "test")

_LETTER = re.compile(r"\w")


@dataclass(frozen=True, slots=True)
class Context:
    """All rows in the order train, valid, test; arrays have one entry a row.

    `keys` are equal for rows of equal text (NFKC, case folded, white space made one); `characters`
    is the length of each text; `is_blank` marks rows in which there is nothing to read, `has_gold`
    those with an answer; `names` counts the gold labels, or entities by type, of each split. A row
    of `rows` may be read from disk each time: what many rows are asked for is an array.
    """

    task: Task
    card: ModelCard
    tokenizer: Any
    reading: Reading
    rows: Sequence[Example]
    spans: Mapping[str, range]
    keys: NDArray[np.uint64]
    characters: NDArray[np.int32]
    is_blank: NDArray[np.bool_]
    has_gold: NDArray[np.bool_]
    tokens: TokenFigures
    names: Mapping[str, Counter[str]]

    def split_of(self, row: int) -> str:
        """Return the name of the split that holds a row."""
        return next(split for split in SPLITS if row in self.spans[split])

    def places(self, rows: Iterable[int]) -> tuple[str, ...]:
        """Return the places of the first ten of `rows`."""
        first = [int(row) for row, _ in zip(rows, range(MAX_PLACES), strict=False)]
        return tuple(str(self.rows[row].place) for row in first)


def make_context(
    splits: Splits,
    task: Task,
    backbone: Backbone,
    reading: Reading,
    *,
    tokens: TokenFigures | None = None,
) -> Context:
    """Read every row once, and tokenise it unless the `tokens` of all rows are known."""
    by_split: dict[str, Sequence[Example]] = {split: getattr(splits, split) for split in SPLITS}
    rows = JoinedExamples(list(by_split.values()))
    ends = np.cumsum([0, *map(len, by_split.values())]).tolist()
    tokens = tokens or read_tokens(backbone.tokenizer, rows, reading)
    keys = np.zeros(len(rows), dtype=np.uint64)
    characters = np.zeros(len(rows), dtype=np.int32)
    blanks, golds = np.zeros(len(rows), dtype=bool), np.zeros(len(rows), dtype=bool)
    names: dict[str, Counter[str]] = {split: Counter() for split in SPLITS}
    spans = {split: range(*ends[at : at + 2]) for at, split in enumerate(SPLITS)}
    for split, span in spans.items():
        for row, example in zip(span, by_split[split], strict=True):
            text = example.inputs.text
            keys[row] = _text_key(_asked(example))
            characters[row] = len(text)
            blanks[row] = not tokens.counts[row] or is_blank(text)
            golds[row] = has_gold(example)
            names[split].update(gold_names(task, example))
    return Context(
        task=task,
        card=backbone.card,
        tokenizer=backbone.tokenizer,
        reading=reading,
        rows=rows,
        spans=spans,
        keys=keys,
        characters=characters,
        is_blank=blanks,
        has_gold=golds,
        tokens=tokens,
        names=names,
    )


def _asked(example: Example) -> str:
    """Return all that a row asks: its text, and which stretches of it are meant."""
    inputs = example.inputs
    if isinstance(inputs, MarkedInput):
        return f"{inputs.text}\n{inputs.head} {inputs.tail}"
    return inputs.text


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
    if isinstance(example.gold, tuple) and task.head not in ("span", "extract", "generate"):
        return [item.type if isinstance(item, Span) else item for item in example.gold]
    return task.strata(example)


def _text_key(text: str) -> int:
    content = normalise_text(text).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest())
