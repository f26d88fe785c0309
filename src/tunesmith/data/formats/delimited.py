"""CSV and TSV: a header, then one record a row, quoted as RFC 4180 has it.

Every value is text; what it means is the task's affair. A broken quote costs one record, not the
rest of the file: reading goes on at the line after the one that opened it.
"""

from __future__ import annotations

import csv
import re
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass

from tunesmith.core.errors import Problem
from tunesmith.data.lines import Line
from tunesmith.data.rows import (
    MAX_ROW_BYTES,
    BadRow,
    RawRow,
    shell_path,
    shorten,
    show_line,
)

LONGEST_NAME = 100
LONGEST_RECORD_LINES = 20_000
REREAD_LINES = 100_000
"""How many lines broken quotes may have read twice, so that no file makes reading quadratic."""

_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?")


@dataclass(frozen=True, slots=True)
class _Record:
    """The fields of one record and the lines it spans, or the bad row that stands for it."""

    fields: list[str]
    first: int
    last: int
    bad: BadRow | None = None


def scan_delimited(
    lines: Iterator[Line | BadRow], *, delimiter: str, name: str
) -> Iterator[RawRow | BadRow]:
    """Yield one row a record under the names of the header.

    A CSV header without a comma that holds semicolons or tabs is read with those, as spreadsheets
    in many countries write it. A header cell without a name is called `column_N`.
    """
    feed = _Feed(lines)
    feed.prime()
    if delimiter == ",":
        delimiter = _delimiter_of(feed.first_text())
    records = _records(feed, delimiter=delimiter, name=name)
    header = next(records, None)
    if header is None:
        yield from feed.take_bad()
        return
    wrong = [header.bad] if header.bad else _header_problems(header, delimiter, name)
    if wrong:
        yield from feed.take_bad()
        yield from wrong
        return
    names = _column_names(header.fields)
    any_row = False
    for record in records:
        any_row = True
        yield from feed.take_bad()
        yield record.bad or _row(record, names, name)
    rest = list(feed.take_bad())
    yield from rest
    if not any_row and not rest:
        must = f"`{name}` must hold at least one row below its header"
        yield BadRow(Problem(must, "a header only", name), f"wc -l {shell_path(name)}")


class _Feed:
    """Hands lines to the CSV parser and can give those of the record at hand once more."""

    def __init__(self, lines: Iterator[Line | BadRow]) -> None:
        self._lines = lines
        self._again: deque[Line] = deque()
        self._bad: list[BadRow] = []
        self.record: list[Line] = []
        self._size = 0
        self._rereads_left = REREAD_LINES
        self.is_too_long = False
        self.is_at_end = False

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else self._pull()
        if line is None:
            self.is_at_end = True
            raise StopIteration
        self.record.append(line)
        self._size += len(line.raw)
        if self._size > MAX_ROW_BYTES or len(self.record) > LONGEST_RECORD_LINES:
            self.is_too_long = True
            raise StopIteration
        return line.raw

    def prime(self) -> None:
        """Skip blank lines, so that the first line is the header's."""
        while (line := self._pull()) is not None and not line.text.strip():
            pass
        if line is not None:
            self._again.append(line)

    def first_text(self) -> str:
        """Return the next line without consuming it."""
        return self._again[0].text if self._again else ""

    def begin(self) -> None:
        """Forget the lines of the record before."""
        self.record = []
        self._size = 0
        self.is_too_long = self.is_at_end = False

    def go_back(self) -> bool:
        """Give again every line of the record at hand but its first; False where too many were."""
        self._rereads_left -= len(self.record) - 1
        self._again.extendleft(reversed(self.record[1:]))
        return self._rereads_left >= 0

    def take_bad(self) -> Iterator[BadRow]:
        """Yield the bad lines met since the last call."""
        bad, self._bad = self._bad, []
        yield from bad

    def _pull(self) -> Line | None:
        for item in self._lines:
            if isinstance(item, Line):
                return item
            self._bad.append(item)
        return None


def _records(feed: _Feed, *, delimiter: str, name: str) -> Iterator[_Record]:
    csv.field_size_limit(max(csv.field_size_limit(), MAX_ROW_BYTES))
    reader = csv.reader(feed, delimiter=delimiter, strict=True)
    while True:
        feed.begin()
        try:
            fields = next(reader, None)
        except csv.Error as error:
            first, last = feed.record[0].number, feed.record[-1].number
            yield _Record([], first, last, _bad(error, feed, name))
            if not feed.go_back():
                must = "quotes must be paired"
                found = "so many open ones that reading stopped"
                stop = BadRow(Problem(must, found, f"{name}:{first}"), show_line(name, first))
                yield _Record([], first, last, stop)
                return
            reader = csv.reader(feed, delimiter=delimiter, strict=True)
            continue
        if fields is None:
            return
        if fields:
            yield _Record(fields, feed.record[0].number, feed.record[-1].number)


def _bad(error: csv.Error, feed: _Feed, name: str) -> BadRow:
    """Return what the parser's message means, at the line where the record began."""
    first, last = feed.record[0], feed.record[-1]
    where = f"{name}:{first.number}"
    start = f"`{shorten(first.text)}`"
    if feed.is_too_long or feed.is_at_end:
        reach = f"for {last.number - first.number:,} lines" if feed.is_too_long else "to the end"
        found = f"{start}, whose quote stays open {reach}"
        return BadRow(
            Problem("a quote that opens must be closed", found, where),
            show_line(name, first.number),
        )
    if "new-line" in str(error):
        path = shell_path(name)
        return BadRow(
            Problem(r"a line must end with \n or \r\n", r"a lone carriage return (\r)", where),
            rf"tr '\r' '\n' < {path} > {path}.utf8",
        )
    span = f", on lines {first.number}–{last.number}" if last.number > first.number else ""
    must = 'a closing quote must be followed by the next field (a quote inside one is written `""`)'
    hint = show_line(name, first.number, last=last.number)
    return BadRow(Problem(must, start + span, where), hint)


def _header_problems(header: _Record, delimiter: str, name: str) -> list[BadRow]:
    names = [field.strip() for field in header.fields]
    counts = Counter(_column_names(header.fields))
    where = f"{name}:{header.first}"
    path = shell_path(name)
    if not _is_header(names):
        found = f"`{shorten(delimiter.join(header.fields))}`"
        guess = ("\\t" if delimiter == "\t" else delimiter).join(_guess_names(names[:100]))
        return [
            BadRow(
                Problem("the first line must be a header of column names", found, where),
                f"(printf '{guess}\\n'; cat {path}) > {path}.utf8",
            )
        ]
    must = "each column name must stand in the header once"
    return [
        BadRow(Problem(must, f"`{shorten(column)}` {count} times", where), f"head -1 {path}")
        for column, count in sorted(counts.items())
        if count > 1
    ]


def _is_header(names: list[str]) -> bool:
    """Tell names from values: no numbers (unless 0, 1, 2, … as pandas counts), nothing long."""
    filled = [column for column in names if column]
    numbers = [column for column in filled if _NUMBER.fullmatch(column)]
    if numbers and numbers != [str(number) for number in range(len(filled))]:
        return False
    return bool(filled) and max(map(len, filled)) <= LONGEST_NAME


def _guess_names(values: list[str]) -> list[str]:
    if len(values) == 2 and _NUMBER.fullmatch(values[0]):
        return ["label", "text"]
    return [*["text", "label"][: len(values)], *(f"column_{n}" for n in range(3, len(values) + 1))]


def _column_names(fields: list[str]) -> list[str]:
    return [field.strip() or f"column_{number}" for number, field in enumerate(fields, 1)]


def _row(record: _Record, names: list[str], name: str) -> RawRow | BadRow:
    if len(record.fields) == len(names):
        return RawRow(dict(zip(names, record.fields, strict=True)), record.first)
    where = f"{name}:{record.first}"
    many = (
        "a text that holds the delimiter must be quoted" if len(record.fields) > len(names) else ""
    )
    span = f" on lines {record.first}–{record.last}" if record.last > record.first else ""
    found = f"{len(record.fields)}{span}" + (f"; {many}" if many else "")
    must = f"a row must have {len(names)} fields, as the header has"
    return BadRow(Problem(must, found, where), show_line(name, record.first, last=record.last))


def _delimiter_of(header: str) -> str:
    return next((mark for mark in ",;\t" if mark in header), ",")
