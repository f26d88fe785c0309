"""Which characters are Chinese, and which stand in scripts written without spaces.

Ranges of code points only: this module splits nothing and knows no metric.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

HAN = "\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""Chinese characters, as the inside of a regular expression's brackets."""

UNSPACED = HAN + "\u3040-\u30ff\u0e00-\u0eff\u1780-\u17ff"
"""Han, kana, Thai, Lao and Khmer, in the same form."""

_HAN = re.compile(f"[{HAN}]")
_UNSPACED_END = re.compile(f"[{UNSPACED}]$")
_LETTER = re.compile(r"[^\W_]")


def holds_han(text: str) -> bool:
    """Return whether at least one Chinese character is in the text.

    >>> holds_han("Nexon公司"), holds_han("Nexon")
    (True, False)
    """
    return _HAN.search(text) is not None


def ends_unspaced(text: str) -> bool:
    """Return whether a text ends with a character of a script written without spaces.

    >>> ends_unspaced("Nexon公司"), ends_unspaced("公司 Nexon")
    (True, False)
    """
    return _UNSPACED_END.search(text) is not None


def han_ratio(texts: Iterable[str]) -> float:
    """Return the share of Chinese characters among all letters and digits; 0.0 where none are.

    >>> han_ratio(["我用 GPU 训练"])
    0.5714285714285714
    """
    han = letters = 0
    for text in texts:
        han += len(_HAN.findall(text))
        letters += len(_LETTER.findall(text))
    return han / letters if letters else 0.0
