"""Rows on disk: the same sequence, to the last character, that a list would be."""

from __future__ import annotations

import gc
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.core.errors import DataError, ResourceError
from tunesmith.core.examples import (
    INPUTS,
    ChatInput,
    ChoiceInput,
    Example,
    HistoryInput,
    MarkedInput,
    Message,
    PairInput,
    Place,
    QuestionInput,
    SentencesInput,
    Span,
    TextInput,
    WordsInput,
    WritingInput,
)
from tunesmith.data import spool
from tunesmith.data.examples import read_examples
from tunesmith.data.fingerprints import fingerprint_examples
from tunesmith.data.splits import load_splits, sample_examples, split_examples
from tunesmith.data.spool import JoinedExamples, SpooledExamples, keep_examples, take_examples
from tunesmith.tasks import make_task

TASK = make_task("classification")

texts = st.text(st.characters(codec=None), max_size=20)  # lone surrogates are texts too
spans = st.builds(Span, st.integers(0, 9), st.integers(0, 9), texts)
stretches = st.tuples(st.integers(0, 9), st.integers(0, 9))
by_kind = {
    TextInput: st.builds(TextInput, texts),
    WordsInput: st.builds(WordsInput, texts, st.lists(stretches, max_size=3).map(tuple)),
    PairInput: st.builds(PairInput, texts, texts),
    MarkedInput: st.builds(MarkedInput, texts, stretches, stretches, st.tuples(texts, texts)),
    QuestionInput: st.builds(QuestionInput, texts, texts),
    ChoiceInput: st.builds(ChoiceInput, texts, texts, st.lists(texts, max_size=4).map(tuple)),
    HistoryInput: st.builds(
        HistoryInput,
        texts,
        st.none() | st.lists(texts, max_size=4).map(tuple),
        st.lists(texts, max_size=2).map(tuple),
        st.none() | st.floats(allow_nan=False),
        st.none() | st.floats(allow_nan=False),
    ),
    SentencesInput: st.builds(SentencesInput, texts, st.lists(stretches, max_size=3).map(tuple)),
    WritingInput: st.builds(WritingInput, texts, texts),
    ChatInput: st.builds(
        ChatInput, st.lists(st.builds(Message, texts, texts), max_size=3).map(tuple)
    ),
}
inputs = st.one_of(*by_kind.values())
golds = st.one_of(
    st.none(),
    texts,
    st.integers(0, 9),
    st.floats(allow_nan=False, allow_infinity=False),
    st.lists(texts, max_size=3).map(tuple),
    st.lists(spans, max_size=3).map(tuple),
)
examples = st.builds(
    Example,
    texts,
    inputs,
    golds,
    st.builds(Place, st.sampled_from(["a.csv", "b.csv", "数据.csv"]), st.integers(1, 2**40)),
    st.one_of(st.none(), texts),
)
rows = st.lists(examples, min_size=1, max_size=12)


def spooled(examples) -> SpooledExamples:
    kept = keep_examples(iter(examples), spool_rows=0)
    assert isinstance(kept, SpooledExamples)
    return kept


def test_every_kind_of_inputs_is_written_here():
    assert set(by_kind) == set(INPUTS.values())


@given(st.data())
@pytest.mark.parametrize("kind", list(by_kind))
def test_rows_of_each_kind_come_back_from_disk_with_their_fingerprint(kind, data):
    item, gold = data.draw(by_kind[kind]), data.draw(golds)
    written = [Example("1", item, gold, Place("a", 1)), Example("2", item, None, Place("a", 2))]
    kept = spooled(written)
    assert list(kept) == written
    assert [type(example.gold) for example in kept] == [type(gold), type(None)]
    assert hash(kept[0].inputs) == hash(item)
    assert fingerprint_examples(kept) == fingerprint_examples(written)


@given(rows)
def test_rows_from_disk_are_the_rows_that_were_written(examples):
    kept = spooled(examples)
    assert len(kept) == len(examples)
    assert list(kept) == examples
    assert [kept[row] for row in range(len(examples))] == examples
    assert kept == examples
    assert kept != [*examples, examples[0]]


@given(rows, st.integers(-15, 15), st.slices(12))
def test_index_and_slice_of_rows_on_disk_are_those_of_a_list(examples, index, stretch):
    kept = spooled(examples)
    assert list(kept[stretch]) == examples[stretch]
    assert list(kept[stretch][::-1]) == examples[stretch][::-1]
    if -len(examples) <= index < len(examples):
        assert kept[index] == examples[index]
    else:
        with pytest.raises(IndexError):
            kept[index]


@given(st.lists(rows | st.just([]), max_size=4), st.integers(-50, 50), st.slices(40))
def test_joined_rows_are_those_of_the_lists_end_to_end(parts, index, stretch):
    whole = [example for part in parts for example in part]
    joined = JoinedExamples([spooled(part) if len(part) % 2 else part for part in parts])
    assert list(joined) == whole
    assert list(joined[stretch]) == whole[stretch]
    if -len(whole) <= index < len(whole):
        assert joined[index] == whole[index]
    else:
        with pytest.raises(IndexError):
            joined[index]


@given(rows, st.data())
def test_rows_taken_from_disk_are_those_taken_from_a_list(examples, data):
    places = data.draw(st.lists(st.integers(0, len(examples) - 1)))
    chosen = np.array(places, dtype=np.int64)
    assert list(take_examples(spooled(examples), chosen)) == take_examples(examples, chosen)


def test_few_rows_stay_a_list_and_one_more_goes_to_disk():
    few = [Example(str(n), TextInput("a"), "b", Place("x", n), None) for n in range(3)]
    assert keep_examples(iter(few[:2]), spool_rows=2) == few[:2]
    assert isinstance(keep_examples(iter(few[:2]), spool_rows=2), list)
    assert list(keep_examples(iter(few), spool_rows=2)) == few
    assert isinstance(keep_examples(iter(few), spool_rows=2), SpooledExamples)


def test_file_of_rows_is_closed_with_the_last_sequence_that_reads_it():
    gc.collect()  # what other tests left open must not end in between
    before = set(os.listdir("/proc/self/fd"))
    view = spooled(Example(str(n), TextInput("a"), "b", Place("x", n), None) for n in range(9))[3:]
    gc.collect()
    assert len(set(os.listdir("/proc/self/fd")) - before) == 1
    assert view[0].id == "3"
    del view
    gc.collect()
    assert set(os.listdir("/proc/self/fd")) <= before


@pytest.fixture
def many(monkeypatch, write):
    """Write a file of 300 rows, with repeats, that are read from disk."""
    monkeypatch.setattr(spool, "SPOOL_ROWS", 50)
    lines = [f"row {n % 250},label {n % 7}" for n in range(300)]
    return write("many.csv", "text,label\n" + "\n".join(lines) + "\n")


def test_splits_samples_and_fingerprints_of_rows_on_disk_are_those_of_lists(many):
    kept = read_examples(many, TASK)
    assert isinstance(kept, SpooledExamples)
    plain = list(kept)
    for seed in range(3):
        for own, other in zip(
            split_examples(kept, TASK, ratio=0.2, seed=seed),
            split_examples(plain, TASK, ratio=0.2, seed=seed),
            strict=True,
        ):
            assert isinstance(own, SpooledExamples)
            assert list(own) == other
        sample = sample_examples(kept, 20, seed=seed)
        assert list(sample) == sample_examples(plain, 20, seed=seed)
    assert fingerprint_examples(kept) == fingerprint_examples(plain)
    splits = load_splits(many, TASK)
    assert isinstance(splits.train, SpooledExamples)
    assert len(splits.train) + len(splits.valid) == 300


def test_problems_of_many_rows_are_all_told(many):
    with many.open("a", encoding="utf-8") as stream:
        stream.write("no label,\n" * 3)
    with pytest.raises(DataError) as error:
        read_examples(many, TASK)
    assert len(error.value.problems) == 3


def test_temporary_folder_without_room_is_named(monkeypatch):
    with open("/dev/full", "wb") as full:
        monkeypatch.setattr(spool.tempfile, "TemporaryFile", lambda **_: full)
        row = Example("1", TextInput("a" * 10_000), "b", Place("x", 1), None)
        with pytest.raises(ResourceError, match="must have room for the rows") as error:
            spooled([row] * 10)
    assert error.value.hint == "export TMPDIR=FOLDER"
