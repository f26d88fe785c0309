"""Flat windows: the very windows that were packed, and a key that tells what made them."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import normalizers

from tunesmith.core.examples import TextInput, WordsInput
from tunesmith.model.backbones import load_tokenizer
from tunesmith.model.encoding import encode_windows
from tunesmith.model.framing import Reading, Window
from tunesmith.model.windows import FlatWindows, pack_windows, token_type, window_key
from tunesmith.tasks.words import split_words

READING = Reading(max_length=12, stride=3, long_text="windows", case_shape=False)
FIELDS = ("ids", "words", "positions", "shapes", "followers")

texts = st.lists(st.text("abz ,我们A1", max_size=40), max_size=8)
readings = st.sampled_from(
    [
        READING,
        replace(READING, case_shape=True),
        replace(READING, long_text="truncate"),
        replace(READING, max_length=64),
    ]
)


@pytest.fixture(scope="module")
def tokenizer(tiny_model):
    return load_tokenizer(tiny_model)


def flat(windows: list[Window], *, size: int = 3) -> FlatWindows:
    """Pack windows in blocks and put the blocks together."""
    blocks = [
        pack_windows(windows[start : start + size], token_type=np.dtype(np.uint16))
        for start in range(0, max(1, len(windows)), size)
    ]
    return FlatWindows({name: np.concatenate([b[name] for b in blocks]) for name in blocks[0]})


def same(one: Window, other: Window) -> bool:
    """Tell whether two windows are equal in every field, types included."""
    for name in FIELDS:
        mine, yours = getattr(one, name), getattr(other, name)
        if (mine is None) != (yours is None):
            return False
        if mine is not None and (mine.dtype != yours.dtype or not np.array_equal(mine, yours)):
            return False
    return (one.row, one.share) == (other.row, other.share)


def encode(tokenizer, texts, reading, *, words):
    make = (lambda text: WordsInput(text, split_words(text))) if words else TextInput
    return list(encode_windows(tokenizer, [make(text) for text in texts], reading))


@given(texts, readings, st.booleans())
def test_packed_windows_come_back_as_they_were(tokenizer, texts, reading, words):
    windows = encode(tokenizer, texts, reading, words=words)
    kept = flat(windows)
    assert len(kept) == len(windows)
    assert all(same(one, other) for one, other in zip(kept, windows, strict=True))
    assert kept.lengths.tolist() == [len(window.ids) for window in windows]
    assert kept.answers.tolist() == [window.answers for window in windows]


@given(texts, readings, st.booleans(), st.slices(20), st.randoms())
def test_view_of_windows_is_that_of_a_list(tokenizer, texts, reading, words, stretch, chance):
    windows = encode(tokenizer, texts, reading, words=words)
    kept = flat(windows)
    assert all(map(same, kept[stretch], windows[stretch]))
    assert len(kept[stretch]) == len(windows[stretch])
    order = chance.sample(range(len(windows)), len(windows))
    view = kept.take(np.array(order, dtype=np.int64))
    assert all(same(view[at], windows[number]) for at, number in enumerate(order))
    assert view.lengths.tolist() == [len(windows[number].ids) for number in order]


def test_index_beyond_the_windows_is_refused_as_by_a_list(tokenizer):
    kept = flat(encode(tokenizer, ["a b"], READING, words=False))
    assert same(kept[-1], kept[0])
    with pytest.raises(IndexError):
        kept[1]


def test_first_row_is_added_where_windows_come_in_batches(tokenizer):
    windows = encode(tokenizer, ["a", "b"], READING, words=False)
    packed = pack_windows(windows, token_type=np.dtype(np.int32), first_row=40)
    assert packed["rows"].tolist() == [40, 41]


def test_tokens_of_a_small_vocabulary_take_two_bytes(tokenizer):
    assert token_type(tokenizer) == np.uint16
    assert token_type(range(2**16 + 1)) == np.int32


def test_key_is_that_of_texts_words_order_and_reading(tokenizer):
    rows = [TextInput("a b"), TextInput("c")]
    key = window_key(tokenizer, rows, READING)
    assert window_key(tokenizer, iter(rows), READING) == key
    others = [
        window_key(tokenizer, rows[::-1], READING),
        window_key(tokenizer, [TextInput("a"), TextInput("b c")], READING),
        window_key(tokenizer, [WordsInput(row.text, ((0, 1),)) for row in rows], READING),
        window_key(tokenizer, [WordsInput(row.text, ()) for row in rows], READING),
        *(
            window_key(tokenizer, rows, replace(READING, **change))
            for change in (
                {"max_length": 13},
                {"stride": 2},
                {"long_text": "truncate"},
                {"case_shape": True},
            )
        ),
    ]
    assert len({key, *others}) == 9
    assert all(len(each) == 64 for each in others)


def test_key_changes_with_vocabulary_and_normaliser_alone(tiny_model):
    def key_of(change=len) -> str:
        own = load_tokenizer(tiny_model)
        change(own)
        return window_key(own, [TextInput("a b")], READING)

    key = key_of()
    assert key_of(lambda own: own("a b", truncation=True, max_length=3)) == key
    assert key_of(lambda own: own(["a", "b c"], padding=True)) == key
    assert key_of(lambda own: own.add_tokens(["refunded"])) != key

    def uncase(own) -> None:
        own.backend_tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)

    assert key_of(uncase) != key
    assert json.loads(load_tokenizer(tiny_model).backend_tokenizer.to_str())["normalizer"]
