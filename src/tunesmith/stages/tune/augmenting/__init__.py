"""Augmentation: the only place that matches a kind of copy to the code that makes it.

Training rows alone are copied; who asks for it says which rows those are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tunesmith.core.augmentation import (
    Augmentation,
    BackTranslation,
    Eda,
    EdaOperation,
    MaskedWords,
    Mentions,
)
from tunesmith.core.errors import SpecError
from tunesmith.core.events import Event, Said
from tunesmith.core.examples import Example
from tunesmith.data.fingerprints import text_key
from tunesmith.data.synonyms import read_synonyms, usual_synonyms
from tunesmith.model.masked_words import load_guesser
from tunesmith.runtime.engine import Engine
from tunesmith.runtime.loading import load_engine
from tunesmith.stages.tune.augmenting.back_translation import make_back_translation
from tunesmith.stages.tune.augmenting.draws import Augmenter, Draw
from tunesmith.stages.tune.augmenting.eda import make_eda
from tunesmith.stages.tune.augmenting.edits import sides_of
from tunesmith.stages.tune.augmenting.masked import make_masked
from tunesmith.stages.tune.augmenting.mentions import find_mentions, make_mentions
from tunesmith.store.bundles import read_bundle

TEXTS = ("classification", "multilabel", "matching")
AUGMENTED: dict[str, tuple[str, ...]] = {
    "eda": (*TEXTS, "ner"),
    "masked": TEXTS,
    "back-translation": TEXTS,
    "mentions": ("ner",),
}
"""The tasks whose answers each augmentation keeps."""

ALL_OPERATIONS: tuple[EdaOperation, ...] = ("synonyms", "insertion", "swap", "deletion")


@dataclass(slots=True)
class Tally:
    """How many copies were made, and how many were dropped for being empty, unchanged or equal."""

    rows: int = 0
    made: int = 0
    dropped: int = 0

    def sentence(self, name: str) -> str:
        """Return what the report says of them."""
        return (
            f"augmentation: {name}, {self.made:,} copies beside {self.rows:,} training rows; "
            f"{self.dropped:,} empty, unchanged or equal ones were dropped"
        )


def refuse_augmentation(recipe: Augmentation, task: str) -> None:
    """Raise `SpecError` where a kind of copy would not keep the answers of a task."""
    if task not in AUGMENTED[recipe.name]:
        able = [name for name, kinds in AUGMENTED.items() if task in kinds]
        raise SpecError(
            f"`augmentation` {recipe.name} keeps the answers of "
            f"{', '.join(AUGMENTED[recipe.name])}; got {task}",
            hint=f"--augmentation {able[0]}" if able else "leave out `augmentation`",
        )
    wrong = set(getattr(recipe, "operations", None) or ()) - {"synonyms"}
    if task == "ner" and wrong:
        raise SpecError(
            "`augmentation.operations` must be synonyms where words carry tags; "
            f"got {', '.join(sorted(wrong))}",
            hint="--set 'augmentation.operations=[synonyms]'",
        )


def make_augmenter(
    recipe: Augmentation, train: Sequence[Example], *, device: Any, emit: Callable[[Event], None]
) -> Augmenter:
    """Return what makes the copies, its dictionary, models or mentions read.

    Raises what reading them does, and `SpecError` where a model is none that can do it.
    """
    match recipe:
        case Eda():
            known = read_synonyms(recipe.synonyms) if recipe.synonyms else usual_synonyms()
            emit(Said(f"augmentation: {len(known):,} words with synonyms"))
            return make_eda(recipe.operations or ALL_OPERATIONS, known, share=recipe.share)
        case MaskedWords():
            guesser = load_guesser(recipe.model, revision=recipe.revision, device=device)
            return make_masked(guesser, recipe)
        case BackTranslation():
            there, back = (
                _translator(getattr(recipe, side), side, device=device)
                for side in ("there", "back")
            )
            return make_back_translation(there, back, temperature=recipe.temperature)
        case Mentions():
            return make_mentions(find_mentions(train), share=recipe.share)


def make_copies(
    train: Sequence[Example], augmenter: Augmenter, *, copies: int, seed: int, tally: Tally
) -> Iterator[Example]:
    """Yield the copies of all rows in their order, and count them in `tally`.

    A copy has its row's answer, place and group, and an id of its own. One without text, with the
    text of its row or with that of an earlier copy is dropped.
    """

    def draws() -> Iterator[Draw]:
        for example in train:
            tally.rows += 1
            yield from (Draw(example, number, seed) for number in range(1, copies + 1))

    known: set[str] = set()
    for draw, copy in augmenter(draws()):
        if draw.number == 1:
            known = {text_key(draw.example)}
        if copy is None or not all(map(str.strip, sides_of(copy))) or text_key(copy) in known:
            tally.dropped += 1
            continue
        known.add(text_key(copy))
        tally.made += 1
        yield replace(copy, id=f"{copy.id}+{draw.number}")


def _translator(path: str, side: str, *, device: Any) -> Engine:
    """Return the engine of a bundle that translates. Raises `SpecError` where it does not."""
    bundle = read_bundle(path)
    if bundle.task.kind != "translation":
        raise SpecError(
            f"`augmentation.{side}` must be a bundle that translates; "
            f"`{path}` is for {bundle.task.kind}",
            hint="make one with `tunesmith fit PAIRS --task translation`",
        )
    return load_engine(bundle, device=device)
