"""Mention replacement: an entity is exchanged for another of its type.

Source: Dai & Adel 2020, §3.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tunesmith.core.examples import Example, Span
from tunesmith.stages.tune.augmenting.draws import Augmenter, Draw, Made
from tunesmith.stages.tune.augmenting.edits import Edit, edit_words

MOST_MENTIONS = 10_000
"""Different mentions of a type that are kept: those of the first rows."""


@dataclass(frozen=True, slots=True)
class Mention:
    """The text of an entity and the (start, end) of its words within it."""

    text: str
    words: tuple[tuple[int, int], ...]


def find_mentions(examples: Iterable[Example]) -> dict[str, tuple[Mention, ...]]:
    """Return the different mentions of each type, in the order of the rows."""
    found: dict[str, dict[str, Mention]] = {}
    for example in examples:
        for span in example.gold:
            own = found.setdefault(span.type, {})
            text = example.inputs.text[span.start : span.end]
            if text not in own and len(own) < MOST_MENTIONS:
                own[text] = Mention(text, _words_within(example, span))
    return {kind: tuple(own.values()) for kind, own in found.items()}


def make_mentions(known: Mapping[str, Sequence[Mention]], *, share: float) -> Augmenter:
    """Return what replaces each entity with probability `share`, and at least one of a row."""

    def copies(draws: Iterable[Draw]) -> Iterator[Made]:
        for draw in draws:
            yield draw, _change(draw, known, share=share)

    return copies


def _change(draw: Draw, known: Mapping[str, Sequence[Mention]], *, share: float) -> Example | None:
    example, chance = draw.example, draw.chance()
    spans = [span for span in sorted(example.gold) if _covers_words(example, span)]
    may_change = [span for span in spans if len(known.get(span.type, ())) > 1]
    if not may_change:
        return None
    chosen = [span for span in may_change if chance.random() < share]
    edits, words = [], []
    for span in chosen or [chance.choice(may_change)]:
        own = example.inputs.text[span.start : span.end]
        first, second = chance.sample(known[span.type], 2)
        mention = first if first.text != own else second
        edits.append(Edit(span.start, span.end, mention.text))
        words.append(mention.words)
    return edit_words(example, edits, words=words)


def _words_within(example: Example, span: Span) -> tuple[tuple[int, int], ...]:
    return tuple(
        (max(start, span.start) - span.start, min(end, span.end) - span.start)
        for start, end in example.inputs.words
        if start < span.end and span.start < end
    )


def _covers_words(example: Example, span: Span) -> bool:
    """Tell whether an entity begins and ends where words do."""
    words = example.inputs.words
    return any(start == span.start for start, _ in words) and any(
        end == span.end for _, end in words
    )
