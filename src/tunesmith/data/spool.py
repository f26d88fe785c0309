"""Many rows on disk behind the face of a sequence: what is read is decoded, nothing is kept.

The file has no name and vanishes with the last sequence that reads it, or with the process. It lies
in the system's temporary folder (`TMPDIR`). Few rows stay what they are: examples in a list.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from itertools import accumulate, chain
from typing import IO, Any, overload

import numpy as np

from tunesmith.core.errors import NO_SPACE, temporary_folder_full
from tunesmith.core.examples import INPUTS, Example, Place, Span

SPOOL_ROWS = 20_000
"""Rows beyond this number go to disk. In memory a short row takes about 1 KB of Python objects, so
20 MB at most; on disk it costs 5 µs each time it is read."""

_WRITTEN = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":"))


class SpooledExamples(Sequence[Example]):
    """Examples on disk, decoded when they are asked for; in memory it is 4 bytes a row.

    A slice is a view of the same file. Two sequences are equal where their examples are.
    """

    def __init__(self, spool: _Spool, rows: np.ndarray) -> None:
        """Show the `rows` (N,) of a spool, in that order."""
        self._spool = spool
        self._rows = rows

    def __len__(self) -> int:
        """Return how many rows are shown."""
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> SpooledExamples: ...
    def __getitem__(self, index: int | slice) -> Example | SpooledExamples:
        """Return one example, or a view of some."""
        if isinstance(index, slice):
            return SpooledExamples(self._spool, self._rows[index])
        return self._spool.read(int(self._rows[index]))

    def __iter__(self) -> Iterator[Example]:
        """Yield the examples one by one."""
        return map(self._spool.read, map(int, self._rows))

    def __eq__(self, other: object) -> bool:
        """Tell whether another sequence holds equal examples in this order."""
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return len(self) == len(other) and all(
            mine == yours for mine, yours in zip(self, other, strict=True)
        )

    __hash__ = None  # type: ignore[assignment]

    def take(self, rows: np.ndarray) -> SpooledExamples:
        """Return a view of the rows at the given places."""
        return SpooledExamples(self._spool, self._rows[rows])


class JoinedExamples(Sequence[Example]):
    """Several sequences of examples as one; nothing is copied."""

    def __init__(self, parts: Sequence[Sequence[Example]]) -> None:
        """Join the parts in their order."""
        self._parts = parts
        self._ends = list(accumulate(map(len, parts)))

    def __len__(self) -> int:
        """Return the rows of all parts."""
        return self._ends[-1] if self._ends else 0

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Example]: ...
    def __getitem__(self, index: int | slice) -> Example | Sequence[Example]:
        """Return one example, or a list of some."""
        if isinstance(index, slice):
            return [self[row] for row in range(*index.indices(len(self)))]
        row = range(len(self))[index]
        part = bisect_right(self._ends, row)
        return self._parts[part][row - self._ends[part]]

    def __iter__(self) -> Iterator[Example]:
        """Yield the examples of each part in turn."""
        return chain.from_iterable(self._parts)


def keep_examples(
    examples: Iterable[Example], *, spool_rows: int | None = None
) -> list[Example] | SpooledExamples:
    """Return the examples as a list, or from disk where they are more than `spool_rows` (20,000).

    Raises `ResourceError` where the temporary folder has no room for them.
    """
    most = SPOOL_ROWS if spool_rows is None else spool_rows
    kept: list[Example] = []
    stream = iter(examples)
    for example in stream:
        kept.append(example)
        if len(kept) > most:
            return _spooled(chain(kept, stream))
    return kept


def take_examples(examples: Sequence[Example], rows: np.ndarray) -> Sequence[Example]:
    """Return the examples at `rows`: a view where they lie on disk, else a list."""
    if isinstance(examples, SpooledExamples):
        return examples.take(rows)
    return [examples[row] for row in rows.tolist()]


class _Spool:
    """One JSON array a row in a file without a name, and where each begins, 8 bytes a row."""

    def __init__(self, file: IO[bytes], starts: np.ndarray, names: tuple[str, ...]) -> None:
        self._file = file
        self._starts = starts
        self._names = names

    def read(self, row: int) -> Example:
        """Return the example of a row."""
        start, end = self._starts[row : row + 2].tolist()
        data = os.pread(self._file.fileno(), end - start, start)
        return _decoded(json.loads(data.decode("utf-8", "surrogatepass")), self._names)


def _spooled(examples: Iterable[Example]) -> SpooledExamples:
    starts = array("q", [0])
    names: dict[str, int] = {}
    # no `with`: the file lives as long as the sequence that reads it
    file = tempfile.TemporaryFile(prefix="tunesmith-")  # noqa: SIM115
    try:
        for example in examples:
            number = names.setdefault(example.place.file, len(names))
            record = _WRITTEN.encode(_fields(example, number)).encode("utf-8", "surrogatepass")
            file.write(record)
            starts.append(starts[-1] + len(record))
        file.flush()
    except OSError as error:
        with contextlib.suppress(OSError):  # what is still buffered has no room either
            file.close()
        if error.errno in NO_SPACE:
            raise temporary_folder_full() from error
        raise
    spool = _Spool(file, np.array(starts), tuple(names))
    return SpooledExamples(spool, np.arange(len(starts) - 1, dtype=np.int32))


def _fields(example: Example, file: int) -> list[Any]:
    inputs, gold = example.inputs, example.gold
    name = type(inputs).__name__
    content = [getattr(inputs, part.name) for part in fields(inputs)]
    if isinstance(gold, tuple):
        gold = [
            [item.start, item.end, item.type] if isinstance(item, Span) else item for item in gold
        ]
    return [example.id, name, content, gold, file, example.place.line, example.group]


def _decoded(record: list[Any], names: tuple[str, ...]) -> Example:
    identity, name, content, gold, file, line, group = record
    inputs = INPUTS[name](*map(_tupled, content))
    if isinstance(gold, list):
        gold = tuple(Span(*item) if isinstance(item, list) else item for item in gold)
    return Example(identity, inputs, gold, Place(names[file], line), group)


def _tupled(value: Any) -> Any:
    """Return lists as the tuples that JSON made them of, at every depth."""
    return tuple(map(_tupled, value)) if isinstance(value, list) else value
