"""Numbers as they are written: groups of digits with single separators, and what stands around.

Every look is bounded: a group is joined with as many others as a number may have digits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_DIGITS = re.compile(r"[0-9]+")
LABEL_WINDOW = 32
"""Characters before a number that may say what it is."""

FEWEST_DIGITS = 7
"""Of any number that is looked for in groups."""

BETWEEN = " -./()"
"""What may stand between the groups of a number."""

_OPENING = " :=#\"'([<>*|-,、“”‘’【「『《"
_FILLERS = (
    *("number", "no.", "no", "nr", "num", "id", "code", "is", "was", "to", "at", "on", "me", "us"),
    *(
        "my",
        "your",
        "new",
        "改成",
        "改为",
        "换成",
        "变成",
        "号",
        "码",
        "编",
        "是",
        "为",
        "的",
        "我",
    ),
    *("这", "个"),
)
"""Words, the longer before those they end with, that may stand between a name and its number."""


class Number(NamedTuple):
    """Groups of digits read as one number: `text[start:end]`, its digits, the groups' sizes."""

    start: int
    end: int
    digits: str
    sizes: tuple[int, ...]


def digit_groups(folded: str) -> list[tuple[int, int]]:
    """Return the stretches of digits, in order, without those too lonely to make a number."""
    kept: list[tuple[int, int]] = []
    near: list[tuple[int, int]] = []
    for found in _DIGITS.finditer(folded):
        start, end = found.span()
        if near and (start - near[-1][1] > 2 or folded[near[-1][1]] not in BETWEEN):
            kept += near if sum(e - s for s, e in near) >= FEWEST_DIGITS else ()
            near = []
        near.append((start, end))
    return kept + (near if sum(e - s for s, e in near) >= FEWEST_DIGITS else [])


def joined(
    folded: str,
    groups: list[tuple[int, int]],
    first: int,
    *,
    most: int,
    least: int = 1,
    separators: tuple[str, ...] = (" ", "-"),
) -> Iterator[Number]:
    """Yield the numbers that begin with group `first`, of up to `most` digits, the shortest first.

    Groups but the first have at least `least`. The same separator stands between all where there
    are two to choose from.
    """
    start, end = groups[first]
    digits, sizes, between = "", [], ""
    for number in range(first, min(first + most, len(groups))):
        begins, ends = groups[number]
        if number > first:
            found = folded[end:begins] if begins - end <= 2 else "\n"
            if found not in separators or (len(separators) == 2 and between not in ("", found)):
                return
            between = found
            if ends - begins < least:
                return
        if len(digits) + ends - begins > most:
            return
        digits += folded[begins:ends]
        sizes.append(ends - begins)
        end = ends
        yield Number(start, end, digits, tuple(sizes))


def stands_alone(folded: str, start: int, end: int) -> bool:
    """Tell whether a stretch is no part of a longer word, identifier or decimal number."""
    before, after = folded[max(0, start - 2) : start], folded[end : end + 2]
    if before and (_is_word(before[-1]) or (before[-1] in ".-" and _is_word(before[:-1]))):
        return False
    return not (after and (_is_word(after[0]) or (after[0] in ".-" and _is_word(after[1:]))))


def follows_group(folded: str, start: int) -> bool:
    """Tell whether a group of 3 to 6 digits stands right before: a longer number goes on here."""
    before = folded[max(0, start - 8) : start]
    return bool(before) and before[-1] in " -" and 3 <= _digits_at_end(before[:-1]) <= 6


def _digits_at_end(text: str) -> int:
    return len(text) - len(text.rstrip("0123456789"))


def _is_word(sign: str) -> bool:
    return sign == "_" or (sign.isascii() and sign.isalnum())


def label_before(folded: str, start: int) -> str:
    """Return what stands before a number, in lower case, without what says nothing of it.

    >>> label_before("Order number is: ", 17)
    'order'
    """
    text = folded[max(0, start - LABEL_WINDOW) : start].lower()
    while True:
        cut = text.rstrip(_OPENING)
        for filler in _FILLERS:
            if cut.endswith(filler) and _begins_word(cut, filler):
                cut = cut[: -len(filler)]
                break
        if cut == text:
            return cut
        text = cut


def ends_with_word(label: str, words: tuple[str, ...]) -> bool:
    """Tell whether a label ends with one of some words, as whole words."""
    return any(label.endswith(word) and _begins_word(label, word) for word in words)


def _begins_word(text: str, ending: str) -> bool:
    before = text[: len(text) - len(ending)][-1:]
    return not (ending[0].isascii() and before.isascii() and before.isalnum())
