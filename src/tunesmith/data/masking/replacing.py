"""Placeholders in the place of personal data, and how offsets move with them."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tunesmith.core.examples import Span
from tunesmith.core.masking import NAME, PATTERNED
from tunesmith.data.masking.folding import fold

_PLACEHOLDER = re.compile(
    rf"\[(?:{'|'.join(kind.upper() for kind in (*PATTERNED, NAME))})(?:_[0-9]+)?\]"
)


def without_placeholders(text: str, spans: Iterable[Span]) -> list[Span]:
    """Return the spans that touch no placeholder of `text`: what is masked once is not a name."""
    taken = bytearray(len(text))
    for found in _PLACEHOLDER.finditer(text):
        taken[found.start() : found.end()] = b"\1" * (found.end() - found.start())
    return [span for span in spans if not any(taken[span.start : span.end])]


class Placeholders:
    """Names what was found: `[EMAIL]`, or with numbers `[EMAIL_1]`, one number a value."""

    def __init__(self, *, numbered: bool = False) -> None:
        """Know no value yet."""
        self._is_numbered = numbered
        self._known: dict[str, dict[str, int]] = {}

    def name(self, kind: str, value: str) -> str:
        """Return what stands for a value; spaces, dashes and case make no other of it."""
        if not self._is_numbered:
            return f"[{kind.upper()}]"
        known = self._known.setdefault(kind, {})
        plain = "".join(sign for sign in fold(value).casefold() if sign.isalnum() or sign in "@.:")
        return f"[{kind.upper()}_{known.setdefault(plain, len(known) + 1)}]"


@dataclass(frozen=True, slots=True)
class Masked:
    """A text with placeholders; `spans` are those of the text before, `places` where they went."""

    text: str
    spans: tuple[Span, ...]
    places: tuple[tuple[int, int], ...]

    @property
    def counts(self) -> Mapping[str, int]:
        """How many of each kind there were."""
        counts: dict[str, int] = {}
        for span in self.spans:
            counts[span.type] = counts.get(span.type, 0) + 1
        return counts

    def moved(self, start: int, end: int) -> tuple[int, int] | None:
        """Return where a stretch of the text before stands now; None where it was cut through."""
        first, last = self._forward(start), self._forward(end)
        for span, place in zip(self.spans, self.places, strict=True):
            if (start, end) == (span.start, span.end):
                return place
        return None if first is None or last is None else (first, last)

    def _forward(self, offset: int) -> int | None:
        number = bisect_right(self.spans, offset, key=lambda span: span.start) - 1
        if number < 0:
            return offset
        span, (start, end) = self.spans[number], self.places[number]
        if offset >= span.end:
            return end + offset - span.end
        return start if offset == span.start else None

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Return the stretch of the text before that now stands at `start` to `end`.

        What lies within a placeholder is all that it stands for.
        """
        return self._back(start, at_end=False), self._back(end, at_end=True)

    def _back(self, offset: int, *, at_end: bool) -> int:
        number = bisect_right(self.places, offset, key=lambda place: place[0]) - 1
        if number < 0:
            return offset
        span, (start, end) = self.spans[number], self.places[number]
        if offset >= end:
            return span.end + offset - end
        if offset == start:
            return span.start
        return span.end if at_end else span.start


def replace_spans(text: str, spans: Iterable[Span], placeholders: Placeholders) -> Masked:
    """Return `text` with a placeholder for each span; they stand in order, without overlaps."""
    parts, places, kept, at, size = [], [], [], 0, 0
    for span in spans:
        name = placeholders.name(span.type, text[span.start : span.end])
        parts += [text[at : span.start], name]
        size += span.start - at
        places.append((size, size + len(name)))
        size += len(name)
        at = span.end
        kept.append(span)
    return Masked("".join([*parts, text[at:]]), tuple(kept), tuple(places))
