"""A text with its look-alike digits, letters, dashes and spaces made plain, offset for offset."""

from __future__ import annotations

FULL_WIDTH = range(0xFF01, 0xFF5F)
TO_ASCII = 0xFEE0
DIGITS = (0x0660, 0x06F0, 0x0966)
"""Where ten digits begin: Arabic-Indic, Eastern Arabic-Indic, Devanagari."""

DASHES = "\u00ad\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63"
SPACES = "\t\u00a0\u1680\u202f\u205f\u3000\u200b\u200c\u200d\u2060\ufeff" + "".join(
    map(chr, range(0x2000, 0x200B))
)
"""Spaces that separate the parts of a number, those without width too; a line's end is none."""

_PLAIN: dict[int, str] = {
    **{code: chr(code - TO_ASCII) for code in FULL_WIDTH},
    **{zero + value: str(value) for zero in DIGITS for value in range(10)},
    **dict.fromkeys(map(ord, DASHES), "-"),
    **dict.fromkeys(map(ord, SPACES), " "),
}


def fold(text: str) -> str:
    """Return `text` in plain characters; each stands where it stood.

    >>> fold("１３８－００００")
    '138-0000'
    """
    return text if text.isascii() and "\t" not in text else text.translate(_PLAIN)
