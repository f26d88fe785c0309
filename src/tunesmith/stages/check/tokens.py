"""One pass of the tokenizer over all rows, and everything that later checks want to know of it.

Texts are encoded in batches of bounded size and nothing of a batch is kept but counts, so memory
does not grow with the length of the texts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.examples import ChatInput, Example, Span, WordsInput, taught_inputs
from tunesmith.model.encoding import ENCODE_ROWS, encode_windows
from tunesmith.model.encoding_chat import render_inputs
from tunesmith.model.encoding_parts import texts_of, tokens_at_once
from tunesmith.model.encoding_writing import frame_length
from tunesmith.model.framing import Reading, Window, find_frame
from tunesmith.stages.check.round_trip import Loss, find_causes
from tunesmith.stages.check.scripts import SCRIPTS, count_scripts, script_indices

BATCH_CHARACTERS = 1 << 20
MARKS_OF_CONTINUATION = ("##", "▁", "Ġ")

FIGURES = ("counts", "characters", "unknown_characters", "tokens", "unknown_tokens")

Keep: TypeAlias = Callable[[int, Sequence[Window]], None]


@dataclass(frozen=True, slots=True)
class TokenFigures:
    """What the tokenizer made of the rows.

    `counts` (rows,) tokens of each row that should be seen at once, without the `frame` special
    tokens. The others are (scripts,) in the order of `SCRIPTS`: characters and how many of them lie
    in an unknown token; tokens and how many of them are unknown. `losses` are the rows whose
    entities do not come back: they alone depend on the answers.
    """

    counts: NDArray[np.int64]
    frame: int
    characters: NDArray[np.int64]
    unknown_characters: NDArray[np.int64]
    tokens: NDArray[np.int64]
    unknown_tokens: NDArray[np.int64]
    losses: tuple[Loss, ...]

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return what depends on texts, tokenizer and reading alone, by name."""
        return {name: getattr(self, name) for name in FIGURES}


def read_tokens(
    tokenizer: Any,
    examples: Sequence[Example],
    reading: Reading,
    *,
    keep: Keep | None = None,
) -> TokenFigures:
    """Return the figures of all rows, each text tokenised once.

    Entities are followed to tokens and back unless the windows would be smaller than their overlap.
    `keep` is given the windows that were made on the way, batch by batch, with the number of the
    batch's first row; it is not called where there can be none.
    """
    listener = _Listener(tokenizer)
    frame = count_frame(tokenizer, examples, reading)
    has_windows = reading.long_text == "truncate" or reading.max_length - frame > reading.stride
    if keep is None:
        reading = replace(reading, case_shape=False)  # shapes move no token and cost time
    characters = np.zeros(len(SCRIPTS), dtype=np.int64)
    counts = np.zeros(len(examples), dtype=np.int64)
    losses: list[Loss] = []
    for first, batch in _batches(examples):
        rows = [taught_inputs(row) if reading.writing else row.inputs for row in batch]
        if reading.writing:
            rows = render_inputs(tokenizer, rows, reading.writing)
        characters += count_scripts(item.text for item in rows)
        is_framed = [has_windows and (keep is not None or has_entities(row)) for row in batch]
        plain, framed = (
            [number for number, wanted in enumerate(is_framed) if wanted is want]
            for want in (False, True)
        )
        if plain:
            listener.hear([text for row in plain for text in texts_of(rows[row])])
        if framed:
            inputs = [rows[number] for number in framed]
            windows = list(encode_windows(listener, inputs, reading))
            own = find_losses([batch[number] for number in framed], windows, reading)
            losses += [Loss(first + framed[loss.row], loss.causes) for loss in own]
            if keep is not None:
                keep(first, windows)
        heard = iter(listener.take_counts())
        for row in plain + framed:
            item = rows[row]
            lengths = [next(heard) for _ in texts_of(item)]
            counts[first + row] = tokens_at_once(item, lengths, reading)
    return TokenFigures(
        counts=counts,
        frame=frame,
        characters=characters,
        unknown_characters=listener.unknown_characters,
        tokens=listener.tokens_by_script(),
        unknown_tokens=listener.unknown_tokens,
        losses=tuple(losses),
    )


def count_frame(tokenizer: Any, examples: Sequence[Example], reading: Reading) -> int:
    """Return the special tokens around a row's texts; a template writes its own among them."""
    if not reading.writing:
        return len(find_frame(tokenizer))
    if reading.writing == "causal" and examples and isinstance(examples[0].inputs, ChatInput):
        return 0
    return frame_length(tokenizer, reading.writing)


def join_figures(parts: Sequence[TokenFigures]) -> TokenFigures:
    """Return the figures of several lists of rows as those of one, in their order."""
    firsts = np.cumsum([0, *(len(part.counts) for part in parts)]).tolist()
    return TokenFigures(
        counts=np.concatenate([part.counts for part in parts]),
        frame=parts[0].frame,
        characters=np.sum([part.characters for part in parts], axis=0),
        unknown_characters=np.sum([part.unknown_characters for part in parts], axis=0),
        tokens=np.sum([part.tokens for part in parts], axis=0),
        unknown_tokens=np.sum([part.unknown_tokens for part in parts], axis=0),
        losses=tuple(
            Loss(first + loss.row, loss.causes)
            for first, part in zip(firsts, parts, strict=False)
            for loss in part.losses
        ),
    )


def find_losses(
    examples: Sequence[Example], windows: Iterable[Window], reading: Reading
) -> Iterator[Loss]:
    """Yield the rows whose entities do not come back; `windows` are in the order of their rows."""
    for row, own in groupby(windows, key=lambda window: window.row):
        example = examples[row]
        if has_entities(example):
            inputs, gold = cast(WordsInput, example.inputs), cast(tuple[Span, ...], example.gold)
            if causes := find_causes(inputs, gold, own, reading):
                yield Loss(row, causes)


def has_entities(example: Example) -> bool:
    """Tell whether a row has entities that tokens could lose."""
    return isinstance(example.inputs, WordsInput) and bool(example.gold)


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
        self._counts: list[int] = []
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

    @property
    def eos_token_id(self) -> int | None:
        """The tokenizer's own."""
        return self._tokenizer.eos_token_id

    @property
    def sep_token_id(self) -> int | None:
        """The tokenizer's own."""
        return self._tokenizer.sep_token_id

    def apply_chat_template(self, messages: list[dict[str, str]], **options: Any) -> str:
        """Write messages as the tokenizer would."""
        return self._tokenizer.apply_chat_template(messages, **options)

    def hear(self, texts: list[str]) -> None:
        """Encode texts for the counts alone."""
        self(
            texts,
            add_special_tokens=False,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,
        )

    def take_counts(self) -> list[int]:
        """Return the tokens of each text since the last call."""
        counts, self._counts = self._counts, []
        return counts

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
            self._counts.append(len(ids))
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


def _batches(examples: Iterable[Example]) -> Iterator[tuple[int, list[Example]]]:
    """Yield rows with the number of the first.

    A batch has at most 1,024 rows and 1 Mi characters, or is one row.
    """
    batch: list[Example] = []
    first = size = 0
    for example in examples:
        length = len(example.inputs.text)
        if batch and (len(batch) == ENCODE_ROWS or size + length > BATCH_CHARACTERS):
            yield first, batch
            first += len(batch)
            batch, size = [], 0
        batch.append(example)
        size += length
    if batch:
        yield first, batch
