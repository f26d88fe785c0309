"""Numbers and names as findings write them. Knows no data."""

from __future__ import annotations

from collections.abc import Sequence

SHOWN_ITEMS = 10


def show_share(part: float, whole: float) -> str:
    """Return part / whole as a percentage; something is never rounded to nothing or to all.

    >>> show_share(1, 3), show_share(1, 9000), show_share(8999, 9000), show_share(0, 9)
    ('33.3%', '<0.1%', '>99.9%', '0%')
    """
    if not part or not whole:
        return "0%"
    if part == whole:
        return "100%"
    share = part / whole
    if share < 0.001:
        return "<0.1%"
    return ">99.9%" if share > 0.999 else f"{share:.1%}"


def show_part(part: int, whole: int, noun: str) -> str:
    """Return a count, what it is a part of, and the percentage.

    >>> show_part(12, 3000, "train row")
    '12 of 3,000 train rows (0.4%)'
    """
    return f"{part:,} of {show_count(whole, noun)} ({show_share(part, whole)})"


def show_count(count: int, noun: str) -> str:
    """Return the count with its noun in the right number.

    >>> show_count(1, "row"), show_count(1200, "entity")
    ('1 row', '1,200 entities')
    """
    if count == 1:
        return f"1 {noun}"
    return f"{count:,} {noun[:-1]}ies" if noun.endswith("y") else f"{count:,} {noun}s"


def show_some(items: Sequence[str]) -> str:
    """Return the items with commas; beyond ten, how many more there are.

    >>> show_some(["a", "b"]), show_some(list("abcdefghijkl"))
    ('a, b', 'a, b, c, d, e, f, g, h, i, j and 2 more')
    """
    shown = ", ".join(items[:SHOWN_ITEMS])
    rest = len(items) - SHOWN_ITEMS
    return f"{shown} and {rest:,} more" if rest > 0 else shown
