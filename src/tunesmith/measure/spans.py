"""Entity spans: read from word tags, written as word tags, and counted strictly.

Chunks stand on words here, `Span`s on characters; this module never converts one to the other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.examples import Span
from tunesmith.measure.classes import Counts, averaged_scores
from tunesmith.measure.intervals import Statistics

Chunk = tuple[int, int, str]
"""First word, word after the last, and type."""

PREFIXES = frozenset("BIESMLU")
STARTS = frozenset("BSU")
ENDS = frozenset("ESLU")


@dataclass(frozen=True, slots=True, eq=False)
class SpanCounts:
    """How the entities of n rows were found, by row and by type.

    The three arrays are (n, T) int32, T in the order of `types`; kept by row so that rows can be
    resampled.
    """

    types: tuple[str, ...]
    true_positive: NDArray
    false_positive: NDArray
    false_negative: NDArray

    def totals(self) -> Counts:
        """Return the three counts summed over rows, each (T,), as `class_scores` wants them."""
        return (
            self.true_positive.sum(axis=0, dtype=np.int64),
            self.false_positive.sum(axis=0, dtype=np.int64),
            self.false_negative.sum(axis=0, dtype=np.int64),
        )


def span_counts(
    gold: Sequence[Collection[Span]],
    predicted: Sequence[Collection[Span]],
    types: Sequence[str],
) -> SpanCounts:
    """Return the entities found, invented and missed, by row and type.

    A predicted entity is right only if a gold one of its row has the same start, end and type. A
    span given twice in a row counts once; overlapping spans are allowed.

    Raises `ValueError` on unequally many rows and on a span whose type is not in `types`.

    Source: Tjong Kim Sang & De Meulder, Introduction to the CoNLL-2003 shared task, 2003.

    >>> person, place = Span(0, 3, "PER"), Span(5, 9, "LOC")
    >>> counts = span_counts([[person]], [[person, place]], ["LOC", "PER"])
    >>> counts.true_positive.tolist(), counts.false_positive.tolist()
    ([[0, 1]], [[1, 0]])
    """
    if len(gold) != len(predicted):
        raise ValueError(
            f"gold and predicted must have equally many rows; got {len(gold)} and {len(predicted)}"
        )
    columns = {name: column for column, name in enumerate(types)}
    shape = (len(gold), len(types))
    found, invented, missed = (np.zeros(shape, dtype=np.int32) for _ in range(3))
    for row, (gold_spans, predicted_spans) in enumerate(zip(gold, predicted, strict=True)):
        wanted, answered = set(gold_spans), set(predicted_spans)
        _check_types(wanted | answered, columns, row)
        for span in wanted & answered:
            found[row, columns[span.type]] += 1
        for span in answered - wanted:
            invented[row, columns[span.type]] += 1
        for span in wanted - answered:
            missed[row, columns[span.type]] += 1
    return SpanCounts(tuple(types), found, invented, missed)


def span_statistics(counts: SpanCounts) -> Statistics:
    """Return a function of row weights (n,) that gives strict_precision, strict_recall, strict_f1.

    All three are micro averages over entities of every type; without entities they are 0.0.

    Source: as `span_counts`; this is what conlleval prints as overall.
    """
    by_row = np.stack(
        [
            outcome.sum(axis=1, dtype=np.float64)
            for outcome in (counts.true_positive, counts.false_positive, counts.false_negative)
        ]
    )

    def statistics(weights: NDArray) -> dict[str, float]:
        totals = by_row @ weights.astype(np.float64)
        micro = averaged_scores(*totals[:, np.newaxis])["micro"]
        return {f"strict_{name}": value for name, value in micro.items()}

    return statistics


def decode_tags(tags: Sequence[str]) -> list[Chunk]:
    """Return the chunks (first word, word after the last, type) that word tags mean, in order.

    Reads IOB1, BIO (IOB2), BIOES, BMES and BILOU: I and M continue, E and L end, S and U stand
    alone. Impossible sequences are read leniently, as conlleval does: a tag that continues or ends
    a chunk starts one after O, after another type, or after a chunk that has ended; a chunk that
    was never ended stops before the next start or O. A type may hold hyphens.

    Raises `ValueError` naming the first tag that is neither O nor PREFIX-TYPE.

    Source: conlleval.pl of the CoNLL-2000 shared task, startOfChunk and endOfChunk, with the S of
    BIOES added; M, L and U are other letters for I, E and S.

    >>> decode_tags(["I-PER", "I-PER", "O", "B-LOC", "B-LOC", "I-ORG"])
    [(0, 2, 'PER'), (3, 4, 'LOC'), (4, 5, 'LOC'), (5, 6, 'ORG')]
    """
    chunks: list[Chunk] = []
    start, open_type = 0, ""
    for word, tag in enumerate(tags):
        prefix, kind = _split_tag(tag)
        if open_type and (prefix in STARTS or kind != open_type):
            chunks.append((start, word, open_type))
            open_type = ""
        if kind and not open_type:
            start, open_type = word, kind
        if prefix in ENDS:
            chunks.append((start, word + 1, open_type))
            open_type = ""
    if open_type:
        chunks.append((start, len(tags), open_type))
    return chunks


def encode_tags(chunks: Iterable[Chunk], words: int) -> list[str]:
    """Return one BIO (IOB2) tag a word for chunks given in any order; the inverse of `decode_tags`.

    Raises `ValueError` naming a chunk that is empty, has no type, leaves 0..words or overlaps
    another: flat tags cannot say it.

    Source: Ramshaw & Marcus, Text chunking using transformation-based learning, 1995, in the
    variant of Tjong Kim Sang & Veenstra, Representing text chunks, 1999 (IOB2).

    >>> encode_tags([(0, 2, "PER"), (3, 4, "LOC")], 5)
    ['B-PER', 'I-PER', 'O', 'B-LOC', 'O']
    """
    tags = ["O"] * words
    free = 0
    for start, end, kind in sorted(chunks):
        if not (free <= start < end <= words and kind):
            raise ValueError(
                f"a chunk must be typed, not empty, within 0..{words} and clear of the others;"
                f" got {(start, end, kind)}"
            )
        tags[start:end] = [f"B-{kind}"] + [f"I-{kind}"] * (end - start - 1)
        free = end
    return tags


def _split_tag(tag: str) -> tuple[str, str]:
    if tag == "O":
        return "O", ""
    prefix, hyphen, kind = tag.partition("-")
    if prefix not in PREFIXES or not hyphen or not kind:
        raise ValueError(
            f"a tag must be O or one of B I E S M L U, a hyphen and a type; got {tag!r}"
        )
    return prefix, kind


def _check_types(spans: set[Span], columns: dict[str, int], row: int) -> None:
    for span in sorted(spans):
        if span.type not in columns:
            known = ", ".join(columns)
            raise ValueError(
                f"a span's type must be one of {known}; got {span.type!r} in row {row}"
            )
