"""Windows of rows whose answer is a text: what is read, and beside or behind it what is written.

A source beyond the window is read in stretches that do not overlap, one after the other, each with
a text of its own. No stretch has a target, so training, which needs the whole, leaves such rows out
unless the recipe says `truncate`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tunesmith.core.errors import SpecError
from tunesmith.model.framing import Frame, Reading, Window, find_frame

BREAK = "\n"
"""What stands between a text and what a decoder goes on with."""

WRITING_SHARE = 4
"""A causal window keeps one token in so many for what is written."""

_CHINESE_GAP = re.compile(r" (?=[\u3000-\u9fff\uff00-\uffef])|(?<=[\u3000-\u9fff\uff00-\uffef]) ")


@dataclass(frozen=True, slots=True)
class WritingFrame:
    """The tokens around a text to be read and around one to be written.

    `target` are those around what is written; its last one, `end`, says that it is whole.
    """

    source: Frame
    target: Frame
    end: int


def find_writing_frame(tokenizer: Any, writing: str) -> WritingFrame:
    """Return the frame for a way of writing, learned from the tokenizer itself.

    A decoder that goes on reads what the tokenizer puts before a text, the text and a line break.
    Raises `SpecError` where the tokenizer has no token for an end.
    """
    frame, end = find_frame(tokenizer), find_end(tokenizer)
    if end is None:
        raise SpecError(
            "a model that writes needs a token that ends a text; its tokenizer has none",
            hint="--model with an `eos_token` in its tokenizer_config.json",
        )
    if writing == "causal":
        broken = tokenizer(BREAK, add_special_tokens=False)["input_ids"] or [end]
        return WritingFrame(Frame(frame.before, tuple(broken)), Frame((), (end,)), end)
    after = frame.after if frame.after[-1:] == (end,) else (*frame.after, end)
    return WritingFrame(frame, Frame(frame.before, after), end)


def frame_length(tokenizer: Any, writing: str) -> int:
    """Return how many tokens stand around what is read, and around what is written behind it."""
    frame = find_writing_frame(tokenizer, writing)
    if writing == "causal":
        return len(frame.source) + len(frame.target)
    return max(len(frame.source), len(frame.target))


def find_end(tokenizer: Any) -> int | None:
    """Return the id that ends a text: end of sequence, or the separator."""
    ends = (tokenizer.eos_token_id, tokenizer.sep_token_id)
    return next((number for number in ends if number is not None), None)


def writing_windows(
    texts: Sequence[np.ndarray], row: int, frame: WritingFrame, reading: Reading
) -> Iterator[Window]:
    """Yield the windows of one row; `texts` are the ids of its source and perhaps its target."""
    source, *targets = texts
    is_cut = reading.long_text == "truncate"
    room = source_room(frame, reading)
    for target in targets:
        kept = source[:room] if is_cut and not fits(source, target, frame, reading) else source
        left = _target_room(kept, frame, reading)
        if is_cut or fits(source, target, frame, reading):
            window = Window(frame.source.around(kept), row, 1.0)
            ids = frame.target.around(target)
            yield with_written(window, ids[: left + len(frame.target)], reading.writing)
            return
    starts = range(0, 1) if is_cut else range(0, max(1, len(source)), room)
    for start in starts:
        window = Window(frame.source.around(source[start : start + room]), row, 1.0 / len(starts))
        nothing = np.empty(0, dtype=np.int32)
        yield with_written(window, nothing, reading.writing) if targets else window


def fits(source: np.ndarray, target: np.ndarray, frame: WritingFrame, reading: Reading) -> bool:
    """Tell whether a row is read and written whole, as it would be without its target."""
    is_read = len(source) <= source_room(frame, reading)
    return is_read and len(target) <= _target_room(source, frame, reading)


def source_room(frame: WritingFrame, reading: Reading) -> int:
    """Return the tokens, its frame left out, that are read at once of a source."""
    return max(1, reading.max_length - len(frame.source) - reading.room_to_write)


def _target_room(source: np.ndarray, frame: WritingFrame, reading: Reading) -> int:
    """Return the tokens, its frame left out, that a target may have beside or behind a source."""
    room = reading.max_length - len(frame.target)
    return room - len(source) - len(frame.source) if reading.writing == "causal" else room


def with_written(window: Window, ids: np.ndarray, writing: str) -> Window:
    """Return a window to be read with (T,) ids that are, or were, written from it."""
    ids = np.asarray(ids, dtype=np.int32)
    if writing == "seq2seq":
        return replace(window, written=ids)
    places = np.arange(len(window.ids), len(window.ids) + len(ids))
    return replace(window, ids=np.concatenate([window.ids, ids]), guessed=places)


def written_ids(windows: Sequence[Window]) -> np.ndarray:
    """Return (N,) int64 what is guessed in each window, window after window."""
    parts = [np.empty(0, dtype=np.int64)]
    for window in windows:
        if window.written is not None:
            parts.append(window.written)
        elif window.guessed is not None:
            parts.append(window.ids[window.guessed])
    return np.concatenate(parts).astype(np.int64)


def decode_written(tokenizer: Any, ids: np.ndarray, *, ends: Sequence[int] = ()) -> str:
    """Return the text of (T,) ids; stretches that ended one by one are joined by a space.

    `ends` are the ids that end a text beside the tokenizer's own; none of them is shown.

    Some vocabularies make every Chinese character a word and put spaces between them: those go.
    """
    every = [end for end in (find_end(tokenizer), *ends) if end is not None]
    is_end = np.isin(ids, every)
    parts = np.split(ids, np.flatnonzero(is_end) + 1)
    shown = [part[~np.isin(part, every)] for part in parts]
    texts = [tokenizer.decode(part, skip_special_tokens=True).strip() for part in shown]
    text = " ".join(text for text in texts if text)
    pair = tokenizer("天下", add_special_tokens=False)["input_ids"]
    return close_gaps(text) if " " in tokenizer.decode(pair).strip() else text


def close_gaps(text: str) -> str:
    """Return a text without the single spaces before and after Chinese characters."""
    return _CHINESE_GAP.sub("", text)
