"""A corpus on disk: what repeats is left out, and what is held out never trains."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.core.errors import DataError
from tunesmith.data.corpus import Passage
from tunesmith.stages.tune.pretraining import corpus as corpora
from tunesmith.stages.tune.pretraining.corpus import (
    first_occurrences,
    gather_corpus,
    is_mostly_chinese,
)


def rows(*texts):
    return [Passage(text, number, is_row=True) for number, text in enumerate(texts)]


def paragraphs(*texts, document=0):
    return [Passage(text, document, is_row=False) for text in texts]


def gather(passages, *, held_out=(), ratio=0.1, drop=True):
    return gather_corpus(passages, held_out=held_out, valid_ratio=ratio, drop_repeats=drop)


def sides(corpus):
    return list(corpus.passages(corpus.train)), list(corpus.passages(corpus.valid))


@given(st.lists(st.text(min_size=1, max_size=5), min_size=2, max_size=60))
def test_rows_come_back_once_each_on_one_of_the_sides(texts):
    texts = [text.encode("utf-8", "replace").decode() for text in texts]
    try:
        corpus = gather(rows(*texts), ratio=0.4)
    except DataError:
        return
    train, valid = sides(corpus)
    assert not set(train) & set(valid)
    assert sorted(train + valid) == sorted(set(texts))
    assert corpus.repeats == len(texts) - len(set(texts))


def test_side_of_a_row_depends_on_its_text_alone():
    texts = [f"row {number}" for number in range(300)]
    first, second = (sides(gather(rows(*order)))[1] for order in (texts, texts[::-1]))
    assert set(first) == set(second)
    assert 10 < len(first) < 60


def test_tail_of_each_text_file_is_held_out():
    books = [
        passage
        for book in range(3)
        for passage in paragraphs(
            *(f"{book} {n:02d} " + "x" * 40 for n in range(20)), document=book
        )
    ]
    _, valid = sides(gather(books, ratio=0.2))
    assert [text[:4] for text in valid] == [
        f"{book} {n}" for book in range(3) for n in range(16, 20)
    ]


def test_long_paragraph_that_repeats_is_dropped_and_a_short_one_is_not():
    long = "It was the best of times, it was the worst of times."
    texts = [long, '"Yes."', "a" * 50, '"Yes."', long, "b" * 50, "c" * 90]
    train, _ = sides(gather(paragraphs(*texts), ratio=0.3))
    assert train == [long, '"Yes."', "a" * 50, '"Yes."', "b" * 50]
    assert gather(paragraphs(*texts), ratio=0.3, drop=False).repeats == 0


def test_text_that_is_held_out_by_hand_never_trains():
    corpus = gather(rows("one", "two", "three"), held_out=rows("two", "four"))
    assert sides(corpus) == (["one", "three"], ["two", "four"])


@pytest.mark.parametrize("passages", [[], rows("only one"), rows("same", "same")])
def test_corpus_that_cannot_fill_both_sides_is_refused(passages):
    with pytest.raises(DataError, match="corpus must"):
        gather(passages)


@given(st.lists(st.integers(0, 20), max_size=80), st.integers(1, 30))
def test_first_occurrences_do_not_depend_on_the_size_of_a_bucket(numbers, size):
    hashes = np.array(numbers, dtype=np.uint64)
    seen: set[int] = set()
    expected = [not (number in seen or seen.add(number)) for number in numbers]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corpora, "BUCKET_PASSAGES", size)
        assert first_occurrences(hashes).tolist() == expected


def test_chinese_text_is_told_from_other_text():
    assert is_mostly_chinese(gather(rows("话说天下大势", "分久必合", "合久必分 OK"), ratio=0.4))
    english = [f"all happy families {number} are alike 好" for number in range(40)]
    assert not is_mostly_chinese(gather(rows(*english)))


def test_fingerprint_is_that_of_the_text():
    one, two = gather(rows("a", "b", "c"), ratio=0.45), gather(rows("a", "b", "d"), ratio=0.45)
    assert one.sha256 != two.sha256
    assert one.sha256 == gather(rows("a", "b", "c"), ratio=0.45).sha256
