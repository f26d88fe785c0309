"""What a plan may try, and what it may cost."""

from __future__ import annotations

from pathlib import PurePath
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from tunesmith.core.spec import Part


def split_names(value: Any) -> Any:
    """Turn `probe,full` into its names, alone or in a list; a path is a name."""
    parts = [value] if isinstance(value, str | PurePath) else value
    if not isinstance(parts, list | tuple):
        return value
    if not all(isinstance(part, str | PurePath) for part in parts):
        return value
    return tuple(name.strip() for part in parts for name in str(part).split(",") if name.strip())


class PlanRecipe(Part):
    """Which methods are measured, for how long, and what the choice may cost."""

    candidates: Annotated[tuple[str, ...], BeforeValidator(split_names)] = ()
    """Methods to measure, the cheapest first, as `probe,full`; none takes what suits the task."""

    budget_minutes: float = Field(10.0, gt=0)
    """Minutes of measuring; what would end later is not begun, and what is running is broken off.
    """

    max_latency_ms: float | None = Field(None, gt=0)
    """Milliseconds that answering one text may take (median); none allows any."""

    max_memory_gb: float | None = Field(None, gt=0)
    """Gigabytes of memory that tuning may take; none allows any."""

    whole_curves: bool = True
    """Go on with the last method that is left, for the curve that tells what labels are worth."""

    more_labels: int = Field(100, ge=1)
    """Labels whose worth is told: what so many more would add."""
