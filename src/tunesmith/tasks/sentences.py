"""Texts to sentences, English and Chinese, and who says them where the text is a dialogue.

A sentence is a stretch of characters, so that whatever is chosen can be pointed at.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence

from tunesmith.tasks.words import join_words

Stretch = tuple[int, int]
"""(start, end) characters of a text."""

DIALOGUE_SHARE = 0.5
"""A text is a dialogue where at least this share of its lines (two or more) names a speaker."""

_LINE = re.compile(r"[^\r\n]+")
_CLOSERS = "\"'”’»』」）)\\]】》"
_END = re.compile(
    rf"[。！？；]+[…{_CLOSERS}]*|…+[{_CLOSERS}]*(?=\s|$|[^\x00-\x7f])"
    rf"|[.!?]+[{_CLOSERS}]*(?=\s|$)"
)
_ABBREVIATED = re.compile(
    r"(?:^|[\s(\"“])(?:[A-HJ-Z]|Mr|Mrs|Ms|Dr|Prof|Sr|Jr|St|Mt|vs|etc|[Ee]\.g|[Ii]\.e|cf|al|Inc|Ltd|Co"
    r"|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec|Fig|Eq|pp?|[ap]\.m)\.$"
)
_SPEAKER = re.compile(r"\s*(#[^#\s][^#\n]{0,30}#|[^\W\d_][\w .'’-]{0,30}?)\s*[:：]")


def split_sentences(text: str) -> tuple[Stretch, ...]:
    """Return the stretches of the sentences of `text`, in order, without the space around them.

    A line ends a sentence, as do `。！？；` and, before white space, `. ! ? …`: but not the point
    of an abbreviation, nor points or a quote that a small letter follows. Closing quotes belong to
    the sentence. A text without any is one sentence, itself.

    >>> text = "Mr. Li paid 3.5. 谢谢！好的。"
    >>> [text[start:end] for start, end in split_sentences(text)]
    ['Mr. Li paid 3.5.', '谢谢！', '好的。']
    """
    found: list[Stretch] = []
    for line in _LINE.finditer(text):
        start, stop = line.span()
        for end in _END.finditer(text, start, stop):
            if _goes_on(text, start, end, stop):
                continue
            found += _trimmed(text, start, end.end())
            start = end.end()
        found += _trimmed(text, start, stop)
    return tuple(found) or ((0, len(text)),)


def lines_of(text: str, sentences: Sequence[Stretch]) -> list[int]:
    """Return the number of the line that each sentence stands in; empty lines do not count."""
    starts = [line.start() for line in _LINE.finditer(text) if line.group().strip()]
    return [max(0, bisect_right(starts, start) - 1) for start, _ in sentences]


def find_speakers(text: str, sentences: Sequence[Stretch]) -> list[str]:
    """Return who says each sentence, as it stands at the head of the line (`#Person1#:`).

    Empty texts where this is no dialogue, and where a line names nobody.
    """
    heads = [
        (match := _SPEAKER.match(line.group())) and match.group().strip()
        for line in _LINE.finditer(text)
        if line.group().strip()
    ]
    if len(heads) < 2 or sum(map(bool, heads)) < DIALOGUE_SHARE * len(heads):  # noqa: PLR2004
        return [""] * len(sentences)
    return [heads[line] or "" for line in lines_of(text, sentences)]


def write_summary(text: str, sentences: Sequence[Stretch], chosen: Sequence[int]) -> str:
    """Return the chosen sentences as a text, in their own order.

    In a dialogue each line's first one is led by its speaker, also where the tag stands before a
    sentence that was not chosen, and lines stay lines.
    """
    lines, speakers = lines_of(text, sentences), find_speakers(text, sentences)
    written: dict[int, list[str]] = {}
    for number in sorted(chosen):
        start, end = sentences[number]
        own, speaker = text[start:end], speakers[number]
        parts = written.setdefault(lines[number], [])
        if speaker and not parts and not own.startswith(speaker):
            own = join_words([speaker, own])[0]
        parts.append(own)
    joined = [join_words(parts)[0] for parts in written.values()]
    return "\n".join(joined) if any(speakers) else join_words(joined)[0]


def lead_sentences(text: str, sentences: Sequence[Stretch], *, most: int) -> list[int]:
    """Return the sentences that a text begins with: its first turns where it is a dialogue."""
    if not any(find_speakers(text, sentences)):
        return list(range(min(most, len(sentences))))
    lines = lines_of(text, sentences)
    return [number for number, line in enumerate(lines) if line < most]


def _goes_on(text: str, start: int, end: re.Match[str], stop: int) -> bool:
    """Tell whether a sign that may end a sentence does not.

    That is after an abbreviation, and before a small letter after three points or a closing quote.
    """
    sign = end.group()
    if sign == ".":
        return bool(_ABBREVIATED.search(text, start, end.end())) and end.end() < stop
    return text[end.end() : stop].lstrip()[:1].islower() and sign.strip("!?") != ""


def _trimmed(text: str, start: int, end: int) -> list[Stretch]:
    """Return the stretch without white space at its ends, if anything is left."""
    own = text[start:end]
    first = start + len(own) - len(own.lstrip())
    last = start + len(own.rstrip())
    return [(first, last)] if first < last else []
