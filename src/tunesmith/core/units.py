"""Numbers with units, as people write and read them."""

from __future__ import annotations

import re

STEPS = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9, "g": 10**9}
_COUNT = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*([kmbg]?)\s*$", re.IGNORECASE)


def show_bytes(count: float) -> str:
    """Return a number of bytes in decimal units.

    >>> show_bytes(90_868_376)
    '90.9 MB'
    """
    for unit, step in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= step:
            return f"{count / step:,.1f} {unit}"
    return f"{count:.0f} bytes"


def show_count(count: float) -> str:
    """Return a large number as people say it.

    >>> show_count(22_713_216)
    '22.7M'
    """
    for unit, step in (("B", 10**9), ("M", 10**6), ("k", 10**3)):
        if count >= step:
            return f"{count / step:.3g}{unit}"
    return f"{count:.0f}"


def read_count(text: str) -> int:
    """Return the number that `120M`, `1.5B`, `22k` or plain digits mean.

    Raises `ValueError` for anything else.

    >>> read_count("120M")
    120000000
    """
    found = _COUNT.match(text)
    if found is None:
        raise ValueError("a number must be written such as 120M, 1.5B or 22000000")
    return round(float(found[1]) * STEPS[found[2].lower()])
