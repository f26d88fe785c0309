"""Texts that a model writes, and how probable it finds texts: both in batches counted in tokens."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from tunesmith.core.answers import TextAnswer
from tunesmith.core.examples import ChatInput, Inputs
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
"""What stands for a character of which not all bytes are there."""


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
    text = written_text(engine, scores[:, 0])
    score = float(scores[:, 1].mean()) if len(scores) else 0.0
    return TextAnswer(text, score, unread=count_unread_tokens(engine, item))


def written_text(engine: Engine, ids: Sequence[int] | np.ndarray) -> str:
    """Return the text that written ids are, without a last character that is not whole yet."""
    ids = np.asarray(ids, dtype=np.int64)
    return decode_written(engine.tokenizer, ids, ends=engine.model.ends).rstrip(BROKEN)


def stream_window(engine: Engine, window: Window, *, most: int | None) -> Iterator[int]:
    """Yield the ids that are written from one window, each as soon as it is known, at most `most`.

    What is drawn or most probable is written; beams are not.
    """
    with _at_rest(engine.model):
        batch = _batch(engine, [window])
        within = partial(autocast, engine.device, engine.precision)
        form, most = _form(engine), _most(engine, most)
        yield from engine.model.stream(batch, engine.decoding, most=most, form=form, within=within)


def write_window(
    engine: Engine, window: Window, *, most: int | None, is_wanted: Callable[[], bool]
) -> np.ndarray:
    """Return (T,) the ids written from one window by beams, at most `most`.

    `is_wanted` is asked before each token; where it says no, what comes back is of no use.
    """
    with _at_rest(engine.model), autocast(engine.device, engine.precision):
        batch, form, most = _batch(engine, [window]), _form(engine), _most(engine, most)
        (ids,) = engine.model.write(
            batch, engine.decoding, most=most, form=form, is_wanted=is_wanted
        )
    return ids


def _most(engine: Engine, most: int | None) -> int:
    """Return the tokens a text may have: what the bundle says, and no more than `most`."""
    own = limit_written(engine.model, engine.reading, engine.decoding.max_new_tokens)
    return own if most is None else min(own, most)


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
    most = _most(engine, None)
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
