"""Texts that a model writes, and how probable it finds texts: both in batches counted in tokens."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Generator, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from tunesmith.core.answers import TextAnswer
from tunesmith.core.errors import SpecError
from tunesmith.core.examples import ChatInput, Inputs, asked_text
from tunesmith.measure.scripts import ends_unspaced
from tunesmith.model.batching import Batch, collate, move, plan_batches
from tunesmith.model.device import autocast
from tunesmith.model.encoding import encode_windows
from tunesmith.model.encoding_chat import count_unread
from tunesmith.model.encoding_writing import (
    decode_written,
    find_writing_frame,
    with_written,
    written_ids,
)
from tunesmith.model.forms import Form, make_form, wished_forms
from tunesmith.model.framing import Window
from tunesmith.model.heads.generate import limit_written
from tunesmith.model.windows import FlatWindows

if TYPE_CHECKING:
    from tunesmith.runtime.engine import Engine

WRITING_TOKENS = 4096
"""Tokens of all beams that are written from at a time: each keeps its keys and values."""

READING_TOKENS = 4096
"""Tokens of a batch whose every token is guessed at once."""

BROKEN = "\ufffd"
"""What stands for a character of which not all bytes are there yet."""

_LAST_WORD = re.compile(r"\s*\S*$")


def write_windows(engine: Engine, windows: Sequence[Window], *, rows: int) -> list[np.ndarray]:
    """Return (T, 2) for each row: the tokens written and the log-probability of each.

    What is written from the stretches of a long row stands end to end.
    """
    lengths = np.array([len(window.ids) for window in windows], dtype=np.int64)
    budget = max(1, WRITING_TOKENS // engine.decoding.sure_beams)
    found: list[np.ndarray] = [np.empty((0, 2))] * len(windows)
    with _at_rest(engine.model):
        for indices in plan_batches(lengths, batch_tokens=budget):
            chosen = [windows[index] for index in indices]
            for index, written in zip(indices, _write(engine, chosen), strict=True):
                found[index] = written
    parts: list[list[np.ndarray]] = [[] for _ in range(rows)]
    for window, written in zip(windows, found, strict=True):
        parts[window.row].append(written)
    return [np.concatenate([np.empty((0, 2)), *own]) for own in parts]


def make_text_answer(engine: Engine, scores: np.ndarray, item: Inputs) -> TextAnswer:
    """Return the answer that (T, 2) tokens and their log-probabilities mean."""
    text = _text_of(engine, scores[:, 0].astype(np.int64))
    score = float(scores[:, 1].mean()) if len(scores) else 0.0
    return TextAnswer(text, score, unread=count_unread_tokens(engine, item))


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
    if not asked_text(item).strip():
        return
    ids: list[int] = []
    given = ""
    for window in encode_windows(engine.tokenizer, [item], engine.reading):
        for token in _stream(engine, window):
            ids.append(token)
            piece = whole_part(_text_of(engine, np.array(ids, dtype=np.int64)))
            if len(piece) > len(given) and piece.startswith(given):
                yield piece[len(given) :]
                given = piece
    text = _text_of(engine, np.array(ids, dtype=np.int64))
    if len(text) > len(given):
        yield text[len(given) :]


def whole_part(text: str) -> str:
    """Return the beginning of a text that no further token changes: whole words, whole characters.

    >>> whole_part("It is la"), whole_part("订单"), whole_part("订\ufffd")
    ('It is', '订单', '订')
    """
    text = text.rstrip(BROKEN)
    if ends_unspaced(text):
        return text
    return _LAST_WORD.sub("", text)


def _stream(engine: Engine, window: Window) -> Iterator[int]:
    most = limit_written(engine.model, engine.reading, engine.decoding.max_new_tokens)
    with _at_rest(engine.model):
        batch = _batch(engine, [window])
        within = partial(autocast, engine.device, engine.precision)
        form = _form(engine)
        yield from engine.model.stream(batch, engine.decoding, most=most, form=form, within=within)


def _text_of(engine: Engine, ids: np.ndarray) -> str:
    return decode_written(engine.tokenizer, ids, ends=engine.model.ends)


def count_unread_tokens(engine: Engine, item: Inputs) -> int:
    """Return how many tokens of a conversation its model has no room to read."""
    if not isinstance(item, ChatInput):
        return 0
    frame = find_writing_frame(engine.tokenizer, engine.reading.writing)
    return count_unread(engine.tokenizer, item, frame, engine.reading)


def mean_log_probability(engine: Engine, windows: FlatWindows) -> float:
    """Return the mean log-probability of all tokens that training windows teach to write."""
    total, count = _sum_log_probabilities(engine, windows, windows.costs).sum(axis=0)
    return float(total / count) if count else 0.0


def reference_log_probabilities(engine: Engine, inputs: Sequence[Inputs]) -> np.ndarray:
    """Return (n, 2) for rows with their references: the summed log-probability, and the tokens.

    `inputs` are what `taught_inputs` gives; a row that does not fit the model has no tokens.
    """
    windows = list(encode_windows(engine.tokenizer, inputs, engine.reading))
    taught = [window for window in windows if len(written_ids([window]))]
    sums = np.zeros((len(inputs), 2))
    rows = np.array([window.row for window in taught], dtype=np.int64)
    costs = np.array([len(window.ids) for window in taught], dtype=np.int64)
    np.add.at(sums, rows, _sum_log_probabilities(engine, taught, costs))
    return sums


def _sum_log_probabilities(
    engine: Engine, windows: Sequence[Window], costs: np.ndarray
) -> np.ndarray:
    """Return (N, 2) the summed log-probability of what each window teaches, and its tokens."""
    sums = np.zeros((len(windows), 2))
    with _at_rest(engine.model):
        for indices in plan_batches(costs, batch_tokens=READING_TOKENS):
            chosen = [windows[index] for index in indices]
            values = _log_probabilities(engine, chosen)
            counts = [len(written_ids([window])) for window in chosen]
            rows = np.repeat(indices, counts)
            np.add.at(sums[:, 0], rows, values)
            sums[indices, 1] = counts
    return sums


def _write(engine: Engine, windows: Sequence[Window]) -> Iterator[np.ndarray]:
    """Yield (T, 2) what is written from each window, tokens beside their log-probabilities.

    Those are read off the model itself, in one pass over the whole texts: beams and forbidden
    repetitions change what `generate` calls a score.
    """
    most = limit_written(engine.model, engine.reading, engine.decoding.max_new_tokens)
    with autocast(engine.device, engine.precision):
        batch, form = _batch(engine, windows), _form(engine)
        ids = engine.model.write(batch, engine.decoding, most=most, form=form)
    writing = engine.model.writing
    read = [with_written(window, own, writing) for window, own in zip(windows, ids, strict=True)]
    values = _log_probabilities(engine, read)
    edges = np.cumsum([len(own) for own in ids])[:-1]
    for own, scores in zip(ids, np.split(values, edges), strict=True):
        yield np.stack([own.astype(np.float64), scores], axis=1)


def _form(engine: Engine) -> Form | None:
    """Return what texts are held to, behind what a decoder writes before each; None if nothing."""
    if not wished_forms(engine.decoding):
        return None
    frame = find_writing_frame(engine.tokenizer, engine.reading.writing)
    ends = engine.model.ends or (frame.end,)
    return make_form(engine.tokenizer, engine.decoding, before=frame.target.before, ends=ends)


def _log_probabilities(engine: Engine, windows: Sequence[Window]) -> np.ndarray:
    """Return (N,) float64 of each token that is written in the windows, given all before it."""
    targets = torch.from_numpy(written_ids(windows)).to(engine.device)
    with torch.inference_mode(), autocast(engine.device, engine.precision):
        logits = engine.model(_batch(engine, windows))
    chosen = logits.gather(1, targets[:, None])[:, 0] - logits.logsumexp(dim=1)
    return chosen.double().cpu().numpy()


def _batch(engine: Engine, windows: Sequence[Window]) -> Batch:
    return move(collate(windows, pad_id=engine.tokenizer.pad_token_id), engine.device)


@contextlib.contextmanager
def _at_rest(model: Any) -> Iterator[None]:
    """Let a model compute without dropout; it leaves in the mode it came in."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)
