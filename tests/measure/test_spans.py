"""Spans: tags to chunks and back, and strict counting. Agreement with seqeval is in `parity/`."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.core.examples import Span
from tunesmith.measure.classes import averaged_scores, class_scores
from tunesmith.measure.spans import decode_tags, encode_tags, span_counts, span_statistics

TYPES = ("LOC", "PER", "多-part")
spans = st.builds(
    lambda start, length, kind: Span(start, start + length, kind),
    st.integers(0, 6),
    st.integers(1, 3),
    st.sampled_from(TYPES),
)
span_rows = st.lists(st.tuples(st.sets(spans, max_size=5), st.sets(spans, max_size=5)), max_size=8)


@st.composite
def tagged(draw):
    """Return chunks in order and the number of words they stand in."""
    chunks, word = [], 0
    for _ in range(draw(st.integers(0, 5))):
        start = word + draw(st.integers(0, 2))
        word = start + draw(st.integers(1, 4))
        chunks.append((start, word, draw(st.sampled_from((*TYPES, "O", "B-I")))))
    return chunks, word + draw(st.integers(0, 2))


@given(tagged(), st.randoms(use_true_random=False))
def test_encode_then_decode_gives_the_chunks_back(case, random):
    chunks, words = case
    tags = encode_tags(random.sample(chunks, len(chunks)), words)
    assert len(tags) == words
    assert decode_tags(tags) == chunks


@given(tagged(), st.sampled_from(("BIES", "BMES", "BILU")))
def test_decode_reads_schemes_with_ends_and_singles(case, letters):
    chunks, words = case
    begin, inside, end, single = letters
    tags = ["O"] * words
    for start, stop, kind in chunks:
        prefixes = single
        if stop - start > 1:
            prefixes = begin + inside * (stop - start - 2) + end
        tags[start:stop] = [f"{prefix}-{kind}" for prefix in prefixes]
    assert decode_tags(tags) == chunks


@given(tagged())
def test_decode_reads_iob1(case):
    chunks, words = case
    tags = ["O"] * words
    last = (0, 0, "")
    for start, stop, kind in chunks:
        first = "B" if last[1:] == (start, kind) else "I"
        tags[start:stop] = [f"{first}-{kind}"] + [f"I-{kind}"] * (stop - start - 1)
        last = (start, stop, kind)
    assert decode_tags(tags) == chunks


@given(
    st.lists(st.sampled_from(["O", *(f"{p}-{t}" for p in "BIESMLU" for t in "XY")]), max_size=12)
)
def test_decode_any_tags_covers_every_tagged_word_once(tags):
    chunks = decode_tags(tags)
    covered = [word for start, end, _ in chunks for word in range(start, end)]
    assert covered == [word for word, tag in enumerate(tags) if tag != "O"]
    assert all(
        tags[word].partition("-")[2] == kind
        for start, end, kind in chunks
        for word in range(start, end)
    )
    assert decode_tags(encode_tags(chunks, len(tags))) == chunks


@pytest.mark.parametrize(
    "tag", ["", "o", "B", "B-", "-PER", "PER", "X-PER", "b-PER", "B_PER", "O-PER"]
)
def test_decode_names_the_tag_it_cannot_read(tag):
    with pytest.raises(ValueError, match="a tag must be O or") as caught:
        decode_tags(["O", tag])
    assert repr(tag) in str(caught.value)


@pytest.mark.parametrize(
    ("chunks", "words"),
    [
        ([(0, 2, "A"), (1, 3, "B")], 4),
        ([(0, 5, "A")], 4),
        ([(-1, 1, "A")], 4),
        ([(2, 2, "A")], 4),
        ([(0, 1, "")], 4),
    ],
)
def test_encode_refuses_what_flat_tags_cannot_say(chunks, words):
    with pytest.raises(ValueError, match="a chunk must be typed"):
        encode_tags(chunks, words)


def test_span_is_right_only_with_its_border_and_its_type():
    gold = [[Span(0, 5, "PER"), Span(6, 9, "LOC")]]
    predicted = [[Span(0, 4, "PER"), Span(6, 9, "PER")]]
    counts = span_counts(gold, predicted, ["LOC", "PER"])
    assert counts.true_positive.tolist() == [[0, 0]]
    assert counts.false_positive.tolist() == [[0, 2]]
    assert counts.false_negative.tolist() == [[1, 1]]


@given(span_rows)
def test_span_counts_equal_counting_triples(rows):
    gold, predicted = [row[0] for row in rows], [row[1] for row in rows]
    counts = span_counts(gold, predicted, TYPES)
    wanted = {(row, span) for row, found in enumerate(gold) for span in found}
    answered = {(row, span) for row, found in enumerate(predicted) for span in found}
    for column, kind in enumerate(TYPES):
        for total, expected in zip(
            counts.totals(), (wanted & answered, answered - wanted, wanted - answered), strict=True
        ):
            assert total[column] == sum(span.type == kind for _, span in expected)
    assert counts.true_positive.shape == (len(rows), len(TYPES))
    assert counts.true_positive.dtype == np.int32


@given(span_rows, st.randoms(use_true_random=False))
def test_span_scores_do_not_depend_on_row_order(rows, random):
    shuffled = random.sample(rows, len(rows))
    one = span_counts([row[0] for row in rows], [row[1] for row in rows], TYPES)
    other = span_counts([row[0] for row in shuffled], [row[1] for row in shuffled], TYPES)
    assert class_scores(TYPES, *one.totals()) == class_scores(TYPES, *other.totals())
    ones = np.ones(len(rows), dtype=np.int64)
    assert span_statistics(one)(ones) == span_statistics(other)(ones)


@given(span_rows, st.data())
def test_span_statistics_weigh_rows_as_repeating_them_does(rows, data):
    weights = np.array(
        data.draw(st.lists(st.integers(0, 3), min_size=len(rows), max_size=len(rows))),
        dtype=np.int64,
    )
    again = [row for row, times in zip(rows, weights, strict=True) for _ in range(times)]
    repeated = span_counts([row[0] for row in again], [row[1] for row in again], TYPES)
    micro = averaged_scores(*repeated.totals())["micro"]
    counts = span_counts([row[0] for row in rows], [row[1] for row in rows], TYPES)
    assert span_statistics(counts)(weights) == {
        "strict_precision": micro["precision"],
        "strict_recall": micro["recall"],
        "strict_f1": micro["f1"],
    }


def test_span_given_twice_counts_once():
    twice = [Span(0, 3, "PER"), Span(0, 3, "PER")]
    assert span_counts([twice], [twice], TYPES).totals()[0].tolist() == [0, 1, 0]


def test_no_rows_or_no_entities_give_zeros():
    for rows in ([], [[]]):
        counts = span_counts(rows, rows, TYPES)
        assert set(span_statistics(counts)(np.ones(len(rows))).values()) == {0.0}


def test_span_counts_refuses_an_unknown_type_and_names_it():
    with pytest.raises(ValueError, match="LOC, PER, 多-part; got 'ORG' in row 1"):
        span_counts([[], [Span(0, 1, "ORG")]], [[], []], TYPES)


def test_span_counts_refuses_unequally_many_rows():
    with pytest.raises(ValueError, match="equally many rows; got 1 and 2"):
        span_counts([[]], [[], []], TYPES)
