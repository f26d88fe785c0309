"""Windows of rows that are more than one plain text: pairs, marked stretches, questions, choices.

Where two texts share a window and do not both fit, the longer one is moved along in overlapping
windows while the shorter one stays; nothing is cut unless the recipe says `truncate`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from tunesmith.core.examples import (
    ChatInput,
    ChoiceInput,
    Inputs,
    MarkedInput,
    PairInput,
    QuestionInput,
    SentencesInput,
    WritingInput,
)
from tunesmith.model.encoding_chat import RenderedChat
from tunesmith.model.encoding_writing import WritingFrame
from tunesmith.model.framing import Frame, PairFrame, Reading, Window, window_starts

HEAD_MARKS = ("@", "*")
TAIL_MARKS = ("#", "^")
"""What is put around a stretch, and around its type: signs that vocabularies know, so that no
embedding begins at random (typed entity markers, punctuation; Zhou & Chen 2022, §3.1)."""

NULL = -1
"""The character that stands for "no answer" among those at which an answer may begin."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The special tokens around one text and around two, and how texts are read.

    `writing` are those around texts from which others are written, where that is so.
    """

    frame: Frame
    pair: PairFrame
    reading: Reading
    writing: WritingFrame | None = None

    @property
    def room(self) -> int:
        """The tokens of one text that a window holds."""
        return self.reading.max_length - len(self.frame)

    @property
    def pair_room(self) -> int:
        """The tokens of two texts together that a window holds."""
        return self.reading.max_length - len(self.pair)


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of a row: ids of each of its texts, their offsets, and what encodes a sign."""

    ids: Sequence[np.ndarray]
    offsets: Sequence[Sequence[tuple[int, int]]]
    encode: Callable[[str], list[int]]


def texts_of(item: Inputs | RenderedChat) -> tuple[str, ...]:
    """Return the texts of a row that are tokenised one by one."""
    match item:
        case PairInput():
            return (item.first, item.second)
        case QuestionInput():
            return (item.question, item.context)
        case ChoiceInput():
            return (item.context, item.question, *item.choices)
        case SentencesInput():
            return tuple(item.text[start:end] for start, end in item.sentences)
        case WritingInput():
            return (item.source, item.target)
        case ChatInput():
            return tuple(message.content for message in item.messages)
        case RenderedChat():
            return item.texts
    return (item.text,)


def tokens_at_once(item: Inputs | RenderedChat, lengths: Sequence[int], reading: Reading) -> int:
    """Return how many tokens of a row one window would have to hold to show all it should.

    `lengths` are those of its texts. Choices, sentences, texts read apart, and what is written
    beside a text have windows of their own.
    """
    if isinstance(item, ChoiceInput):
        context, question, *choices = lengths
        return context + question + max(choices)
    match item:
        case SentencesInput():
            is_parted = True
        case PairInput():
            is_parted = reading.apart
        case _:
            is_parted = reading.writing == "seq2seq"
    return max(lengths) if is_parted else sum(lengths)


def part_windows(item: Inputs, tokens: Tokens, row: int, layout: Layout) -> Iterator[Window]:
    """Yield the windows of one row of several parts."""
    match item:
        case SentencesInput():
            yield from _windows_apart(tokens, row, layout)
        case PairInput() if layout.reading.apart:
            yield from _windows_apart(tokens, row, layout)
        case PairInput():
            yield from _shared(tokens.ids[0], tokens.ids[1], row, layout, slot=None)
        case QuestionInput():
            yield from _question_windows(tokens, row, layout)
        case ChoiceInput():
            yield from _choice_windows(tokens, row, layout)
        case MarkedInput():
            yield _marked_window(item, tokens, row, layout)
        case _:
            raise TypeError(f"a row of several parts is expected; got {type(item).__name__}")


def longest_question(room: int) -> int:
    """Return the tokens of a question, or of a question and its reply, that a window keeps.

    `room` are the tokens of two texts that a window holds.
    """
    return room // 2


def _windows_apart(tokens: Tokens, row: int, layout: Layout) -> Iterator[Window]:
    """Yield the windows of the texts of a row, each on its own and of as much weight as another."""
    for slot, ids in enumerate(tokens.ids):
        starts = _starts(len(ids), layout.room, layout)
        for start in starts:
            framed = layout.frame.around(ids[start : start + layout.room])
            yield Window(framed, row, 1.0 / len(starts), slot=slot)


def _shared(
    first: np.ndarray, second: np.ndarray, row: int, layout: Layout, *, slot: int | None
) -> Iterator[Window]:
    """Yield windows that show some of both texts, for every pairing of their stretches."""
    rooms = _rooms(len(first), len(second), layout.pair_room)
    starts = [
        _starts(len(ids), room, layout) for ids, room in zip((first, second), rooms, strict=True)
    ]
    share = 1.0 / (len(starts[0]) * len(starts[1]))
    for one, other in product(*starts):
        ids, border = layout.pair.around(
            first[one : one + rooms[0]], second[other : other + rooms[1]]
        )
        yield Window(ids, row, share, second=border, slot=slot)


def _rooms(first: int, second: int, room: int) -> tuple[int, int]:
    """Return how many tokens of two texts share a window: the shorter whole, up to a half."""
    half = room // 2
    if first <= half:
        return first, room - first
    if second <= half:
        return room - second, second
    return half, room - half


def _starts(tokens: int, room: int, layout: Layout) -> range:
    """Return where windows of `room` tokens begin; they overlap less where there is little room."""
    stride = min(layout.reading.stride, room // 4)
    return window_starts(tokens, room, stride=stride, long_text=layout.reading.long_text)


def _choice_windows(tokens: Tokens, row: int, layout: Layout) -> Iterator[Window]:
    """Yield the windows of each choice: the context, then the question and the choice."""
    context, question, *choices = tokens.ids
    most = longest_question(layout.pair_room)
    for slot, choice in enumerate(choices):
        if not len(context):
            yield from _shared(question, choice, row, layout, slot=slot)
            continue
        kept = question[: max(0, most - len(choice))]
        reply = np.concatenate([kept, choice])[:most]
        yield from _shared(context, reply, row, layout, slot=slot)


def _question_windows(tokens: Tokens, row: int, layout: Layout) -> Iterator[Window]:
    """Yield windows of the question and a stretch of the context, each with the answers in it."""
    question, context = tokens.ids
    question = question[: longest_question(layout.pair_room)]
    room = layout.pair_room - len(question)
    spans = np.asarray(tokens.offsets[1], dtype=np.int64).reshape(-1, 2)
    starts = _starts(len(context), room, layout)
    lead = len(layout.pair.before) + len(question) + len(layout.pair.between)
    for start in starts:
        shown = context[start : start + room]
        ids, border = layout.pair.around(question, shown)
        begins, ends = spans[start : start + room].T
        yield Window(
            ids,
            row,
            1.0 / len(starts),
            words=np.concatenate([[NULL], begins]),
            positions=np.concatenate([[0], lead + np.arange(len(shown))]),
            followers=np.empty((0, 2), dtype=np.int64),
            ends=np.concatenate([[NULL], ends]),
            second=border,
        )


def _marked_window(item: MarkedInput, tokens: Tokens, row: int, layout: Layout) -> Window:
    """Return the one window of a text with marks around its two stretches.

    A text that is too long is read around them: they are never cut away, only what lies far from
    both is.
    """
    ids, offsets = tokens.ids[0], np.asarray(tokens.offsets[0], dtype=np.int64).reshape(-1, 2)
    insertions = []
    for number, (stretch, marks) in enumerate(
        zip((item.head, item.tail), (HEAD_MARKS, TAIL_MARKS), strict=True)
    ):
        start, end = _token_stretch(offsets, stretch)
        sign = tokens.encode(marks[0])
        typed = item.types[number]
        kind = [*tokens.encode(marks[1]), *tokens.encode(typed), *tokens.encode(marks[1])]
        insertions.append((start, 1, number, [*sign, *(kind if typed else [])]))
        insertions.append((end, 0, number, sign))
    pieces, marks_at, length, done = [], np.zeros(2, dtype=np.int64), 0, 0
    for at, opens, number, sign in sorted(insertions, key=lambda made: made[:2]):
        pieces += [ids[done:at], np.asarray(sign, dtype=np.int32)]
        length += at - done
        if bool(opens) != layout.reading.marks_behind:
            marks_at[number] = length
        length += len(sign)
        done = at
    whole = np.concatenate([*pieces, ids[done:]])
    kept = _around(marks_at, len(whole), layout.room)
    places = np.searchsorted(kept, marks_at) + len(layout.frame.before)
    return Window(layout.frame.around(whole[kept]), row, 1.0, marks=places)


def _token_stretch(offsets: np.ndarray, stretch: tuple[int, int]) -> tuple[int, int]:
    """Return the tokens (start, end) that touch a stretch of characters."""
    touching = np.flatnonzero((offsets[:, 1] > stretch[0]) & (offsets[:, 0] < stretch[1]))
    if not len(touching):
        at = int(np.searchsorted(offsets[:, 0], stretch[0]))
        return at, at
    return int(touching[0]), int(touching[-1]) + 1


def _around(marks: np.ndarray, length: int, room: int) -> np.ndarray:
    """Return (≤ room,) the positions to keep of `length`: those nearest to the two marks."""
    positions = np.arange(length)
    if length <= room:
        return positions
    distance = np.abs(positions[:, None] - marks).min(axis=1)
    return np.sort(np.argsort(distance, kind="stable")[:room])
