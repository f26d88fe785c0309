"""Texts to words: the units that entity tags stand on, for spaced and unspaced scripts alike.

This module does not know tokens; a word here is a stretch of characters a person would point at.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from tunesmith.measure.scripts import UNSPACED

_WORD = re.compile(rf"[{UNSPACED}]|\d+|[^\W\d_{UNSPACED}]+|[^\w\s]|_")
_UNSPACED = re.compile(rf"[{UNSPACED}]|(?!\w)[\u3000-\u303f\uff00-\uffef]")


def split_words(text: str) -> tuple[tuple[int, int], ...]:
    """Return the (start, end) offsets of the words of `text`.

    Letters, digits and single punctuation marks form separate words, and every character of a
    script written without spaces (Han, kana, Thai, Khmer, Lao) is a word of its own, so that an
    entity border almost always falls between two words.

    >>> [("Order 2kg 冰拿铁")[a:b] for a, b in split_words("Order 2kg 冰拿铁")]
    ['Order', '2', 'kg', '冰', '拿', '铁']
    """
    return tuple(match.span() for match in _WORD.finditer(text))


def join_words(words: Sequence[str]) -> tuple[str, tuple[tuple[int, int], ...]]:
    """Return the text that `words` make and the offsets of each in it.

    A space stands between two words unless one of the touching characters belongs to a script
    written without spaces, or is its punctuation.

    >>> join_words(["New", "York", "很", "大"])
    ('New York很大', ((0, 3), (4, 8), (8, 9), (9, 10)))
    """
    parts: list[str] = []
    offsets: list[tuple[int, int]] = []
    end = 0
    for word in words:
        if parts and word and parts[-1] and not _touches_unspaced(parts[-1][-1], word[0]):
            parts.append(" ")
            end += 1
        parts.append(word)
        offsets.append((end, end + len(word)))
        end += len(word)
    return "".join(parts), tuple(offsets)


def _touches_unspaced(before: str, after: str) -> bool:
    return bool(_UNSPACED.match(before) or _UNSPACED.match(after))
