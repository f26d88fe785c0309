"""A corpus on disk: passages end to end, repeats left out, a share held out.

The text is read once and lies in the system's temporary folder; in memory are some 30 bytes a
passage.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from tunesmith.core.errors import DataError
from tunesmith.data.corpus import Passage
from tunesmith.store.scratch import ScratchArrays

SHORTEST_REPEAT = 20
"""Characters below which a paragraph may stand in a text twice: `"Yes," he said.`"""
BUCKET_PASSAGES = 4_000_000
"""Hashes compared at a time: 64 MB, however many passages there are."""
BLOCK_PASSAGES = 1_024
CHINESE_SHARE = 0.3
SAMPLED_PASSAGES = 2_000


@dataclass(frozen=True, slots=True)
class Corpus:
    """Passages on disk, and which of them train and which are held out.

    `text` (bytes,) uint8 holds them in UTF-8 end to end, passage p at `starts[p]:starts[p + 1]`;
    `documents` (passages,) numbers what they belong to; `train` and `valid` are the passages of
    each side, in order. `repeats` counts those on neither.
    """

    text: np.ndarray
    starts: np.ndarray
    documents: np.ndarray
    train: np.ndarray
    valid: np.ndarray
    repeats: int
    sha256: str

    def passage(self, number: int) -> str:
        """Return the text of one passage."""
        return self.text[self.starts[number] : self.starts[number + 1]].tobytes().decode()

    def passages(self, numbers: np.ndarray) -> Passages:
        """Return the texts of passages, to be read as often as is wanted."""
        return Passages(self, numbers)

    def bytes_of(self, numbers: np.ndarray) -> int:
        """Return the UTF-8 bytes of passages."""
        return int((self.starts[numbers + 1] - self.starts[numbers]).sum())


@dataclass(frozen=True, slots=True)
class Passages:
    """Texts on disk, by their numbers; each reading decodes them again."""

    corpus: Corpus
    numbers: np.ndarray

    def __iter__(self) -> Iterator[str]:
        """Yield the texts."""
        return map(self.corpus.passage, self.numbers.tolist())


def gather_corpus(
    passages: Iterable[Passage],
    *,
    held_out: Iterable[Passage] = (),
    valid_ratio: float,
    drop_repeats: bool,
) -> Corpus:
    """Return a corpus of the passages, each side without what stood before.

    `held_out` passages are the valid side where there are any, and no text of theirs trains;
    else rows are held out by their hash and text files at their tail; a ratio of 0 holds out none.
    Raises `DataError` where a side is empty that should not be, and `ResourceError` where the
    temporary folder is full.
    """
    kept = ScratchArrays()
    first = _append(kept, held_out)
    count = first + _append(kept, passages)
    if not count:
        raise DataError(
            "a corpus must hold text; there is none",
            hint="name a .txt file, or rows with --column text=NAME",
        )
    arrays = kept.finish()
    starts = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(arrays["bytes"])])
    is_kept = np.ones(count, dtype=bool)
    if drop_repeats:
        is_kept = first_occurrences(arrays["hashes"]) | (arrays["is_short"] != 0)
    is_valid = np.arange(count) < first if first else _choose_valid(arrays, starts, valid_ratio)
    sides = {
        name: np.flatnonzero(is_kept & chosen)
        for name, chosen in (("train", ~is_valid), ("valid", is_valid))
    }
    for name, numbers in sides.items():
        if not len(numbers) and (name == "train" or first or valid_ratio):
            raise DataError(
                f"a corpus must leave text to {name}; got {count:,} passages in all, "
                f"{int((~is_kept).sum()):,} of them repeats",
                hint="--set reading.valid=0.2, or --valid FILE with text to measure on",
            )
    return Corpus(
        text=arrays["text"],
        starts=starts,
        documents=arrays["documents"],
        train=sides["train"],
        valid=sides["valid"],
        repeats=int((~is_kept).sum()),
        sha256=_fingerprint(arrays["text"]),
    )


def is_mostly_chinese(corpus: Corpus) -> bool:
    """Tell whether a good part of the letters of the training text are Han characters."""
    stride = max(1, len(corpus.train) // SAMPLED_PASSAGES)
    sample = "".join(corpus.passages(corpus.train[::stride][:SAMPLED_PASSAGES]))
    han = sum("\u3400" <= char <= "\u9fff" for char in sample)
    return han > CHINESE_SHARE * max(1, sum(char.isalpha() for char in sample))


def first_occurrences(hashes: np.ndarray) -> np.ndarray:
    """Return (N,) bool: which of N hashes stand there for the first time.

    Memory is that of one bucket of hashes with the same leading bits.
    """
    is_first = np.zeros(len(hashes), dtype=bool)
    buckets = -(-len(hashes) // BUCKET_PASSAGES)
    for bucket in range(buckets):
        members = np.flatnonzero(hashes % np.uint64(buckets) == bucket)
        _, places = np.unique(hashes[members], return_index=True)
        is_first[members[places]] = True
    return is_first


def _append(kept: ScratchArrays, passages: Iterable[Passage]) -> int:
    """Put passages at the end, a block at a time; return how many there were."""
    stream = iter(passages)
    count = 0
    while block := list(islice(stream, BLOCK_PASSAGES)):
        texts = [passage.text.encode("utf-8", "replace") for passage in block]
        digests = b"".join(hashlib.blake2b(text, digest_size=8).digest() for text in texts)
        short = [not each.is_row and len(each.text) < SHORTEST_REPEAT for each in block]
        kept.append(
            {
                "text": np.frombuffer(b"".join(texts), dtype=np.uint8),
                "bytes": np.array([len(text) for text in texts], dtype=np.int64),
                "documents": np.array([passage.document for passage in block], dtype=np.int64),
                "hashes": np.frombuffer(digests, dtype="<u8"),
                "is_row": np.array([passage.is_row for passage in block], dtype=np.int8),
                "is_short": np.array(short, dtype=np.int8),
            }
        )
        count += len(block)
    return count


def _choose_valid(arrays: dict[str, np.ndarray], starts: np.ndarray, ratio: float) -> np.ndarray:
    """Return (passages,) bool: paragraphs at the tail of their file, all else by hash.

    All else is rows, and files whose last paragraph is longer than the tail.
    """
    by_hash = arrays["hashes"] < np.uint64(ratio * 2.0**64)
    documents = arrays["documents"]
    begins = np.flatnonzero(np.diff(documents, prepend=documents[0] - 1))
    lengths = np.diff(np.append(begins, len(documents)))
    origin = np.repeat(starts[:-1][begins], lengths)
    ends = np.repeat(starts[np.append(begins, len(documents))[1:]], lengths)
    at_tail = starts[:-1] - origin >= (1 - ratio) * (ends - origin)
    has_tail = np.repeat(np.logical_or.reduceat(at_tail, begins), lengths)
    return np.where((arrays["is_row"] != 0) | ~has_tail, by_hash, at_tail)


def _fingerprint(text: np.ndarray) -> str:
    digest = hashlib.sha256()
    for start in range(0, len(text), 1 << 24):
        digest.update(text[start : start + (1 << 24)].tobytes())
    return digest.hexdigest()
