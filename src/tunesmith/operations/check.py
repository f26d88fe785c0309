"""check: what is wrong with the rows, before a minute is spent on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tunesmith.core.data_spec import RowsSpec
from tunesmith.core.errors import DataError
from tunesmith.core.operation import Operation

if TYPE_CHECKING:
    from tunesmith.session import Session


class CheckSpec(RowsSpec):
    """Judge rows and model together: truncation, labels, leaks, unknown characters."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The findings, hard faults first, and the number of rows of each split.

    `is_usable` is False where a fault was found.
    """

    data: str
    rows: dict[str, int]
    findings: tuple[dict[str, Any], ...]

    @property
    def is_usable(self) -> bool:
        """Tell whether `fit` would accept these rows."""
        return all(finding["severity"] != "fault" for finding in self.findings)

    @property
    def exit_status(self) -> int:
        """What the command ends with: that of unusable rows where a fault was found, else 0."""
        return 0 if self.is_usable else DataError.exit_status

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON-ready fields."""
        return {
            "data": self.data,
            "usable": self.is_usable,
            "rows": self.rows,
            "findings": list(self.findings),
        }


def run(spec: CheckSpec, session: Session) -> CheckResult:
    """Read everything and judge it; nothing is written."""
    from tunesmith.operations.preparing import prepare

    prepared = prepare(spec, session)
    rows = {name: len(getattr(prepared.splits, name)) for name in ("train", "valid", "test")}
    return CheckResult(spec.data, rows, tuple(finding.to_json() for finding in prepared.findings))


OPERATION = Operation(
    "check",
    "Check rows before tuning: truncation, labels, leaks, unknown characters.",
    CheckSpec,
    CheckResult,
    run,
)
