from __future__ import annotations

import pytest

from tunesmith.core.examples import Example, PairInput, Place, Span, TextInput, WordsInput
from tunesmith.stages.tune.augmenting import Tally, make_augmenter, make_copies
from tunesmith.tasks.words import split_words


@pytest.fixture
def text_row():
    def make(text, gold="label", identity="1"):
        return Example(identity, TextInput(text), gold, Place("rows.csv", 1), "group")

    return make


@pytest.fixture
def pair_row():
    def make(first, second):
        return Example("1", PairInput(first, second), "same", Place("rows.csv", 1))

    return make


@pytest.fixture
def word_row():
    """Return a row of words whose entities are given by (text, type)."""

    def make(text, *entities, identity="1"):
        spans = [Span(text.index(own), text.index(own) + len(own), kind) for own, kind in entities]
        inputs = WordsInput(text, split_words(text))
        return Example(identity, inputs, tuple(sorted(spans)), Place("rows.jsonl", 1))

    return make


@pytest.fixture
def copies_of():
    """Return the copies of rows and their tally."""

    def make(recipe, rows, *, seed=0):
        tally = Tally()
        augmenter = make_augmenter(recipe, rows, device="cpu", emit=lambda _: None)
        found = make_copies(rows, augmenter, copies=recipe.copies, seed=seed, tally=tally)
        return list(found), tally

    return make
