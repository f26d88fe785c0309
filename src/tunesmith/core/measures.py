"""A number about a model never travels without its unit, its count and its interval."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Measure:
    """One claimed quantity.

    `value` in `unit` ("ratio" lies in 0..1), computed from `count` items (rows, or entities where
    the name says so). `low` and `high` bound the 95 % interval; both are None where none was
    computed.
    """

    value: float
    unit: str = "ratio"
    count: int = 0
    low: float | None = None
    high: float | None = None

    def to_json(self) -> dict[str, float | int | str | None]:
        """Return the five fields under their own names."""
        return {
            "value": self.value,
            "unit": self.unit,
            "count": self.count,
            "low": self.low,
            "high": self.high,
        }

    @classmethod
    def from_json(cls, fields: dict) -> Measure:
        """Read what `to_json` wrote."""
        return cls(**fields)

    def __str__(self) -> str:
        """Return `0.931 [0.922, 0.940]`, or the bare value where no interval is known."""
        if self.low is None or self.high is None:
            return f"{self.value:.3f}"
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"
