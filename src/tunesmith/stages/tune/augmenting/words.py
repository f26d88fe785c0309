"""The words of a text that augmentation works on, in English and Chinese, and their synonyms.

A word is the longest one that the dictionary knows; else a Chinese character, or a Latin word or
number, which is never split.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tunesmith.data.synonyms import Synonyms
from tunesmith.measure.scripts import UNSPACED

_LETTERS = rf"[^\W_{UNSPACED}]"
_PIECE = re.compile(rf"[{UNSPACED}]|{_LETTERS}+(?:(?:['’.@:/&_-]|(?<=\d),(?=\d)){_LETTERS}+)*")

NEGATIONS = frozenset(
    [
        *("no", "not", "never", "none", "nor", "neither", "nothing", "nobody", "without"),
        *("cannot", "hardly", "不", "没", "无", "未", "别", "勿", "非", "莫", "否"),
        *("没有", "不是", "不会", "不能", "不要"),
    ]
)
"""Words that turn a meaning round: they are never left out."""


@dataclass(frozen=True, slots=True)
class Word:
    """A stretch of a text, (start, end), and what may stand in its place."""

    start: int
    end: int
    text: str
    synonyms: tuple[str, ...]

    @property
    def turns(self) -> bool:
        """Whether it turns the meaning of its sentence round."""
        folded = self.text.casefold().replace("’", "'")
        return folded in NEGATIONS or folded.endswith("n't")


def find_words(text: str, synonyms: Synonyms) -> list[Word]:
    """Return the words of a text in their order; marks between them belong to none.

    >>> known = Synonyms({"好吃": ("美味",)})
    >>> [word.text for word in find_words("iPhone-15很好吃，very 3,000", known)]
    ['iPhone-15', '很', '好吃', 'very', '3,000']
    """
    pieces = [match.span() for match in _PIECE.finditer(text)]
    words: list[Word] = []
    place = 0
    while place < len(pieces):
        start, last = pieces[place][0], place
        known: tuple[str, ...] = ()
        for other in range(min(place + synonyms.longest, len(pieces)) - 1, place - 1, -1):
            if known := synonyms.of(text[start : pieces[other][1]]):
                last = other
                break
        end = pieces[last][1]
        words.append(Word(start, end, text[start:end], known))
        place = last + 1
    return words


def in_the_case_of(word: str, old: str) -> str:
    """Return a word written as `old` is: in capitals, with the first one, or as it is.

    >>> in_the_case_of("fast", "Quick"), in_the_case_of("fast", "QUICK")
    ('Fast', 'FAST')
    """
    if len(old) > 1 and old.isupper():
        return word.upper()
    return word[0].upper() + word[1:] if old[0].isupper() else word
