"""Texts to windows of token ids, and back: which token stands for which word.

Every token of a long text lies in at least one window, and every word belongs to exactly one: the
window that shows the most context around it. Nothing is cut unless the recipe says `truncate`, and
then the loss is counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tunesmith.core.errors import SpecError
from tunesmith.core.examples import Inputs, WordsInput
from tunesmith.model.tokenizers import FileTokenizer
from tunesmith.model.word_shapes import word_shapes

ENCODE_ROWS = 1024


@dataclass(frozen=True, slots=True)
class Reading:
    """How texts become windows: the same in training, evaluation and serving.

    It is saved in the bundle. `max_length` counts special tokens; `stride` is the overlap of
    windows in tokens.
    """

    max_length: int
    stride: int
    long_text: str
    case_shape: bool

    def to_json(self) -> dict[str, Any]:
        """Return the fields under their own names."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Window:
    """One model input. `ids` (L,) with special tokens; `row` the text it came from.

    For word inputs, `words` (W,) are the indices of the words this window answers for and
    `positions` (W,) the position in `ids` of each one's first token; `shapes` (L,) the case shape
    of each token's word. `followers` (F, 2) pairs each word that shares its token with the word
    that owns it: one token carries one tag. `share` is 1 / the number of windows of the row.
    """

    ids: np.ndarray
    row: int
    share: float
    words: np.ndarray | None = None
    positions: np.ndarray | None = None
    shapes: np.ndarray | None = None
    followers: np.ndarray | None = None

    @property
    def answers(self) -> int:
        """How many rows of logits the window gives: one, or one a word."""
        return 1 if self.words is None else len(self.words)


@dataclass(frozen=True, slots=True)
class Frame:
    """The special tokens a tokenizer puts around a text."""

    before: tuple[int, ...]
    after: tuple[int, ...]

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.before) + len(self.after)


def find_frame(tokenizer: Any) -> Frame:
    """Return the special tokens around a single text, learned from the tokenizer itself."""
    if isinstance(tokenizer, FileTokenizer):
        (bare,), (framed,) = tokenizer.encode(["a"])[0], tokenizer.encode(["a"], special=True)[0]
    else:
        bare = tokenizer("a", add_special_tokens=False)["input_ids"]
        framed = tokenizer("a")["input_ids"]
    for start in range(len(framed) - len(bare) + 1):
        if framed[start : start + len(bare)] == bare:
            return Frame(tuple(framed[:start]), tuple(framed[start + len(bare) :]))
    return Frame((), ())


def encode_windows(tokenizer: Any, inputs: Iterable[Inputs], reading: Reading) -> Iterator[Window]:
    """Yield the windows of each text in order; `row` counts the texts from 0.

    Raises `SpecError` where the windows would be smaller than their overlap.
    """
    frame = find_frame(tokenizer)
    room = reading.max_length - len(frame)
    if room <= reading.stride and reading.long_text == "windows":
        raise SpecError(
            f"`model.max_length` must exceed `model.stride` + {len(frame)} special tokens; "
            f"got {reading.max_length} and {reading.stride}",
            hint=f"--set model.stride={max(0, room // 4)}",
        )
    for first, group in _grouped(inputs):
        texts = [item.text for item in group]
        all_ids, all_offsets = _tokenize(tokenizer, texts, offsets=isinstance(group[0], WordsInput))
        for number, item in enumerate(group):
            ids = np.asarray(all_ids[number], dtype=np.int32)
            if isinstance(item, WordsInput):
                offsets = all_offsets[number]
                yield from _word_windows(ids, offsets, item, first + number, (frame, room, reading))
            else:
                yield from _text_windows(ids, first + number, (frame, room, reading))


def count_tokens(tokenizer: Any, inputs: Iterable[Inputs]) -> np.ndarray:
    """Return the number of tokens of each text, special tokens left out."""
    counts: list[int] = []
    for _, group in _grouped(inputs):
        ids, _ = _tokenize(tokenizer, [item.text for item in group], offsets=False)
        counts.extend(map(len, ids))
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


def _tokenize(
    tokenizer: Any, texts: list[str], *, offsets: bool
) -> tuple[Sequence[Sequence[int]], Sequence[Sequence[tuple[int, int]]]]:
    """Return ids and, where asked for, offsets of each text, without special tokens.

    A tokenizer of transformers and one read from its file give the same.
    """
    if isinstance(tokenizer, FileTokenizer):
        return tokenizer.encode(texts, offsets=offsets)
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


def _window_starts(tokens: int, room: int, reading: Reading) -> range:
    if tokens <= room or reading.long_text == "truncate":
        return range(0, 1)
    step = room - reading.stride
    return range(0, tokens - reading.stride, step)


def _framed(ids: np.ndarray, frame: Frame) -> np.ndarray:
    return np.concatenate([frame.before, ids, frame.after]).astype(np.int32)


def _text_windows(
    ids: np.ndarray, row: int, layout: tuple[Frame, int, Reading]
) -> Iterator[Window]:
    frame, room, reading = layout
    starts = _window_starts(len(ids), room, reading)
    for start in starts:
        yield Window(_framed(ids[start : start + room], frame), row, 1.0 / len(starts))


def _word_windows(
    ids: np.ndarray,
    offsets: Sequence[tuple[int, int]],
    inputs: WordsInput,
    row: int,
    layout: tuple[Frame, int, Reading],
) -> Iterator[Window]:
    frame, room, reading = layout
    first = first_tokens(offsets, inputs)
    starts = np.array(_window_starts(len(ids), room, reading))
    ends = np.minimum(starts + room, len(ids))
    context = np.minimum(first[:, None] - starts, ends - 1 - first[:, None])  # (words, windows)
    home = np.where((first >= 0) & (context.max(axis=1) >= 0), context.argmax(axis=1), -1)
    leader = _leaders(first)
    leads = leader == np.arange(len(first))
    shapes = _token_shapes(offsets, inputs) if reading.case_shape else None
    for number, start in enumerate(starts):
        words = np.flatnonzero((home == number) & leads)
        followers = np.flatnonzero((home == number) & ~leads)
        window_shapes = None
        if shapes is not None:
            window_shapes = np.zeros(int(ends[number] - start) + len(frame), dtype=np.int8)
            window_shapes[len(frame.before) :][: ends[number] - start] = shapes[
                start : ends[number]
            ]
        yield Window(
            _framed(ids[start : start + room], frame),
            row,
            1.0 / len(starts),
            words,
            first[words] - start + len(frame.before),
            window_shapes,
            np.stack([followers, leader[followers]], axis=1),
        )


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
