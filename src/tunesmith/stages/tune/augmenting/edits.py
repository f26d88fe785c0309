"""Stretches of a text that are exchanged, and where all that was not went.

It knows no task: what may be exchanged is the affair of each augmentation.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tunesmith.core.examples import Example, PairInput, Span, TextInput, WordsInput
from tunesmith.measure.scripts import UNSPACED
from tunesmith.tasks.words import split_words

_SPACED = re.compile(rf"[^\W_{UNSPACED}]")


@dataclass(frozen=True, slots=True)
class Edit:
    """`text` in the place of a text's characters from `start` to `end`; without text they go."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Edited:
    """A new text: where each edit's text stands in it, and where what was kept went.

    `places` are (start, end) in the order of the edits; `kept` are (start, end, new start) of each
    stretch between them.
    """

    text: str
    places: tuple[tuple[int, int], ...]
    kept: tuple[tuple[int, int, int], ...]

    def moved(self, offset: int) -> int:
        """Return where a character that was kept stands now."""
        return next(new + offset - start for start, end, new in self.kept if start <= offset < end)


class _Writing:
    """A text that grows by pieces; a space parts Latin words and numbers that would touch."""

    def __init__(self) -> None:
        self.text = ""

    def put(self, piece: str) -> int:
        """Put a piece at the end and return where it begins."""
        if piece and self.text and _SPACED.match(self.text[-1]) and _SPACED.match(piece[0]):
            self.text += " "
        start = len(self.text)
        self.text += piece
        return start


def edit_text(text: str, edits: Sequence[Edit]) -> Edited:
    """Return the text with all edits, which are in order and do not overlap.

    A space is put where two Latin words or numbers would run together, and one goes with a word
    that leaves two of them.
    """
    writing, places, kept, done = _Writing(), [], [], 0
    for edit in edits:
        kept.append((done, edit.start, writing.put(text[done : edit.start])))
        start = writing.put(edit.text)
        places.append((start, start + len(edit.text)))
        done = edit.end
        if not edit.text and text[done : done + 1] == " " and writing.text[-1:] in ("", " "):
            done += 1
    kept.append((done, len(text), writing.put(text[done:])))
    return Edited(writing.text, tuple(places), tuple(kept))


def sides_of(example: Example) -> tuple[str, ...]:
    """Return the texts of a row that may be changed: its one text, or both of a pair."""
    inputs = example.inputs
    return (inputs.first, inputs.second) if isinstance(inputs, PairInput) else (inputs.text,)


def with_side(example: Example, side: int, text: str) -> Example:
    """Return a row with another text in the place of one of its sides, and the same answer."""
    inputs = example.inputs
    if isinstance(inputs, PairInput):
        inputs = replace(inputs, **{("first", "second")[side]: text})
    else:
        inputs = TextInput(text)
    return replace(example, inputs=inputs)


def edit_words(
    example: Example,
    edits: Sequence[Edit],
    *,
    words: Sequence[tuple[tuple[int, int], ...]] = (),
) -> Example:
    """Return a row of words with all edits; each covers whole words, and entities whole or not.

    `words` are the (start, end) of the words within each edit's text; none finds them.
    """
    inputs: WordsInput = example.inputs
    edited = edit_text(inputs.text, edits)
    found = [
        (edited.moved(start), edited.moved(end - 1) + 1)
        for start, end in inputs.words
        if not any(edit.start <= start < edit.end for edit in edits)
    ]
    for number, (edit, (begin, _)) in enumerate(zip(edits, edited.places, strict=True)):
        within = words[number] if words else split_words(edit.text)
        found += [(begin + start, begin + end) for start, end in within]
    new = {(edit.start, edit.end): place for edit, place in zip(edits, edited.places, strict=True)}
    spans = []
    for span in example.gold:
        kept = new.get((span.start, span.end))
        start, end = kept or (edited.moved(span.start), edited.moved(span.end - 1) + 1)
        spans.append(Span(start, end, span.type))
    return replace(
        example,
        inputs=WordsInput(edited.text, tuple(sorted(found))),
        gold=tuple(sorted(spans)),
    )
