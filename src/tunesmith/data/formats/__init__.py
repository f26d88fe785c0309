"""The formats: one file each, and the functions that read any of them.

Rows come in a stream; a bad row is a value among the good ones, so the caller decides whether to
stop.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain

from tunesmith.core.errors import Problem, SpecError
from tunesmith.data.formats.conll import scan_conll
from tunesmith.data.formats.delimited import scan_delimited
from tunesmith.data.formats.json_rows import scan_json_lines, scan_json_list, scan_json_member
from tunesmith.data.formats.kinds import KINDS, Kind, check_kind, kind_of_file, kind_of_line
from tunesmith.data.formats.parquet import scan_parquet
from tunesmith.data.lines import Line, read_lines, read_pieces
from tunesmith.data.rows import BadRow, ProblemLog, RawRow, shell_path
from tunesmith.data.sources import (
    KeyedList,
    Source,
    find_source,
    is_path,
    open_stream,
    source_name,
)

__all__ = ["KINDS", "Kind", "Scan", "read_rows", "scan_rows"]


@dataclass(frozen=True, slots=True)
class Scan:
    """One source being read, once: its name, its format and its rows, good and bad, in order.

    The columns of `text` and `conll` rows are named after roles, those of other formats by the
    file.
    """

    name: str
    kind: Kind
    items: Iterator[RawRow | BadRow]


def scan_rows(source: Source | KeyedList, *, kind: str | None = None) -> Scan:
    """Return the rows of a path, of a list in a file (`PATH#KEY`), of `-` or of an open stream.

    The format is `kind`, or told by the name of a file and by the first line of a stream. Files are
    opened when the first row is asked for. Places name the file, without a key. Raises
    `NotFoundError` and `SpecError` at once.
    """
    if isinstance(source, KeyedList):
        return _scan_list(source, kind)
    name = source_name(source)
    if is_path(source):
        found = find_source(source)  # type: ignore[arg-type]
        if isinstance(found, KeyedList):
            return _scan_list(found, kind)
        if not kind and found.is_file():
            kind = kind_of_file(found)  # a pipe could not be looked into twice
    if kind:
        known = check_kind(kind)
        return Scan(name, known, _at_least_one(_open_items(source, known, name), name))
    stack = ExitStack()
    lines = read_lines(stack.enter_context(open_stream(source)), name=name)
    seen: list[Line | BadRow] = []
    for item in lines:
        seen.append(item)
        if isinstance(item, BadRow) or item.text.strip():
            break
    first = seen[-1].text if seen and isinstance(seen[-1], Line) else ""
    known = kind_of_line(first)
    items = _closing(stack, _scan_lines(chain(seen, lines), known, name))
    return Scan(name, known, _at_least_one(items, name))


def read_rows(source: Source | KeyedList, *, kind: str | None = None) -> Iterator[RawRow]:
    """Yield the good rows of `source`, then raise one `DataError` if there were bad ones."""
    log = ProblemLog()
    for item in scan_rows(source, kind=kind).items:
        if isinstance(item, BadRow):
            log.add(item)
        else:
            yield item
    log.raise_any()


def _scan_list(source: KeyedList, kind: str | None) -> Scan:
    name = source_name(source.path)
    if kind not in (None, "json"):
        must = f"a list under a key must be that of a JSON file: `{source}`"
        raise SpecError(Problem(must, f"the format {kind}"), hint="leave out the format")
    return Scan(name, "json", _open_member(source, name))


def _open_member(source: KeyedList, name: str) -> Iterator[RawRow | BadRow]:
    with open_stream(source.path) as stream:
        pieces = read_pieces(stream, name=name)
        yield from scan_json_member(pieces, name=name, key=source.key)


def _open_items(source: Source, kind: Kind, name: str) -> Iterator[RawRow | BadRow]:
    if kind == "parquet":
        yield from scan_parquet(source, name=name)
        return
    with open_stream(source) as stream:
        if kind == "json":
            yield from scan_json_list(read_pieces(stream, name=name), name=name)
        else:
            yield from _scan_lines(read_lines(stream, name=name), kind, name)


def _scan_lines(lines: Iterator[Line | BadRow], kind: Kind, name: str) -> Iterator[RawRow | BadRow]:
    if kind == "jsonl":
        return scan_json_lines(lines, name=name)
    if kind == "conll":
        return scan_conll(lines, name=name)
    if kind == "text":
        return (
            item if isinstance(item, BadRow) else RawRow({"text": item.text}, item.number)
            for item in lines
        )
    return scan_delimited(lines, delimiter="\t" if kind == "tsv" else ",", name=name)


def _at_least_one(items: Iterator[RawRow | BadRow], name: str) -> Iterator[RawRow | BadRow]:
    """Hand on the items; a source without any is a problem."""
    any_item = False
    for item in items:
        any_item = True
        yield item
    if not any_item:
        problem = Problem(f"`{name}` must hold at least one row", "an empty file", name)
        yield BadRow(problem, f"ls -l {shell_path(name)}")


def _closing(stack: ExitStack, items: Iterator[RawRow | BadRow]) -> Iterator[RawRow | BadRow]:
    with stack:
        yield from items
