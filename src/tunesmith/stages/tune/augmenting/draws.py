"""One copy to be made: of which row, which number it has, and the chance that is its own."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from tunesmith.core.examples import Example
from tunesmith.data.fingerprints import stable_hash
from tunesmith.stages.tune.augmenting.edits import sides_of, with_side


@dataclass(frozen=True, slots=True)
class Draw:
    """Copy `number` (from 1) of a row; what is drawn depends on row, number and seed alone."""

    example: Example
    number: int
    seed: int

    def chance(self) -> random.Random:
        """Return a fresh source of chance, the same each time."""
        digest = stable_hash("copy", self.seed, self.number, self.example.id)
        return random.Random(int.from_bytes(digest[:8], "big"))


Made: TypeAlias = tuple[Draw, Example | None]
"""A copy, or None where nothing could be changed."""

Augmenter: TypeAlias = Callable[[Iterable[Draw]], Iterator[Made]]
"""What makes the copies that are asked for, in their order, reading ahead a chunk at most."""


def change_a_side(draw: Draw, change: Callable[[str, random.Random], str | None]) -> Example | None:
    """Return a row one of whose texts was changed, None where none could be.

    Of a pair one text is drawn, and the other is tried where it stays as it was.
    """
    chance = draw.chance()
    texts = sides_of(draw.example)
    for side in shuffled(range(len(texts)), chance):
        if (text := change(texts[side], chance)) is not None:
            return with_side(draw.example, side, text)
    return None


def shuffled(items: Iterable[int], chance: random.Random) -> Sequence[int]:
    """Return the items in an order that is drawn."""
    order = list(items)
    chance.shuffle(order)
    return order
