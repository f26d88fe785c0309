"""Windows: no token is lost, none is padding, and each epoch cuts the ring elsewhere."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.core.errors import DataError
from tunesmith.model.encoding import Frame
from tunesmith.model.pretraining.vocabulary import Vocabulary
from tunesmith.stages.tune.pretraining.windows import Tokens, encode_passages, make_windows


class Marks:
    """The special tokens that windows ask a tokenizer for."""

    eos_token_id, sep_token_id = None, 3


def vocabulary(*, framed=True):
    frame = Frame((2,), (3,)) if framed else Frame((), ())
    nothing = np.empty(0, dtype=np.int64)
    return Vocabulary(Marks(), frame, nothing, nothing, nothing, is_lossless=False)


def tokens(count, ends=()):
    ids = np.arange(10, 10 + count, dtype=np.int32)
    return Tokens(ids, np.array(ends or [count]), unknown=0, text_bytes=count)


def inside(windows, number):
    ids = windows.window(number)
    return ids[len(windows.before) : len(ids) - len(windows.after)].tolist()


@given(st.integers(1, 200), st.integers(16, 40), st.integers(0, 3))
def test_each_epoch_of_joined_windows_reads_every_token_and_no_padding(count, size, epoch):
    windows = make_windows(tokens(count), vocabulary(), window_tokens=size, is_joined=True, seed=0)
    room = size - 2
    assert len(windows) == math.ceil(count / room)
    numbers = range(epoch * len(windows), (epoch + 1) * len(windows))
    read = Counter(token for number in numbers for token in inside(windows, number))
    assert set(read) == set(range(10, 10 + count))
    assert sum(read.values()) - count < room
    lengths = {len(windows.window(number)) for number in numbers}
    assert lengths == {min(size, count + 2)}


def test_epochs_cut_at_other_places_and_the_same_in_each_run():
    first, again = (
        make_windows(tokens(500), vocabulary(), window_tokens=34, is_joined=True, seed=5)
        for _ in range(2)
    )
    starts = [inside(first, epoch * len(first))[0] for epoch in range(6)]
    assert len(set(starts)) > 3
    assert starts == [inside(again, epoch * len(first))[0] for epoch in range(6)]


@given(st.lists(st.integers(1, 90), min_size=1, max_size=12))
def test_separate_windows_hold_one_passage_each_and_all_of_it(lengths):
    ends = np.cumsum(lengths).tolist()
    windows = make_windows(
        tokens(ends[-1], ends), vocabulary(), window_tokens=34, is_joined=False, seed=1
    )
    parts = [inside(windows, number) for number in range(len(windows))]
    assert [token for part in parts for token in part] == list(range(10, 10 + ends[-1]))
    assert len(parts) == sum(math.ceil(length / 32) for length in lengths)
    assert windows.framed_lengths.tolist() == [len(part) + 2 for part in parts]


def test_window_without_a_frame_begins_with_the_separator():
    bare = make_windows(
        tokens(60), vocabulary(framed=False), window_tokens=21, is_joined=True, seed=None
    )
    assert [bare.window(number)[0] for number in range(3)] == [3, 3, 3]
    assert [len(bare.window(number)) for number in range(3)] == [21, 21, 21]


def test_held_out_windows_read_each_token_once():
    windows = make_windows(tokens(70), vocabulary(), window_tokens=34, is_joined=True, seed=None)
    assert [len(inside(windows, number)) for number in range(len(windows))] == [32, 32, 6]


def test_batches_hold_each_window_of_their_epoch_once():
    windows = make_windows(tokens(900), vocabulary(), window_tokens=34, is_joined=True, seed=0)
    for epoch in (0, 2):
        batches = windows.plan(epoch, batch_tokens=136, seed=7)
        assert {len(batch) for batch in batches[:-1]} <= {4, len(windows) % 4 or 4}
        numbers = sorted(np.concatenate(batches).tolist())
        assert numbers == list(range(epoch * len(windows), (epoch + 1) * len(windows)))


def test_tokens_of_passages_are_those_of_the_tokenizer_with_separators(corpus, make_vocabulary):
    made = make_vocabulary("mlm")
    read = encode_passages(corpus, corpus.train, made, ending="", separates=True)
    expected: list[int] = []
    for number in corpus.train.tolist():
        ids = made.tokenizer(corpus.passage(number), add_special_tokens=False)["input_ids"]
        last = number == corpus.train[-1] or corpus.documents[number] != 30
        expected += ids + [made.end_id] * bool(last)
    assert read.ids.tolist() == expected
    assert read.text_bytes == corpus.bytes_of(corpus.train)
    assert read.unknown == 0
    assert read.ends[-1] == len(read.ids)


def test_text_without_a_token_is_refused():
    with pytest.raises(DataError, match="must hold tokens"):
        make_windows(tokens(0, [0]), vocabulary(), window_tokens=34, is_joined=True, seed=0)
