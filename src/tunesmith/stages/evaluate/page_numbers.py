"""How the page writes numbers: the same digits in every language. Nothing is compared here."""

from __future__ import annotations

import math
from datetime import UTC, datetime

UNKNOWN = "–"
SECONDS_PER_MINUTE = 60
SECONDS_PER_HOUR = 3600


def finite(value: object) -> float | None:
    """Return `value` as a float, or None where it is not a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def ratio_text(value: object) -> str:
    """Return three decimals with thousands separators; a dash for what is not a number."""
    number = finite(value)
    if number is None:
        return UNKNOWN
    return f"{number:,.3f}".replace("-0.000", "0.000").replace("-", "−")


def count_text(value: object) -> str:
    """Return a whole number with thousands separators; a dash for what is not a number."""
    number = finite(value)
    return UNKNOWN if number is None else f"{number:,.0f}"


def duration_text(value: object) -> str:
    """Return seconds as `41.2 s`, `12 min 05 s` or `3 h 07 min`; empty for what is not a number."""
    seconds = finite(value)
    if seconds is None:
        return ""
    if round(seconds, 1) < SECONDS_PER_MINUTE:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    hours, rest = divmod(whole, SECONDS_PER_HOUR)
    minutes, left = divmod(rest, SECONDS_PER_MINUTE)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {left:02d} s"


def moment_text(stamp: str) -> str:
    """Return an ISO 8601 stamp as `2026-11-23 08:00 UTC`; unchanged where it is not one."""
    try:
        moment = datetime.fromisoformat(stamp)
    except ValueError:
        return stamp
    if moment.tzinfo is None:
        return f"{moment:%Y-%m-%d %H:%M}"
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
