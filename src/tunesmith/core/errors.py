"""Every error a user can meet: what must hold, what was found, where, and one hint to type.

This module only names failures; it never prints, logs or exits.
"""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

SHOWN_PROBLEMS = 20
NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What the system says when a file cannot grow: the disk, a quota or a limit is reached."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One broken requirement.

    `must` is a full clause ("`method.rank` must be at least 1"), `found` what stood there instead,
    `where` the file, line or field that holds it. Only `must` is required.
    """

    must: str
    found: str = ""
    where: str = ""

    def __str__(self) -> str:
        """Return the problem as one line."""
        got = f"; got {self.found}" if self.found else ""
        place = f" ({self.where})" if self.where else ""
        return f"{self.must}{got}{place}"


class TunesmithError(Exception):
    """The root of our errors: all problems found, never the first alone, and one hint.

    `code` is stable for programs, `exit_status` is the command line's, `http_status` the service's.
    """

    code: ClassVar[str] = "error"
    exit_status: ClassVar[int] = 1
    http_status: ClassVar[int] = 500

    def __init__(
        self, problems: Problem | str | Iterable[Problem | str], *, hint: str = ""
    ) -> None:
        """Keep the problems in the order they were found."""
        listed = [problems] if isinstance(problems, Problem | str) else list(problems)
        self.problems = tuple(
            item if isinstance(item, Problem) else Problem(item) for item in listed
        )
        self.hint = hint
        super().__init__(str(self))

    def __str__(self) -> str:
        """Return the problems one a line (the first twenty), then the hint."""
        lines = [str(problem) for problem in self.problems[:SHOWN_PROBLEMS]]
        if len(self.problems) > SHOWN_PROBLEMS:
            lines.append(f"… and {len(self.problems) - SHOWN_PROBLEMS:,} more")
        if self.hint:
            lines.append(f"Hint: {self.hint}")
        return "\n".join(lines)

    def to_json(self) -> dict[str, object]:
        """Return the error as every door shows it to a program."""
        return {
            "error": self.code,
            "problems": [
                {"must": problem.must, "found": problem.found, "where": problem.where}
                for problem in self.problems
            ],
            "hint": self.hint,
        }


class SpecError(TunesmithError):
    """The request itself is impossible."""

    code = "spec"
    exit_status = 2
    http_status = 422


class NotFoundError(TunesmithError):
    """A file, model, bundle or run that was named does not exist."""

    code = "not_found"
    exit_status = 3
    http_status = 404


class DataError(TunesmithError):
    """Rows that cannot be used, or a bundle whose bytes are not the ones it recorded."""

    code = "data"
    exit_status = 4
    http_status = 422


class MissingExtraError(TunesmithError):
    """An optional dependency that is not installed."""

    code = "missing_extra"
    exit_status = 5
    http_status = 501


class ResourceError(TunesmithError):
    """Disk, memory or device is not enough, or is in use."""

    code = "resource"
    exit_status = 6
    http_status = 507


class ContextError(TunesmithError):
    """A text is longer than what may be read."""

    code = "too_long"
    exit_status = 7
    http_status = 413


class ForeignError(TunesmithError):
    """A library below us failed in a way we have no better word for."""

    code = "foreign"
    exit_status = 8
    http_status = 502


class GateError(TunesmithError):
    """A check that guards a result refused it."""

    code = "gate"
    exit_status = 9
    http_status = 409


class InterruptedRunError(TunesmithError):
    """The user stopped the work; what was saved can be resumed."""

    code = "interrupted"
    exit_status = 130
    http_status = 503


def temporary_folder_full() -> ResourceError:
    """Return the error for rows that the system's temporary folder has no room for."""
    return ResourceError(
        f"the temporary folder must have room for the rows; "
        f"the disk of `{tempfile.gettempdir()}` is full",
        hint="export TMPDIR=FOLDER",
    )
