"""Texts that were translated there and back.

Source: Sennrich et al. 2016, §3; Edunov et al. 2018, §3 (drawing).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from tunesmith.core.examples import Example, Inputs, TextInput
from tunesmith.core.recipe import DecodingRecipe
from tunesmith.runtime.engine import Engine, answer
from tunesmith.runtime.loading import with_decoding
from tunesmith.stages.tune.augmenting.draws import Augmenter, Draw, Made
from tunesmith.stages.tune.augmenting.edits import sides_of, with_side

CHUNK_DRAWS = 256


def make_back_translation(there: Engine, back: Engine, *, temperature: float) -> Augmenter:
    """Return what translates a text of each row there and back; equal copies come of temperature 0.

    Each number of copy draws by a seed of its own.
    """

    def copies(draws: Iterable[Draw]) -> Iterator[Made]:
        stream = iter(draws)
        while chunk := list(islice(stream, CHUNK_DRAWS)):
            yield from zip(chunk, translated(chunk), strict=True)

    def translated(draws: Sequence[Draw]) -> list[Example | None]:
        found: list[Example | None] = [None] * len(draws)
        for number in sorted({draw.number for draw in draws}):
            own = [place for place, draw in enumerate(draws) if draw.number == number]
            sides = [
                draws[place].chance().randrange(len(sides_of(draws[place].example)))
                for place in own
            ]
            texts = [
                sides_of(draws[place].example)[side] for place, side in zip(own, sides, strict=True)
            ]
            seed = (draws[own[0]].seed + number) % 2**32
            returned = _translate(back, _translate(there, texts, seed=seed), seed=seed)
            for place, side, text in zip(own, sides, returned, strict=True):
                found[place] = with_side(draws[place].example, side, text) if text else None
        return found

    def _translate(engine: Engine, texts: Sequence[str], *, seed: int) -> list[str]:
        if temperature:
            drawn = DecodingRecipe(temperature=temperature, beams=1, seed=seed)
            engine = with_decoding(engine, drawn)
        inputs: list[Inputs] = [TextInput(text) for text in texts]
        return [reply.text.strip() for reply in answer(engine, inputs)]  # type: ignore[union-attr]

    return copies
