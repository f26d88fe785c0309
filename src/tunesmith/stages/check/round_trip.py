"""Entities to tags to tokens and back: what a perfect model could not answer, and why.

Tags are put on tokens as training puts them there (`model.encoding`); one token carries one tag.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from tunesmith.core.examples import Span, WordsInput
from tunesmith.model.framing import Reading, Window
from tunesmith.tasks.ner import OUTSIDE, spans_of, tags_of

Cause: TypeAlias = Literal[
    "entity_overlap",
    "entity_inside_word",
    "entity_outside_words",
    "entity_shared_token",
    "entity_without_token",
    "entity_truncated",
]


@dataclass(frozen=True, slots=True)
class Loss:
    """A row whose entities do not come back: the causes, each with a stretch that shows it."""

    row: int
    causes: dict[Cause, Span]


def find_causes(
    inputs: WordsInput, gold: Sequence[Span], windows: Iterable[Window], reading: Reading
) -> dict[Cause, Span]:
    """Return why gold entities do not survive the way to tokens and back; nothing if all do.

    `windows` are those of this text alone.
    """
    tags = tags_of(gold, inputs)
    causes: dict[Cause, Span] = {}
    for cause, span in _border_causes(gold, spans_of(tags, inputs), inputs):
        causes.setdefault(cause, span)
    windows = list(windows)
    is_cut = reading.long_text == "truncate" and any(
        len(window.ids) >= reading.max_length for window in windows
    )
    for cause, span in _token_causes(tags, _read_back(tags, windows), inputs, is_cut=is_cut):
        causes.setdefault(cause, span)
    return causes


def _border_causes(
    gold: Sequence[Span], tagged: Sequence[Span], inputs: WordsInput
) -> Iterator[tuple[Cause, Span]]:
    """Yield why gold entities are not the same once they are tags on words."""
    kept = set(tagged)
    last_end = 0
    for span in sorted(gold):
        if span not in kept:
            yield _border_cause(span, inputs, is_overlap=span.start < last_end), span
        last_end = max(last_end, span.end)


def _border_cause(span: Span, inputs: WordsInput, *, is_overlap: bool) -> Cause:
    if is_overlap:
        return "entity_overlap"
    is_inside = any(
        start < border < end for start, end in inputs.words for border in (span.start, span.end)
    )
    return "entity_inside_word" if is_inside else "entity_outside_words"


def _read_back(tags: Sequence[str], windows: Iterable[Window]) -> list[str | None]:
    """Return the tag each word reads off its first token; None where no window answers for it.

    A word that shares the token of the word before goes on with that word's entity.
    """
    read: list[str | None] = [None] * len(tags)
    for window in windows:
        for word in window.words.tolist() if window.words is not None else ():
            read[word] = tags[word]
        for word, owner in window.followers.tolist() if window.followers is not None else ():
            read[word] = tags[owner].replace("B-", "I-", 1)
    return read


def _token_causes(
    tags: Sequence[str], read: Sequence[str | None], inputs: WordsInput, *, is_cut: bool
) -> Iterator[tuple[Cause, Span]]:
    """Yield why a word does not read the tag it was given, with that word as the span.

    Of words that share a token only the first reads its own; the span then holds two words.
    """
    last_read = max((word for word, tag in enumerate(read) if tag is not None), default=-1)
    for word, (tag, found) in enumerate(zip(tags, read, strict=True)):
        start, end = inputs.words[word]
        if found is None and tag != OUTSIDE:
            is_beyond = is_cut and word > last_read
            yield "entity_truncated" if is_beyond else "entity_without_token", Span(start, end, tag)
        elif found is not None and found != tag:
            yield "entity_shared_token", Span(inputs.words[word - 1][0], end, tag)
