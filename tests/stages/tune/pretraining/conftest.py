"""What the tests of pretraining share: a vocabulary, a corpus, their tokens."""

from __future__ import annotations

import pytest

from tunesmith.core.pretraining import TokenizerRecipe
from tunesmith.data.corpus import Passage
from tunesmith.model.pretraining.vocabulary import Vocabulary, train_vocabulary
from tunesmith.stages.tune.pretraining.corpus import Corpus, gather_corpus

TEXTS = [f"order {number} of the walker is walking to 天下 {number % 7}" for number in range(60)]


@pytest.fixture(scope="session")
def make_vocabulary():
    """Return the function that trains a small vocabulary for an objective."""

    def make(objective: str, kind: str = "wordpiece") -> Vocabulary:
        return train_vocabulary(TEXTS, TokenizerRecipe(name=kind), objective=objective, size=300)

    return make


@pytest.fixture(scope="session")
def corpus() -> Corpus:
    """Return a corpus of rows and of a text file."""
    passages = [Passage(text, number, is_row=True) for number, text in enumerate(TEXTS[:30])]
    passages += [Passage(text, 30, is_row=False) for text in TEXTS[30:]]
    return gather_corpus(passages, valid_ratio=0.2, drop_repeats=True)
