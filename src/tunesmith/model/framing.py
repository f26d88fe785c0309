"""What a window is, and the special tokens around what stands in it.

Which texts become which windows is the affair of `encoding`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tunesmith.model.tokenizers import FileTokenizer


@dataclass(frozen=True, slots=True)
class Reading:
    """How texts become windows: the same in training, evaluation and serving.

    It is saved in the bundle. `max_length` counts special tokens; `stride` is the overlap of
    windows in tokens; `apart` gives each text of a pair windows of its own. `writing` says how a
    text is written from what is read: "seq2seq" by a decoder beside the encoder, "causal" by a
    decoder that goes on, "" not at all; a causal window keeps `room_to_write` tokens free for it.
    With `marks_behind`, marked stretches are read at the mark behind each: what reads from left to
    right knows nothing of them at the one before.
    """

    max_length: int
    stride: int
    long_text: str
    case_shape: bool
    apart: bool = False
    writing: str = ""
    room_to_write: int = 0
    marks_behind: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the fields under their own names."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Window:
    """One model input. `ids` (L,) with special tokens; `row` the text it came from.

    `share` is 1 / the number of windows of the row. For word inputs, `words` (W,) are the indices
    of the words this window answers for and `positions` (W,) the position in `ids` of each one's
    first token; `shapes` (L,) the case shape of each token's word. `followers` (F, 2) pairs each
    word that shares its token with the word that owns it: one token carries one tag. For questions,
    `words` and `ends` (W,) are the characters of the context at which each token begins and ends,
    the first entry being the one that stands for no answer, -1.

    `second` is where a second text begins in `ids`, for models that tell two texts apart by type,
    else 0; `slot` which of the row's choices, or of its two texts, the window shows; `marks` (2,)
    the positions of the tokens before the marked stretches, head and tail.

    Where a text is to be written, training windows have `written` (T,), the ids that a decoder
    writes beside `ids`, or `guessed` (T,), the positions in `ids` of the tokens that are guessed
    from those before them.
    """

    ids: np.ndarray
    row: int
    share: float
    words: np.ndarray | None = None
    positions: np.ndarray | None = None
    shapes: np.ndarray | None = None
    followers: np.ndarray | None = None
    ends: np.ndarray | None = None
    second: int = 0
    slot: int | None = None
    marks: np.ndarray | None = None
    written: np.ndarray | None = None
    guessed: np.ndarray | None = None

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

    def around(self, ids: Sequence[int] | np.ndarray) -> np.ndarray:
        """Return (L,) int32 the ids of a text with the special tokens."""
        return np.concatenate([self.before, ids, self.after]).astype(np.int32)


@dataclass(frozen=True, slots=True)
class PairFrame:
    """The special tokens around two texts; `has_types` where the model marks the second by type."""

    before: tuple[int, ...]
    between: tuple[int, ...]
    after: tuple[int, ...]
    has_types: bool

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.before) + len(self.between) + len(self.after)

    def around(self, first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, int]:
        """Return (L,) int32 the ids of both texts with the special tokens, and where 1 begins.

        That is the position from which on tokens have type 1, or 0 where none has.
        """
        ids = np.concatenate([self.before, first, self.between, second, self.after])
        border = len(self.before) + len(first) + len(self.between)
        return ids.astype(np.int32), border if self.has_types else 0


def find_frame(tokenizer: Any) -> Frame:
    """Return the special tokens around a single text, learned from the tokenizer itself."""
    if isinstance(tokenizer, FileTokenizer):
        (bare,), (framed,) = tokenizer.encode(["a"])[0], tokenizer.encode(["a"], special=True)[0]
    else:
        bare = tokenizer("a", add_special_tokens=False)["input_ids"]
        framed = tokenizer("a")["input_ids"]
    start = _find(bare, framed, 0)
    if start < 0:
        return Frame((), ())
    return Frame(tuple(framed[:start]), tuple(framed[start + len(bare) :]))


def find_pair_frame(tokenizer: Any) -> PairFrame:
    """Return the special tokens around two texts, learned from the tokenizer itself."""
    if isinstance(tokenizer, FileTokenizer):
        bare = tokenizer.encode(["a"])[0][0]
        both = tokenizer.tokenizer.encode("a", "a")
    else:
        bare = tokenizer("a", add_special_tokens=False)["input_ids"]
        both = tokenizer("a", text_pair="a").encodings[0]
    first = _find(bare, both.ids, 0)
    second = _find(bare, both.ids, first + len(bare)) if first >= 0 else -1
    if second < 0:
        return PairFrame((), (), (), has_types=False)
    return PairFrame(
        tuple(both.ids[:first]),
        tuple(both.ids[first + len(bare) : second]),
        tuple(both.ids[second + len(bare) :]),
        has_types=any(both.type_ids[second : second + len(bare)]),
    )


def window_starts(tokens: int, room: int, *, stride: int, long_text: str) -> range:
    """Return where the windows of a text begin, each of at most `room` of its tokens."""
    if tokens <= room or long_text == "truncate":
        return range(0, 1)
    return range(0, tokens - stride, room - stride)


def _find(part: Sequence[int], whole: Sequence[int], begin: int) -> int:
    """Return where `part` stands in `whole` from `begin` on, or -1."""
    for start in range(begin, len(whole) - len(part) + 1):
        if list(whole[start : start + len(part)]) == list(part):
            return start
    return -1
