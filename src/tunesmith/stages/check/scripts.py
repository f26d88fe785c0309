"""Characters to scripts: which writing a text is in, counted without a loop over characters.

A script here is coarse on purpose: it answers "which vocabulary knows this?", not "what language?".
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from functools import cache

import numpy as np
from numpy.typing import NDArray

SCRIPTS = (
    "blank",
    "Latin",
    "Han",
    "Kana",
    "Hangul",
    "Cyrillic",
    "Greek",
    "Arabic",
    "Hebrew",
    "Thai",
    "Devanagari",
    "other letters",
    "digits",
    "punctuation",
    "symbols",
)
"""`blank` is what no vocabulary must know: white space, controls, combining marks of no script."""

INDEX = {script: number for number, script in enumerate(SCRIPTS)}
LETTERS = tuple(range(INDEX["Latin"], INDEX["other letters"] + 1))

_BY_NAME = {script.upper(): script for script in SCRIPTS[1:11]} | {
    "CJK": "Han",
    "IDEOGRAPHIC": "Han",
    "HIRAGANA": "Kana",
    "KATAKANA": "Kana",
    "KATAKANA-HIRAGANA": "Kana",
    "COMBINING": "blank",
    "VARIATION": "blank",
}
_BY_CATEGORY = {"N": "digits", "P": "punctuation", "S": "symbols", "Z": "blank", "C": "blank"}
_TABLE_SIZE = 0x20000
_HAN_PLANES = (0x20000, 0x40000)


def script_indices(text: str) -> NDArray[np.uint8]:
    """Return (characters,) indices into `SCRIPTS`."""
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    indices = _table()[np.minimum(points, _TABLE_SIZE - 1)]
    first, last = _HAN_PLANES
    indices[(points >= first) & (points < last)] = INDEX["Han"]
    return indices


def count_scripts(texts: Iterable[str]) -> NDArray[np.int64]:
    """Return (scripts,) how many characters of each script the texts hold.

    >>> counts = count_scripts(["Zürich, 北京 2024 😀"])
    >>> {name: int(count) for name, count in zip(SCRIPTS, counts) if count}
    {'blank': 3, 'Latin': 6, 'Han': 2, 'digits': 4, 'punctuation': 1, 'symbols': 1}
    """
    return np.bincount(script_indices("".join(texts)), minlength=len(SCRIPTS))


@cache
def _table() -> NDArray[np.uint8]:
    """Return the script of every character below the supplementary ideographic planes."""
    table = np.zeros(_TABLE_SIZE, dtype=np.uint8)
    for point in range(_TABLE_SIZE - 1):
        table[point] = INDEX[_script_of(chr(point))]
    return table


def _script_of(char: str) -> str:
    category = unicodedata.category(char)[0]
    if category in _BY_CATEGORY:
        return _BY_CATEGORY[category]
    words = unicodedata.name(char, "").split() or [""]
    if words[0] in {"FULLWIDTH", "HALFWIDTH"}:
        words = words[1:]
    return _BY_NAME.get(words[0], "other letters")
