"""What a check says: one finding, how grave it is, and where. This module checks nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Severity: TypeAlias = Literal["fault", "warning", "note"]

GRAVITY: dict[Severity, int] = {"fault": 0, "warning": 1, "note": 2}
MAX_PLACES = 10


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found in the rows, or in how the model reads them.

    A `fault` makes tuning or its measures worthless, a `warning` makes them worse, a `note` is good
    to know. `name` is stable for programs; `message` says what was found, with numbers, and then
    what to type or do; `places` are up to ten `file:line`; `figures` the numbers, shares as ratios.
    """

    severity: Severity
    name: str
    message: str
    places: tuple[str, ...] = ()
    figures: Mapping[str, float | int | str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the fields under their own names."""
        return {
            "severity": self.severity,
            "name": self.name,
            "message": self.message,
            "places": list(self.places),
            "figures": dict(self.figures),
        }


def has_faults(findings: Iterable[Finding]) -> bool:
    """Tell whether one of the findings is a fault."""
    return any(finding.severity == "fault" for finding in findings)


def sort_findings(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return faults, then warnings, then notes, each in the order they were found."""
    return tuple(sorted(findings, key=lambda finding: GRAVITY[finding.severity]))
