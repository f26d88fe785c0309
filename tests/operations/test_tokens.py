"""Tokenising once: what check and tuning get is the same from one pass, two, or the cache."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from tunesmith.core.events import Progress, Said
from tunesmith.core.examples import Example, Place, Span, TextInput, WordsInput
from tunesmith.data.splits import Splits
from tunesmith.model.backbones import load_backbone
from tunesmith.model.encoding import encode_windows
from tunesmith.model.framing import Reading
from tunesmith.operations import tokens
from tunesmith.operations.tokens import Tokens, read_splits
from tunesmith.stages.check.tokens import read_tokens
from tunesmith.store.token_cache import TokenCache
from tunesmith.tasks.words import split_words

READING = Reading(max_length=24, stride=5, long_text="windows", case_shape=True)
TEXTS = ["my order 我们 is late", "", "the card is lost " * 20, "é", "Order 12 IS good"]


@pytest.fixture(scope="module")
def backbone(tiny_model):
    return load_backbone(str(tiny_model))


class Counting:
    """A tokenizer that counts the texts it is given in lists."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        self.texts = 0

    def __call__(self, text, **options):
        """Count and encode."""
        self.texts += len(text) if isinstance(text, list) else 0
        return self.tokenizer(text, **options)

    def __getattr__(self, name):
        return getattr(self.tokenizer, name)

    def __len__(self):
        return len(self.tokenizer)


def plain(count: int) -> list[Example]:
    return [
        Example(str(n), TextInput(f"{TEXTS[n % 5]} {n}"), "a", Place("x", n)) for n in range(count)
    ]


def marked(count: int) -> list[Example]:
    """Return rows of words, some with an entity that ends inside a word."""
    rows = []
    for n in range(count):
        text = f"{TEXTS[n % 5]} {n}"
        spans = ((), (Span(0, len(text.split()[0]), "X"),), (Span(0, 1, "X"),))[n % 3]
        rows.append(Example(str(n), WordsInput(text, split_words(text)), spans, Place("x", n)))
    return rows


def assert_same_figures(one, other) -> None:
    for field in fields(one):
        mine, yours = getattr(one, field.name), getattr(other, field.name)
        if isinstance(mine, np.ndarray):
            assert mine.dtype == yours.dtype
        np.testing.assert_array_equal(mine, yours)


@pytest.mark.parametrize("make", [plain, marked])
@pytest.mark.parametrize("long_text", ["windows", "truncate"])
def test_figures_and_windows_are_the_same_however_they_came(
    backbone, tmp_path, monkeypatch, make, long_text
):
    monkeypatch.setattr(tokens, "FEWEST_CACHED_ROWS", 20)
    reading = replace(READING, long_text=long_text)
    splits = Splits(make(2500), make(30)[10:], make(7))
    rows = [*splits.train, *splits.valid, *splits.test]
    expected = read_tokens(backbone.tokenizer, rows, reading)
    assert_same_figures(read_splits(splits, backbone, reading).figures, expected)
    events = []
    cached = Tokens(events.append, TokenCache(tmp_path))
    for wish in (Tokens(events.append), cached, cached):
        events.clear()
        read = read_splits(splits, backbone, reading, tokens=wish)
        assert_same_figures(read.figures, expected)
        assert bool(expected.losses) == (make is marked)
        for split in ("train", "valid"):
            own = [example.inputs for example in getattr(splits, split)]
            windows = list(encode_windows(backbone.tokenizer, own, reading))
            flat = read.windows[split]
            assert len(flat) == len(windows)
            for mine, yours in zip(flat, windows, strict=True):
                np.testing.assert_array_equal(mine.ids, yours.ids)
                assert (mine.row, mine.share) == (yours.row, yours.share)
                if yours.words is not None:
                    np.testing.assert_array_equal(mine.words, yours.words)
                    np.testing.assert_array_equal(mine.shapes, yours.shapes)
    assert [event.text for event in events if isinstance(event, Said)] == [
        "train: 2,500 rows tokenised by an earlier run",
        "valid: 20 rows tokenised by an earlier run",
    ]


def test_each_text_is_tokenised_once_and_not_at_all_with_the_cache(backbone, tmp_path, monkeypatch):
    monkeypatch.setattr(tokens, "FEWEST_CACHED_ROWS", 20)
    counting = Counting(backbone.tokenizer)
    own = replace(backbone, tokenizer=counting)
    wish = Tokens(lambda _: None, TokenCache(tmp_path))
    splits = Splits(marked(50), plain(30), ())
    read_splits(splits, own, READING, tokens=wish)
    assert counting.texts == 80
    read_splits(splits, own, READING, tokens=wish)
    assert counting.texts == 80


def test_progress_ends_with_the_last_row(backbone, monkeypatch):
    monkeypatch.setattr(tokens, "FEWEST_CACHED_ROWS", 20)
    events = []
    read_splits(Splits(plain(2000)), backbone, READING, tokens=Tokens(events.append))
    shown = [event for event in events if isinstance(event, Progress)]
    assert [(event.done, event.total) for event in shown] == [(1024, 2000), (2000, 2000)]


def test_windows_smaller_than_their_overlap_are_not_made_and_not_cached(
    backbone, tmp_path, monkeypatch
):
    monkeypatch.setattr(tokens, "FEWEST_CACHED_ROWS", 20)
    wish = Tokens(lambda _: None, TokenCache(tmp_path))
    read = read_splits(Splits(plain(30)), backbone, replace(READING, stride=30), tokens=wish)
    assert len(read.windows["train"]) == 0
    assert len(read.figures.counts) == 30
    assert not list(tmp_path.iterdir())
