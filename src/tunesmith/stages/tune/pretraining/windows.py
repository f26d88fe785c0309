"""Text as windows of token ids, on disk: joined into full ones, or each passage by itself.

Joined windows hold no padding. Each epoch cuts the same ring of tokens at other places, so a token
is read once an epoch (a few at the seam twice) and never beside the same edge.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from tunesmith.core.errors import DataError
from tunesmith.model.batching import plan_batches
from tunesmith.model.encoding import ENCODE_ROWS
from tunesmith.model.pretraining.vocabulary import Vocabulary
from tunesmith.stages.tune.pretraining.corpus import Corpus
from tunesmith.store.scratch import ScratchArrays


@dataclass(frozen=True, slots=True)
class Tokens:
    """The passages of one side as ids end to end.

    `ids` (N,) holds a separator behind each document where there is one; `ends` (passages,) is
    where each passage ends, its separator included; `unknown` counts the tokens that stand for what
    the vocabulary cannot write, `text_bytes` the UTF-8 bytes that were encoded.
    """

    ids: np.ndarray
    ends: np.ndarray
    unknown: int
    text_bytes: int


@dataclass(frozen=True, slots=True)
class TextWindows:
    """Windows over N ids: window w covers `lengths[w]` of them from `starts[w]`.

    `before` and `after` are put around each. Windows are numbered through the epochs: number
    e * W + w is window w in epoch e, and with `seed` the ring of ids is turned before each epoch.
    """

    ids: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    before: tuple[int, ...]
    after: tuple[int, ...]
    seed: int | None = None

    def __len__(self) -> int:
        """Return how many windows an epoch has."""
        return len(self.starts)

    @property
    def framed_lengths(self) -> np.ndarray:
        """Return (W,) the tokens of each window, with what is put around it."""
        return self.lengths + len(self.before) + len(self.after)

    def window(self, number: int) -> np.ndarray:
        """Return (L,) the ids of a window, with what is put around it."""
        epoch, place = divmod(number, len(self))
        length = int(self.lengths[place])
        start = (int(self.starts[place]) + self._turn(epoch)) % len(self.ids)
        inside = self.ids[start : start + length]
        if len(inside) < length:
            inside = np.concatenate([inside, self.ids[: length - len(inside)]])
        return np.concatenate([self.before, inside, self.after]).astype(np.int64)

    def plan(self, epoch: int, *, batch_tokens: int, seed: int) -> list[np.ndarray]:
        """Return the batches of an epoch, as window numbers."""
        batches = plan_batches(self.framed_lengths, batch_tokens=batch_tokens, seed=(seed, epoch))
        return [batch + epoch * len(self) for batch in batches]

    def sample(self, most: int) -> np.ndarray:
        """Return the numbers of at most so many windows of the first epoch, evenly spread."""
        stride = max(1, -(-len(self) // most))
        return np.arange(0, len(self), stride)

    def _turn(self, epoch: int) -> int:
        if self.seed is None:
            return 0
        return int(np.random.default_rng((self.seed, epoch)).integers(len(self.ids)))


def encode_passages(
    corpus: Corpus, numbers: np.ndarray, vocabulary: Vocabulary, *, ending: str, separates: bool
) -> Tokens:
    """Return the tokens of passages; `ending` (a line end, or nothing) is written behind each.

    Where it `separates`, a separator stands behind the last passage of each document.
    """
    kept = ScratchArrays()
    kept.append({"ids": np.empty(0, dtype=np.int32), "counts": np.empty(0, dtype=np.int64)})
    documents = corpus.documents[numbers]
    is_last = np.append(documents[1:] != documents[:-1], True) & separates
    unknown = text_bytes = done = 0
    for texts in _blocks(corpus, numbers):
        texts = [text + ending for text in texts]
        rows = vocabulary.tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
        text_bytes += sum(len(text.encode("utf-8", "replace")) for text in texts)
        for number, row in enumerate(rows, start=done):
            unknown += row.count(vocabulary.unknown_id)
            if is_last[number]:
                row.append(vocabulary.end_id)
        flat = np.array([token for row in rows for token in row], dtype=np.int32)
        kept.append({"ids": flat, "counts": np.array([len(row) for row in rows], dtype=np.int64)})
        done += len(rows)
    arrays = kept.finish()
    return Tokens(arrays["ids"], np.cumsum(arrays["counts"]), unknown, text_bytes)


def make_windows(
    tokens: Tokens,
    vocabulary: Vocabulary,
    *,
    window_tokens: int,
    is_joined: bool,
    seed: int | None,
) -> TextWindows:
    """Return the windows of tokens; with a seed, joined ones are cut anew each epoch.

    Each holds at most `window_tokens`, what stands around it included. A vocabulary without a frame
    puts its separator in front, so that the first token of a window is guessed too. Raises
    `DataError` where there are no tokens.
    """
    if not len(tokens.ids):
        raise DataError("a corpus must hold tokens; all its text is empty", hint="another corpus")
    before, after = vocabulary.frame.before, vocabulary.frame.after
    if not before and not after and vocabulary.end_id is not None:
        before = (vocabulary.end_id,)
    room = window_tokens - len(before) - len(after)
    if is_joined:
        starts, lengths = _joined(len(tokens.ids), room, is_ring=seed is not None)
    else:
        starts, lengths = _separate(tokens.ends, room)
        seed = None
    return TextWindows(tokens.ids, starts, lengths, before, after, seed)


def _joined(count: int, room: int, *, is_ring: bool) -> tuple[np.ndarray, np.ndarray]:
    starts = np.arange(0, count, room, dtype=np.int64)
    lengths = np.minimum(room, count if is_ring else count - starts)
    return starts, np.broadcast_to(lengths, starts.shape).astype(np.int64)


def _separate(ends: np.ndarray, room: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the windows of each passage: one, or more where it is longer than the room."""
    begins = np.concatenate([np.zeros(1, dtype=np.int64), ends[:-1]])
    counts = np.maximum(1, -(-(ends - begins) // room))
    first = np.repeat(begins, counts)
    place = np.arange(len(first)) - np.repeat(np.cumsum(counts) - counts, counts)
    starts = first + place * room
    lengths = np.minimum(room, np.repeat(ends, counts) - starts)
    return starts[lengths > 0], lengths[lengths > 0]


def _blocks(corpus: Corpus, numbers: np.ndarray) -> Iterator[list[str]]:
    stream = iter(corpus.passages(numbers))
    while block := list(islice(stream, ENCODE_ROWS)):
        yield block
