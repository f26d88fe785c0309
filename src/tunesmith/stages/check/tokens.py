"""One pass of the tokenizer over all rows, and everything that later checks want to know of it.

Texts are encoded in batches of bounded size and nothing of a batch is kept but counts, so memory
does not grow with the length of the texts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.examples import Example, Span, WordsInput
from tunesmith.model.encoding import ENCODE_ROWS, Reading, encode_windows, find_frame
from tunesmith.stages.check.round_trip import Loss, find_causes
from tunesmith.stages.check.scripts import SCRIPTS, count_scripts, script_indices

BATCH_CHARACTERS = 1 << 20
MARKS_OF_CONTINUATION = ("##", "▁", "Ġ")


@dataclass(frozen=True, slots=True)
class TokenFigures:
    """What the tokenizer made of the rows.

    `counts` (rows,) tokens of each text, without the `frame` special tokens. The others are
    (scripts,) in the order of `SCRIPTS`: characters and how many of them lie in an unknown token;
    tokens and how many of them are unknown. `losses` are the rows whose entities do not come back.
    """

    counts: NDArray[np.int64]
    frame: int
    characters: NDArray[np.int64]
    unknown_characters: NDArray[np.int64]
    tokens: NDArray[np.int64]
    unknown_tokens: NDArray[np.int64]
    losses: tuple[Loss, ...]


def read_tokens(tokenizer: Any, examples: Sequence[Example], reading: Reading) -> TokenFigures:
    """Return the figures of all rows, each text tokenised once.

    Entities are followed to tokens and back unless the windows would be smaller than their overlap.
    """
    listener = _Listener(tokenizer)
    frame = len(find_frame(tokenizer))
    has_windows = reading.long_text == "truncate" or reading.max_length - frame > reading.stride
    characters = np.zeros(len(SCRIPTS), dtype=np.int64)
    order: list[int] = []
    losses: list[Loss] = []
    for batch in _batches(examples):
        characters += count_scripts(examples[row].inputs.text for row in batch)
        marked = [row for row in batch if has_windows and _has_entities(examples[row])]
        plain = sorted(set(batch) - set(marked))
        if plain:
            listener.hear([examples[row].inputs.text for row in plain])
        losses += _find_losses(listener, examples, marked, reading)
        order += plain + marked
    counts = np.zeros(len(examples), dtype=np.int64)
    counts[order] = listener.counts
    return TokenFigures(
        counts=counts,
        frame=frame,
        characters=characters,
        unknown_characters=listener.unknown_characters,
        tokens=listener.tokens_by_script(),
        unknown_tokens=listener.unknown_tokens,
        losses=tuple(losses),
    )


def vocabulary_scripts(tokenizer: Any) -> NDArray[np.uint8]:
    """Return (vocabulary,) the script of each token's first character; `##` is skipped."""
    vocabulary = tokenizer.get_vocab()
    scripts = np.zeros(max(vocabulary.values(), default=0) + 1, dtype=np.uint8)
    firsts = []
    for token in vocabulary:
        mark = next((mark for mark in MARKS_OF_CONTINUATION if token.startswith(mark)), "")
        firsts.append(token[len(mark) : len(mark) + 1] or " ")
    scripts[list(vocabulary.values())] = script_indices("".join(firsts))
    return scripts


class _Listener:
    """A tokenizer that keeps counts of every list of texts that passes through it."""

    def __init__(self, tokenizer: Any) -> None:
        self.counts: list[int] = []
        self.unknown_characters = np.zeros(len(SCRIPTS), dtype=np.int64)
        self.unknown_tokens = np.zeros(len(SCRIPTS), dtype=np.int64)
        self._tokenizer = tokenizer
        self._uses = np.zeros(len(tokenizer), dtype=np.int64)

    def __call__(self, text: str | list[str], **options: Any) -> Any:
        """Encode as the tokenizer would."""
        encoded = self._tokenizer(text, **options)
        if isinstance(text, list):
            self._note(text, encoded)
        return encoded

    def hear(self, texts: list[str]) -> None:
        """Encode texts for the counts alone."""
        self(
            texts,
            add_special_tokens=False,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,
        )

    def tokens_by_script(self) -> NDArray[np.int64]:
        """Return (scripts,) tokens, the unknown ones under the script of their characters."""
        known = self._uses.copy()
        if self._tokenizer.unk_token_id is not None:
            known[self._tokenizer.unk_token_id] = 0
        scripts = vocabulary_scripts(self._tokenizer)
        used = np.bincount(scripts, weights=known[: len(scripts)], minlength=len(SCRIPTS))
        return used.astype(np.int64) + self.unknown_tokens

    def _note(self, texts: list[str], encoded: Any) -> None:
        unknown = self._tokenizer.unk_token_id
        pieces: list[str] = []
        rows = encoded["input_ids"]
        for number, (text, ids) in enumerate(zip(texts, rows, strict=True)):
            self.counts.append(len(ids))
            if unknown in ids:
                # Offsets of all rows as Python tuples would double the time; few rows need them.
                offsets = encoded.encodings[number].offsets
                pieces += [
                    text[start:end]
                    for token, (start, end) in zip(ids, offsets, strict=True)
                    if token == unknown
                ]
        ids = np.fromiter((token for row in rows for token in row), dtype=np.int64)
        self._uses += np.bincount(ids, minlength=len(self._uses))
        self.unknown_characters += count_scripts(pieces)
        self.unknown_tokens += count_scripts(piece.lstrip()[:1] or " " for piece in pieces)


def _batches(examples: Sequence[Example]) -> Iterator[list[int]]:
    """Yield row numbers; a batch has at most 1,024 rows and 1 Mi characters, or is one row."""
    batch: list[int] = []
    size = 0
    for row, example in enumerate(examples):
        length = len(example.inputs.text)
        if batch and (len(batch) == ENCODE_ROWS or size + length > BATCH_CHARACTERS):
            yield batch
            batch, size = [], 0
        batch.append(row)
        size += length
    if batch:
        yield batch


def _has_entities(example: Example) -> bool:
    return isinstance(example.inputs, WordsInput) and bool(example.gold)


def _find_losses(
    listener: _Listener, examples: Sequence[Example], rows: list[int], reading: Reading
) -> Iterator[Loss]:
    if not rows:
        return
    plain = replace(reading, case_shape=False)  # shapes move no token and cost time
    windows = encode_windows(listener, [examples[row].inputs for row in rows], plain)
    for number, own in groupby(windows, key=lambda window: window.row):
        example = examples[rows[number]]
        inputs, gold = cast(WordsInput, example.inputs), cast(tuple[Span, ...], example.gold)
        if causes := find_causes(inputs, gold, own, reading):
            yield Loss(rows[number], causes)
