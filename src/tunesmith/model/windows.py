"""Many windows as a few flat arrays, in memory or mapped from disk, and the key to them.

A window is built when it is asked for. This module knows no file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, overload

import numpy as np

from tunesmith.core.environment import package_versions
from tunesmith.core.examples import Inputs
from tunesmith.model.framing import Reading, Window

KEY_VERSION = 3
"""Goes up when the same rows, tokenizer and reading would give other arrays."""

NARROW_TOKENS = 2**16
"""Vocabularies up to this size are kept in two bytes a token."""

RECORDED = ("tunesmith", "tokenizers", "transformers")


class FlatWindows(Sequence[Window]):
    """Windows in the order of their rows; in memory it is 28 bytes a window, 60 for word inputs.

    `lengths` (N,) are the tokens of each, `rows` (N,) the texts they came from, `answers` (N,) how
    many rows of logits each gives, `slots` (N,) which choice or text of its row each shows, where
    there are several. `arrays` is what `pack_windows` gave, put together.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Read the packed arrays of all windows."""
        self.arrays = arrays
        self.lengths = arrays["lengths"].astype(np.int64)
        self.rows = np.asarray(arrays["rows"])
        self.has_words = "words" in arrays
        self.has_ends = "ends" in arrays
        self.taught = self._optional("taught_counts")
        self.answers = np.asarray(arrays["answers"])
        self.slots = self._optional("slots")
        self._shares = np.asarray(arrays["shares"])
        self._seconds, self._marks = self._optional("seconds"), self._optional("marks")
        self._starts = _starts(self.lengths)
        if self.taught is not None:
            self._first_taught = _starts(self.taught)
        if self.has_words:
            self._first_words = _starts(self.answers)
            self._follower_counts = np.asarray(arrays["follower_counts"])
            self._first_followers = _starts(self._follower_counts)

    def __len__(self) -> int:
        """Return how many windows there are."""
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> Window: ...
    @overload
    def __getitem__(self, index: slice) -> FlatWindows: ...
    def __getitem__(self, index: int | slice) -> Window | FlatWindows:
        """Return one window, or a view of some."""
        if isinstance(index, slice):
            return self.take(np.arange(len(self))[index])
        at = range(len(self))[index]
        tokens = self._stretch(self._starts, self.lengths, at)
        window = Window(
            ids=self.arrays["ids"][tokens].astype(np.int32),
            row=int(self.rows[at]),
            share=float(self._shares[at]),
            second=0 if self._seconds is None else int(self._seconds[at]),
            slot=None if self.slots is None else int(self.slots[at]),
            marks=None if self._marks is None else self._marks[at].astype(np.int64),
            **self._taught_of(at),
        )
        if not self.has_words:
            return window
        words = self.words_of(at)
        followers = self._stretch(self._first_followers, self._follower_counts, at)
        shapes, ends = self.arrays.get("shapes"), self.arrays.get("ends")
        return replace(
            window,
            words=self.arrays["words"][words].astype(np.int64),
            positions=self.arrays["positions"][words].astype(np.int64),
            shapes=None if shapes is None else np.array(shapes[tokens]),
            followers=self.arrays["followers"][followers].astype(np.int64),
            ends=None if ends is None else ends[words].astype(np.int64),
        )

    @property
    def costs(self) -> np.ndarray:
        """(N,) the tokens of each, those that a decoder writes beside it counted too."""
        if self.taught is None or "written" not in self.arrays:
            return self.lengths
        return self.lengths + self.taught

    def _taught_of(self, at: int) -> dict[str, Any]:
        """Return what a window teaches to write, under the name of its field."""
        if self.taught is None:
            return {}
        own = self._stretch(self._first_taught, self.taught, at)
        name, kind = ("written", np.int32) if "written" in self.arrays else ("guessed", np.int64)
        return {name: self.arrays[name][own].astype(kind)}

    def words_of(self, index: int) -> slice:
        """Return where the words of a window stand among those of all windows."""
        return self._stretch(self._first_words, self.answers, index)

    def take(self, indices: np.ndarray) -> FlatWindows:
        """Return a view of the windows at `indices`; no token is copied."""
        view = object.__new__(FlatWindows)
        view.__dict__ |= self.__dict__
        names = ["lengths", "rows", "answers", "slots", "_shares", "_starts", "_seconds", "_marks"]
        names += ["taught"] if self.taught is None else ["taught", "_first_taught"]
        if self.has_words:
            names += ["_first_words", "_follower_counts", "_first_followers"]
        for name in names:
            if (own := getattr(self, name)) is not None:
                setattr(view, name, own[indices])
        return view

    def _optional(self, name: str) -> np.ndarray | None:
        return np.asarray(self.arrays[name]) if name in self.arrays else None

    @staticmethod
    def _stretch(starts: np.ndarray, counts: np.ndarray, at: int) -> slice:
        start = int(starts[at])
        return slice(start, start + int(counts[at]))


def pack_windows(
    windows: Sequence[Window], *, token_type: np.dtype, first_row: int = 0
) -> dict[str, np.ndarray]:
    """Return windows as flat arrays; those of several calls are put together end to end.

    `ids` (tokens,), `lengths`, `rows`, `shares`, `answers` (N,); for word inputs also `words` and
    `positions` (answers,), `followers` (F, 2), `follower_counts` (N,), and `shapes` (tokens,) where
    case shapes are used. Where windows have them, `ends` (answers,), `seconds` and `slots` (N,) and
    `marks` (N, 2); `written` or `guessed` (taught,) and `taught_counts` (N,). `first_row` is added
    to each row.
    """
    empty = [np.empty(0, dtype=token_type)]
    packed = {
        "ids": np.concatenate([window.ids for window in windows] or empty).astype(token_type),
        "lengths": np.array([len(window.ids) for window in windows], dtype=np.int32),
        "rows": np.array([window.row + first_row for window in windows], dtype=np.int32),
        "shares": np.array([window.share for window in windows], dtype=np.float64),
        "answers": np.array([window.answers for window in windows], dtype=np.int32),
    }
    words = [window.words for window in windows if window.words is not None]
    if words:
        positions = [window.positions for window in windows if window.positions is not None]
        followers = [window.followers for window in windows if window.followers is not None]
        shapes = [window.shapes for window in windows if window.shapes is not None]
        packed["words"] = np.concatenate(words).astype(np.int32)
        packed["positions"] = np.concatenate(positions).astype(np.int32)
        packed["followers"] = np.concatenate(followers).astype(np.int32)
        packed["follower_counts"] = np.array([len(part) for part in followers], dtype=np.int32)
        ends = [window.ends for window in windows if window.ends is not None]
        if shapes:
            packed["shapes"] = np.concatenate(shapes).astype(np.int8)
        if ends:
            packed["ends"] = np.concatenate(ends).astype(np.int32)
    if any(window.second for window in windows):
        packed["seconds"] = np.array([window.second for window in windows], dtype=np.int32)
    slots = [window.slot for window in windows if window.slot is not None]
    if slots:
        packed["slots"] = np.array(slots, dtype=np.int32)
    marks = [window.marks for window in windows if window.marks is not None]
    if marks:
        packed["marks"] = np.stack(marks).astype(np.int32)
    return packed | _pack_taught(windows, token_type)


def _pack_taught(windows: Sequence[Window], token_type: np.dtype) -> dict[str, np.ndarray]:
    """Return what windows teach to write, end to end, and how much each does."""
    kinds = {"written": token_type, "guessed": np.dtype(np.int32)}
    for name, kind in kinds.items():
        parts = [part for window in windows if (part := getattr(window, name)) is not None]
        if parts:
            counts = np.array([len(part) for part in parts], dtype=np.int32)
            return {name: np.concatenate(parts).astype(kind), "taught_counts": counts}
    return {}


def token_type(tokenizer: Any) -> np.dtype:
    """Return the narrowest type that holds every token of a vocabulary: uint16 or int32."""
    return np.dtype(np.uint16 if len(tokenizer) <= NARROW_TOKENS else np.int32)


def window_key(tokenizer: Any, inputs: Iterable[Inputs], reading: Reading) -> str:
    """Return 64 hexadecimal digits that are equal where the windows would be.

    They depend on the inputs in their order, on all that the tokenizer is made of, on the
    reading and on the versions of what computes.
    """
    digest = hashlib.sha256()
    parts = (
        KEY_VERSION,
        package_versions(RECORDED),
        reading.to_json(),
        _tokenizer_content(tokenizer),
    )
    digest.update(json.dumps(parts, sort_keys=True).encode())
    for item in inputs:
        digest.update(repr(item).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _tokenizer_content(tokenizer: Any) -> dict[str, Any]:
    """Return vocabulary and rules, without how the last call cut or padded."""
    content = json.loads(tokenizer.backend_tokenizer.to_str())
    kept = {name: part for name, part in content.items() if name not in {"truncation", "padding"}}
    return kept | {"chat_template": tokenizer.chat_template}


def _starts(counts: np.ndarray) -> np.ndarray:
    return np.cumsum(counts, dtype=np.int64) - counts
