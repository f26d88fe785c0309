"""What the readers hand on: good rows, bad rows, and the log that gathers the bad ones.

This module reads nothing itself.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any

from tunesmith.core.errors import DataError, Problem

MAX_ROW_BYTES = 16 * 2**20
MAX_PROBLEMS = 1_000


@dataclass(frozen=True, slots=True)
class RawRow:
    """One row as it stands in its file: values by column, and the 1-based line it begins on."""

    values: dict[str, Any]
    line: int


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row, or a whole file, that cannot be read, and what the user can type about it."""

    problem: Problem
    hint: str = ""


class ProblemLog:
    """Gathers bad rows: the first 1,000 in full, the rest counted."""

    def __init__(self) -> None:
        """Begin with no problem."""
        self.kept: list[BadRow] = []
        self.count = 0

    def add(self, bad: BadRow) -> None:
        """Keep one more bad row, or only count it where 1,000 are kept."""
        self.count += 1
        if len(self.kept) < MAX_PROBLEMS:
            self.kept.append(bad)

    def extend(self, other: ProblemLog) -> None:
        """Take over what another log gathered, its uncounted rest included."""
        self.kept.extend(other.kept[: MAX_PROBLEMS - len(self.kept)])
        self.count += other.count

    def raise_any(self) -> None:
        """Raise one `DataError` with every problem and the first hint, if there is any."""
        if not self.count:
            return
        problems = [bad.problem for bad in self.kept]
        if self.count > len(problems):
            rest = f"{self.count - len(problems):,} more bad rows"
            problems.append(Problem("every row must be readable", rest))
        raise DataError(problems, hint=next((bad.hint for bad in self.kept if bad.hint), ""))


def too_long(name: str, line: int) -> BadRow:
    """Return the bad row that stands for one above the size limit."""
    must = f"a row must be at most {MAX_ROW_BYTES // 2**20} MiB long"
    return BadRow(Problem(must, "a longer one", f"{name}:{line}"), show_line(name, line))


def show_line(name: str, line: int, *, last: int | None = None) -> str:
    """Return the command that shows the lines `line` to `last` of a file."""
    stretch = f"{line},{last}" if last and last > line else f"{line}"
    path = shell_path(name)
    return (
        f"zcat {path} | sed -n '{stretch}p'" if is_zipped(name) else f"sed -n '{stretch}p' {path}"
    )


def is_zipped(name: str) -> bool:
    """Tell whether a file must be unzipped before a command can show or mend it."""
    return name.endswith(".gz")


def shell_path(name: str) -> str:
    """Return a file name as a shell reads it; a stream such as `<stdin>` becomes `FILE`."""
    return "FILE" if name.startswith("<") else shlex.quote(name)


def shorten(text: str, *, limit: int = 60) -> str:
    """Return `text` as it is shown in a message: control characters escaped, cut after `limit`."""
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in cut)
