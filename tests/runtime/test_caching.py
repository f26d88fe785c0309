from __future__ import annotations

import numpy as np
import pytest

from tunesmith.core.examples import TextInput
from tunesmith.runtime.caching import LONGEST_KEPT_CHARACTERS, AnswerCache, answer_cached
from tunesmith.runtime.engine import answer
from tunesmith.tasks.classification import Classification

from .test_engine import _engine


@pytest.fixture(scope="module")
def engine(tiny_model):
    return _engine(tiny_model, Classification(labels=("a", "b", "c")))


def test_cached_answers_are_the_answers_in_order(engine):
    random = np.random.default_rng(2)
    texts = [f"order {random.integers(40)} is good" for _ in range(2500)]
    inputs = [TextInput(text) for text in texts]
    cache = AnswerCache(25)
    found = list(answer_cached(engine, inputs, cache))
    for one, other in zip(found, answer(engine, inputs), strict=True):
        assert one.label == other.label
        assert one.confidence == pytest.approx(other.confidence, abs=1e-5)
    assert 2500 - 3 * 40 <= cache.hits <= 2500 - 40


def test_cache_keeps_the_last_used_and_never_more_than_its_entries(engine):
    cache = AnswerCache(2)
    one, two, three = (TextInput(text) for text in ("good", "bad", "late"))
    replies = dict(zip((one, two, three), answer(engine, (one, two, three)), strict=True))
    cache.keep(one, replies[one])
    cache.keep(two, replies[two])
    assert cache.find(one) is replies[one]
    cache.keep(three, replies[three])
    assert cache.find(two) is None
    assert cache.find(one) is replies[one]
    assert cache.find(three) is replies[three]


def test_cache_of_nothing_keeps_nothing_and_one_never_keeps_long_texts(engine):
    (reply,) = answer(engine, [TextInput("good")])
    empty, small = AnswerCache(0), AnswerCache(5)
    empty.keep(TextInput("good"), reply)
    small.keep(TextInput("x" * (LONGEST_KEPT_CHARACTERS + 1)), reply)
    assert empty.find(TextInput("good")) is None
    assert small.find(TextInput("x" * (LONGEST_KEPT_CHARACTERS + 1))) is None
