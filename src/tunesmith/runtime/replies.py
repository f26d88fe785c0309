"""A text while it is written: its pieces, the words it ends before, and why it ended."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tunesmith.core.errors import SpecError
from tunesmith.core.examples import Inputs, asked_text
from tunesmith.measure.scripts import ends_unspaced
from tunesmith.model.encoding import encode_windows
from tunesmith.runtime.writing import BROKEN, stream_window, write_window, written_text

if TYPE_CHECKING:
    from tunesmith.model.framing import Window
    from tunesmith.runtime.engine import Engine

_LAST_WORD = re.compile(r"\s*\S*$")


@dataclass(frozen=True, slots=True)
class ReplyEnd:
    """Why a text ended, and what it took in tokens: those `read`, and those `written`.

    `stop` is an end that the model wrote, or a word that was to end it; `length` a limit.
    """

    reason: Literal["stop", "length"]
    read: int
    written: int


def stream_text(engine: Engine, item: Inputs) -> Generator[str]:
    """Yield the answer to one input piece by piece; together they are what `answer` gives.

    A piece ends where a word or a Chinese character does, so that none is half of one. Raises
    `SpecError` where beams would be written side by side.
    """
    if engine.decoding.sure_beams > 1:
        raise SpecError(
            "`decoding.beams` must be 1 where a text is shown while it is written; "
            f"got {engine.decoding.beams}",
            hint="--set decoding.beams=1",
        )
    for part in write_reply(engine, item):
        if isinstance(part, str):
            yield part


def write_reply(
    engine: Engine,
    item: Inputs,
    *,
    stops: Sequence[str] = (),
    most: int | None = None,
    is_wanted: Callable[[], bool] = lambda: True,
) -> Generator[str | ReplyEnd]:
    """Yield the answer to one input piece by piece, and then its end.

    The text ends before the first of `stops` that it would hold, and after `most` tokens. What is
    written by beams is one piece. `is_wanted` is asked at each token; where it says no, the writing
    stops, and no end is told.
    """
    if not asked_text(item).strip():
        yield ReplyEnd("stop", 0, 0)
        return
    windows = list(encode_windows(engine.tokenizer, [item], engine.reading))
    read = sum(len(window.ids) for window in windows)
    ids: list[int] = []
    given, is_cut = "", False
    for window in windows:
        left = None if most is None else most - len(ids)
        if left == 0:
            is_cut = True
            break
        for tokens in _tokens(engine, window, most=left, is_wanted=is_wanted):
            ids += tokens
            text = written_text(engine, ids)
            cut = find_stop(text, stops)
            piece = text[:cut] if cut is not None else _settled(text, stops)
            if len(piece) > len(given) and piece.startswith(given):
                yield piece[len(given) :]
                given = piece
            if cut is not None:
                yield ReplyEnd("stop", read, len(ids))
                return
        if not is_wanted():
            return
        is_cut = is_cut or not ids or ids[-1] not in engine.model.ends
    text = written_text(engine, ids)
    if len(text) > len(given):
        yield text[len(given) :]
    yield ReplyEnd("length" if is_cut else "stop", read, len(ids))


def _tokens(
    engine: Engine, window: Window, *, most: int | None, is_wanted: Callable[[], bool]
) -> Iterator[list[int]]:
    """Yield the ids written from a window: one by one, or by beams all at once."""
    if engine.decoding.sure_beams > 1:
        written = write_window(engine, window, most=most, is_wanted=is_wanted).tolist()
        if is_wanted():
            yield written
        return
    for token in stream_window(engine, window, most=most):
        if not is_wanted():
            return
        yield [token]


def find_stop(text: str, stops: Sequence[str]) -> int | None:
    """Return where the first of some words begins in a text; None where none stands there.

    >>> find_stop("is it late?", ["late", "it"]), find_stop("is it", ["late"])
    (3, None)
    """
    return min((at for stop in stops if (at := text.find(stop)) >= 0), default=None)


def whole_part(text: str) -> str:
    """Return the beginning of a text that no further token changes: whole words, whole characters.

    >>> whole_part("It is la"), whole_part("订单"), whole_part("订\ufffd")
    ('It is', '订单', '订')
    """
    text = text.rstrip(BROKEN)
    if ends_unspaced(text):
        return text
    return _LAST_WORD.sub("", text)


def _settled(text: str, stops: Sequence[str]) -> str:
    """Return the whole part of a text, without what a word that ends it may have begun in."""
    begun = (
        len(text) - length
        for stop in stops
        for length in range(1, min(len(stop), len(text) + 1))
        if text.endswith(stop[:length])
    )
    return whole_part(text)[: min(begun, default=None)]
