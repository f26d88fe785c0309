"""Words that a masked language model guesses anew.

Source: Wu et al. 2019, §3; Kumar et al. 2020, §3.1.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from tunesmith.core.augmentation import MaskedWords
from tunesmith.core.examples import Example
from tunesmith.data.synonyms import Synonyms
from tunesmith.model.masked_words import Guess, Guesser, ReadText, guess_words, read_texts
from tunesmith.stages.tune.augmenting.draws import Augmenter, Draw, Made
from tunesmith.stages.tune.augmenting.edits import Edit, edit_text, sides_of, with_side
from tunesmith.stages.tune.augmenting.words import Word, find_words, in_the_case_of

CHUNK_DRAWS = 256
NO_SYNONYMS = Synonyms({})


def make_masked(guesser: Guesser, recipe: MaskedWords) -> Augmenter:
    """Return what hides some words of each copy and draws one of the model's guesses for each."""

    def copies(draws: Iterable[Draw]) -> Iterator[Made]:
        stream = iter(draws)
        while chunk := list(islice(stream, CHUNK_DRAWS)):
            yield from zip(chunk, _changed(guesser, recipe, chunk), strict=True)

    return copies


def _changed(
    guesser: Guesser, recipe: MaskedWords, draws: Sequence[Draw]
) -> Iterator[Example | None]:
    chances = [draw.chance() for draw in draws]
    sides = [
        chance.randrange(len(sides_of(draw.example)))
        for draw, chance in zip(draws, chances, strict=True)
    ]
    texts = [sides_of(draw.example)[side] for draw, side in zip(draws, sides, strict=True)]
    leads = [_label_of(draw.example) if recipe.label_first else "" for draw in draws]
    read = read_texts(guesser, [lead + text for lead, text in zip(leads, texts, strict=True)])
    words = [
        _draw_words(text, len(lead), own, chance, share=recipe.share)
        for text, lead, own, chance in zip(texts, leads, read, chances, strict=True)
    ]
    hidden = [[place for _, place in own] for own in words]
    guesses = guess_words(guesser, read, hidden, count=recipe.candidates)
    for number, draw in enumerate(draws):
        chosen = [word for word, _ in words[number]]
        edits = _edits(chosen, guesses[number], chances[number])
        text = edit_text(texts[number], edits).text
        yield with_side(draw.example, sides[number], text) if edits else None


def _draw_words(
    text: str, lead: int, read: ReadText, chance: random.Random, *, share: float
) -> list[tuple[Word, int]]:
    """Return some words that are one token, in their order, and the place of each."""
    words = find_words(text, NO_SYNONYMS)
    known = [
        (word, place)
        for word in words
        if not word.turns
        and (place := read.places.get((lead + word.start, lead + word.end))) is not None
    ]
    chosen = chance.sample(known, min(len(known), max(1, round(share * len(words)))))
    return sorted(chosen, key=lambda pair: pair[0].start)


def _edits(
    words: Sequence[Word], guesses: Sequence[Sequence[Guess]], chance: random.Random
) -> list[Edit]:
    edits = []
    for word, own in zip(words, guesses, strict=True):
        if own:
            weights = [guess.probability for guess in own]
            (new,) = chance.choices([guess.word for guess in own], weights=weights)
            edits.append(Edit(word.start, word.end, in_the_case_of(new, word.text)))
    return edits


def _label_of(example: Example) -> str:
    """Return the label or labels of a row as words before its text, or nothing."""
    gold = example.gold
    if isinstance(gold, tuple):
        gold = ", ".join(gold)
    return f"{gold}: " if isinstance(gold, str) and gold else ""
