"""Rows to examples, with every problem of every row.

A row with an empty text is an example like any other: whether it may stay is the check stage's
affair.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tunesmith.core.errors import Problem
from tunesmith.core.examples import Example, Place
from tunesmith.data.columns import suggest_columns
from tunesmith.data.formats import Scan, scan_rows
from tunesmith.data.rows import BadRow, ProblemLog, RawRow, show_line
from tunesmith.data.sources import KeyedList, Source
from tunesmith.data.spool import keep_examples
from tunesmith.tasks.task import Task

SHOWN_COLUMNS = 20
ROLE_NAMED = ("text", "conll")
"""Formats whose columns are named after roles by the reader: the column mapping is applied here."""


def stream_examples(
    source: Source | KeyedList, task: Task, *, require_gold: bool, kind: str | None = None
) -> Iterator[Example]:
    """Yield the examples of `source` one by one, in constant memory.

    Raises `DataError` at the first row that cannot be used. Without `require_gold`, a row whose
    gold answer is missing or empty is an example without one.
    """
    reader = _ExampleReader(scan_rows(source, kind=kind), task, require_gold=require_gold)
    for example in reader:
        if example is None:
            reader.problems().raise_any()
        else:
            yield example


def read_examples(
    source: Source | KeyedList, task: Task, *, require_gold: bool = True, kind: str | None = None
) -> Sequence[Example]:
    """Return the examples of `source` in file order, or raise a `DataError` with every problem.

    It is a list; many rows are read from disk when they are asked for (`spool.keep_examples`).
    """
    return collect_examples([scan_rows(source, kind=kind)], task, require_gold=require_gold)


def collect_examples(
    scans: Sequence[Scan], task: Task, *, require_gold: bool = True
) -> Sequence[Example]:
    """Return the examples of several sources, or raise one `DataError` with the problems of all."""
    log = ProblemLog()

    def read() -> Iterator[Example]:
        for scan in scans:
            reader = _ExampleReader(scan, task, require_gold=require_gold)
            yield from (example for example in reader if example is not None)
            log.extend(reader.problems())

    examples = keep_examples(read())
    log.raise_any()
    return examples


@dataclass
class _Lacking:
    """The rows that lack one column: how many, and the first of them."""

    count: int = 0
    log: ProblemLog = field(default_factory=ProblemLog)
    columns: str = ""


class _ExampleReader:
    """Reads the rows of one scan and keeps what is wrong with them."""

    def __init__(self, scan: Scan, task: Task, *, require_gold: bool) -> None:
        self.scan = scan
        self.task = task
        self.require_gold = require_gold
        self._log = ProblemLog()
        self._lacking: dict[str, _Lacking] = {}
        self._rows = 0

    def __iter__(self) -> Iterator[Example | None]:
        """Yield the example of each row, and None for a row that has a problem."""
        for item in self.scan.items:
            if isinstance(item, RawRow):
                yield self._example(item)
            else:
                self._log.add(item)
                yield None

    def problems(self) -> ProblemLog:
        """Return all problems; a column that every row lacks is one problem, not one a row."""
        log = ProblemLog()
        for must, lacking in self._lacking.items():
            if lacking.count == self._rows > 1:
                found = f"{lacking.columns} in all {self._rows:,} rows"
                problem = Problem(must, found, self.scan.name)
                log.add(BadRow(problem, lacking.log.kept[0].hint))
            else:
                log.extend(lacking.log)
        log.extend(self._log)
        return log

    def _example(self, row: RawRow) -> Example | None:
        self._rows += 1
        values = self._named(row.values)
        place = Place(self.scan.name, row.line)
        example, problems = self.task.read(values, place=place)
        absent = self._absent_roles(values, problems)
        if absent:
            self._add_absent(absent, values, place)
        known = {_presence(self._column(role)) for role in absent}
        for problem in problems:
            if problem.must not in known:
                self._log.add(BadRow(problem, show_line(place.file, place.line)))
        if example is None or absent:
            return None
        return self._with_gold(example, values)

    def _with_gold(self, example: Example, values: Mapping[str, Any]) -> Example | None:
        """Return the example, or None after noting that its gold answer is null or empty."""
        if example.gold not in (None, ""):
            return example
        if not self.require_gold:
            return replace(example, gold=None)
        must, found = self.task.lacking_gold(values)
        where = str(example.place)
        hint = show_line(example.place.file, example.place.line)
        self._log.add(BadRow(Problem(must, found, where), hint))
        return None

    def _absent_roles(self, values: Mapping[str, Any], problems: Sequence[Problem]) -> list[str]:
        musts = {problem.must for problem in problems}
        roles = [role for role in self.task.input_roles if _presence(self._column(role)) in musts]
        gold = self.task.gold_role(values)
        if self.require_gold and self._column(gold) not in values:
            roles.append(gold)
        return roles

    def _add_absent(self, roles: list[str], values: Mapping[str, Any], place: Place) -> None:
        names = [str(name) for name in values]
        hint = suggest_columns(self.task, names[:1000], missing=roles)
        listed = ", ".join(names[:SHOWN_COLUMNS]) + (", …" if len(names) > SHOWN_COLUMNS else "")
        found = f"columns {listed}" if names else "no columns"
        for role in roles:
            must = _presence(self._column(role))
            lacking = self._lacking.setdefault(must, _Lacking(columns=found))
            lacking.count += 1
            lacking.log.add(BadRow(Problem(must, found, str(place)), hint))

    def _column(self, role: str) -> str:
        return self.task.columns.get(role, role)

    def _named(self, values: dict[str, Any]) -> dict[str, Any]:
        if self.scan.kind not in ROLE_NAMED or not self.task.columns:
            return values
        return {self._column(role): value for role, value in values.items()}


def _presence(column: str) -> str:
    """Return the requirement that `tasks.rows.Reader` names for an absent column."""
    return f"column `{column}` must be present"
