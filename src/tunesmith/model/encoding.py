"""Texts to windows of token ids, and back: which token stands for which word.

Every token of a long text lies in at least one window, and every word belongs to exactly one: the
window that shows the most context around it. Nothing is cut unless the recipe says `truncate`, and
then the loss is counted. Rows of more than one text are the affair of `encoding_parts`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from tunesmith.core.errors import SpecError
from tunesmith.core.examples import Inputs, TextInput, WordsInput, WritingInput
from tunesmith.model.encoding_chat import RenderedChat, chat_window, render_inputs
from tunesmith.model.encoding_parts import Layout, Tokens, part_windows, texts_of
from tunesmith.model.encoding_writing import find_writing_frame, writing_windows
from tunesmith.model.framing import (
    Frame,
    Reading,
    Window,
    find_frame,
    find_pair_frame,
    window_starts,
)
from tunesmith.model.tokenizers import FileTokenizer
from tunesmith.model.word_shapes import word_shapes

ENCODE_ROWS = 1024


def encode_windows(tokenizer: Any, inputs: Iterable[Inputs], reading: Reading) -> Iterator[Window]:
    """Yield the windows of each row in order; `row` counts the rows from 0.

    Raises `SpecError` where the windows would be smaller than their overlap.
    """
    frame = find_frame(tokenizer)
    writing = find_writing_frame(tokenizer, reading.writing) if reading.writing else None
    layout = Layout(frame, find_pair_frame(tokenizer), reading, writing)
    room = reading.max_length - len(frame)
    if room <= reading.stride and reading.long_text == "windows":
        raise SpecError(
            f"`model.max_length` must exceed `model.stride` + {len(frame)} special tokens; "
            f"got {reading.max_length} and {reading.stride}",
            hint=f"--set model.stride={max(0, room // 4)}",
        )
    for first, group in _grouped(inputs):
        rendered = render_inputs(tokenizer, group, reading.writing) if writing else group
        yield from _encode_group(tokenizer, rendered, first, layout)


def count_tokens(tokenizer: Any, inputs: Iterable[Inputs]) -> np.ndarray:
    """Return the number of tokens of each row's texts, special tokens left out."""
    counts: list[int] = []
    for _, group in _grouped(inputs):
        texts = [texts_of(item) for item in group]
        ids, _ = _tokenize(tokenizer, [text for own in texts for text in own], offsets=False)
        lengths = iter(map(len, ids))
        counts.extend(sum(next(lengths) for _ in own) for own in texts)
    return np.array(counts, dtype=np.int64)


def first_tokens(offsets: Sequence[tuple[int, int]], inputs: WordsInput) -> np.ndarray:
    """Return (words,) the index of the first token that touches each word; -1 where none does.

    `offsets` are the (start, end) characters of the text's tokens.
    """
    if not inputs.words or not len(offsets):
        return np.full(len(inputs.words), -1, dtype=np.int64)
    spans = np.asarray(offsets, dtype=np.int64)
    words = np.asarray(inputs.words, dtype=np.int64)
    first = np.searchsorted(np.maximum.accumulate(spans[:, 1]), words[:, 0], side="right")
    inside = first < len(spans)
    touching = inside.copy()
    touching[inside] = spans[first[inside], 0] < words[inside, 1]
    return np.where(touching, first, -1)


def _encode_group(
    tokenizer: Any, group: Sequence[Inputs], first: int, layout: Layout
) -> Iterator[Window]:
    """Yield the windows of rows of one kind, the first of which is number `first`."""
    texts = [texts_of(item) for item in group]
    wants_offsets = not isinstance(group[0], TextInput | WritingInput | RenderedChat)
    all_ids, all_offsets = _tokenize(
        tokenizer, [text for own in texts for text in own], offsets=wants_offsets
    )
    at = 0
    for row, (item, own) in enumerate(zip(group, texts, strict=True), start=first):
        ids = [np.asarray(all_ids[at + part], dtype=np.int32) for part in range(len(own))]
        offsets = all_offsets[at : at + len(own)] if wants_offsets else ()
        at += len(own)
        if isinstance(item, RenderedChat) and layout.writing is not None:
            yield chat_window(tokenizer, item, ids, row, layout.writing, layout.reading)
        elif layout.writing is not None:
            yield from writing_windows(ids, row, layout.writing, layout.reading)
        elif isinstance(item, TextInput):
            yield from _text_windows(ids[0], row, layout)
        elif isinstance(item, WordsInput):
            yield from _word_windows(ids[0], offsets[0], item, row, layout)
        else:
            yield from part_windows(item, Tokens(ids, offsets, _encoder(tokenizer)), row, layout)


def _encoder(tokenizer: Any) -> Any:
    """Return the function from one short text to its ids, for the marks around stretches."""
    return lambda text: list(_tokenize(tokenizer, text, offsets=False)[0])


def _tokenize(
    tokenizer: Any, texts: list[str] | str, *, offsets: bool
) -> tuple[Sequence[Any], Sequence[Sequence[tuple[int, int]]]]:
    """Return ids and, where asked for, offsets of each text, without special tokens.

    A tokenizer of transformers and one read from its file give the same. For a bare text its ids
    alone are returned.
    """
    if isinstance(tokenizer, FileTokenizer):
        ids, spans = tokenizer.encode([texts] if isinstance(texts, str) else texts, offsets=offsets)
        return (ids[0] if isinstance(texts, str) else ids), spans
    encoded = tokenizer(
        texts,
        add_special_tokens=False,
        return_attention_mask=False,
        return_token_type_ids=False,
        return_offsets_mapping=offsets,
        verbose=False,
    )
    return encoded["input_ids"], encoded["offset_mapping"] if offsets else ()


def _grouped(inputs: Iterable[Inputs]) -> Iterator[tuple[int, list[Inputs]]]:
    group: list[Inputs] = []
    first = 0
    for item in inputs:
        group.append(item)
        if len(group) == ENCODE_ROWS:
            yield first, group
            first += len(group)
            group = []
    if group:
        yield first, group


def _starts(tokens: int, layout: Layout) -> range:
    reading = layout.reading
    return window_starts(tokens, layout.room, stride=reading.stride, long_text=reading.long_text)


def _text_windows(ids: np.ndarray, row: int, layout: Layout) -> Iterator[Window]:
    starts = _starts(len(ids), layout)
    for start in starts:
        framed = layout.frame.around(ids[start : start + layout.room])
        yield Window(framed, row, 1.0 / len(starts))


def _word_windows(
    ids: np.ndarray,
    offsets: Sequence[tuple[int, int]],
    inputs: WordsInput,
    row: int,
    layout: Layout,
) -> Iterator[Window]:
    frame, room = layout.frame, layout.room
    first = first_tokens(offsets, inputs)
    starts = np.array(_starts(len(ids), layout))
    ends = np.minimum(starts + room, len(ids))
    context = np.minimum(first[:, None] - starts, ends - 1 - first[:, None])  # (words, windows)
    home = np.where((first >= 0) & (context.max(axis=1) >= 0), context.argmax(axis=1), -1)
    leader = _leaders(first)
    leads = leader == np.arange(len(first))
    shapes = _token_shapes(offsets, inputs) if layout.reading.case_shape else None
    for number, start in enumerate(starts):
        words = np.flatnonzero((home == number) & leads)
        followers = np.flatnonzero((home == number) & ~leads)
        yield Window(
            frame.around(ids[start : start + room]),
            row,
            1.0 / len(starts),
            words,
            first[words] - start + len(frame.before),
            None if shapes is None else _framed_shapes(shapes[start : ends[number]], frame),
            np.stack([followers, leader[followers]], axis=1),
        )


def _framed_shapes(shapes: np.ndarray, frame: Frame) -> np.ndarray:
    """Return the shapes of a window's tokens with 0 for its special ones."""
    framed = np.zeros(len(shapes) + len(frame), dtype=np.int8)
    framed[len(frame.before) :][: len(shapes)] = shapes
    return framed


def _leaders(first: np.ndarray) -> np.ndarray:
    """Return (words,) the word that owns each word's first token: itself, or one before it."""
    owns = np.ones(len(first), dtype=bool)
    owns[1:] = (first[1:] != first[:-1]) | (first[1:] < 0)
    return np.maximum.accumulate(np.where(owns, np.arange(len(first)), 0))


def _token_shapes(offsets: Sequence[tuple[int, int]], inputs: WordsInput) -> np.ndarray:
    """Return (tokens,) the case shape of the word each token lies in."""
    shapes = np.array([*word_shapes(inputs), 0], dtype=np.int8)
    ends = np.array([end for _, end in inputs.words], dtype=np.int64)
    starts = np.array([start for start, _ in offsets], dtype=np.int64)
    return shapes[np.searchsorted(ends, starts, side="right")]
