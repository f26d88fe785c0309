"""Easy data augmentation: synonyms, insertion, swap and deletion of words.

Source: Wei & Zou 2019 (EDA), §2.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence

from tunesmith.core.augmentation import EdaOperation
from tunesmith.core.examples import Example, WordsInput
from tunesmith.data.synonyms import Synonyms
from tunesmith.stages.tune.augmenting.draws import Augmenter, Draw, Made, change_a_side
from tunesmith.stages.tune.augmenting.edits import Edit, edit_text, edit_words
from tunesmith.stages.tune.augmenting.words import Word, find_words, in_the_case_of
from tunesmith.tasks.words import join_words


def make_eda(operations: Sequence[EdaOperation], synonyms: Synonyms, *, share: float) -> Augmenter:
    """Return what gives each copy one of the operations, another one where that changes nothing.

    Of rows of words only those outside entities are exchanged, by synonyms.
    """

    def copies(draws: Iterable[Draw]) -> Iterator[Made]:
        for draw in draws:
            if isinstance(draw.example.inputs, WordsInput):
                yield draw, _change_words(draw, synonyms, share=share)
            else:
                yield draw, change_a_side(draw, change)

    def change(text: str, chance: random.Random) -> str | None:
        words = find_words(text, synonyms)
        count = max(1, round(share * len(words)))
        for operation in chance.sample(list(operations), len(operations)):
            if edits := _edits(operation, words, chance, count=count):
                return edit_text(text, edits).text
        return None

    return copies


def _edits(
    operation: EdaOperation, words: Sequence[Word], chance: random.Random, *, count: int
) -> list[Edit]:
    """Return the edits of one operation in their order; none where it cannot change these words."""
    match operation:
        case "synonyms":
            return _replace(words, chance, count=count)
        case "insertion":
            return _insert(words, chance, count=count)
        case "swap":
            return _swap(words, chance, count=count)
        case "deletion":
            return _delete(words, chance, count=count)


def _replace(words: Sequence[Word], chance: random.Random, *, count: int) -> list[Edit]:
    known = [word for word in words if word.synonyms]
    chosen = chance.sample(known, min(count, len(known)))
    edits = [Edit(word.start, word.end, _synonym(word, chance)) for word in chosen]
    return sorted(edits, key=lambda edit: edit.start)


def _insert(words: Sequence[Word], chance: random.Random, *, count: int) -> list[Edit]:
    """Put synonyms of some words before words that are drawn."""
    known = [word for word in words if word.synonyms]
    if not known:
        return []
    places = sorted(chance.sample(range(len(words)), min(count, len(words))))
    edits = []
    for place in places:
        before = words[place]
        new = chance.choice(chance.choice(known).synonyms)
        edits.append(Edit(before.start, before.end, join_words([new, before.text])[0]))
    return edits


def _swap(words: Sequence[Word], chance: random.Random, *, count: int) -> list[Edit]:
    """Exchange two words, as often as `count` says."""
    order = list(range(len(words)))
    if len(order) > 1:
        for _ in range(count):
            one, other = chance.sample(order, 2)
            order[one], order[other] = order[other], order[one]
    return [
        Edit(word.start, word.end, words[other].text)
        for word, other in zip(words, order, strict=True)
        if words[other].text != word.text
    ]


def _delete(words: Sequence[Word], chance: random.Random, *, count: int) -> list[Edit]:
    """Leave words out, at least one and never all; those that turn a meaning round stay.

    `count` of the words go on average, as where each goes with a probability of its own.
    """
    if len(words) < 2:  # noqa: PLR2004 (a text of one word would be empty)
        return []
    going = [word for word in words if not word.turns and chance.random() < count / len(words)]
    may_go = [word for word in words if not word.turns]
    if not going and may_go:
        going = [chance.choice(may_go)]
    return [Edit(word.start, word.end, "") for word in going[: len(words) - 1]]


def _change_words(draw: Draw, synonyms: Synonyms, *, share: float) -> Example | None:
    """Return a row of words with synonyms outside its entities."""
    example, chance = draw.example, draw.chance()
    starts = {start for start, _ in example.inputs.words}
    ends = {end for _, end in example.inputs.words}
    free = [
        word
        for word in find_words(example.inputs.text, synonyms)
        if word.start in starts
        and word.end in ends
        and not any(word.start < span.end and span.start < word.end for span in example.gold)
    ]
    edits = _replace(free, chance, count=max(1, round(share * len(starts))))
    return edit_words(example, edits) if edits else None


def _synonym(word: Word, chance: random.Random) -> str:
    return in_the_case_of(chance.choice(word.synonyms), word.text)
