"""Merging: each head family's windows to rows, in any order, against plain computation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.core.examples import (
    ChoiceInput,
    MarkedInput,
    PairInput,
    QuestionInput,
    SentencesInput,
    TextInput,
    WordsInput,
)
from tunesmith.model.framing import Window
from tunesmith.runtime.merging import (
    CERTAIN_LOGIT,
    KEPT_STRETCHES,
    LONGEST_ANSWER_TOKENS,
    merge_windows,
    slot_count,
)

QUESTION = QuestionInput("q", "x" * 1000)


def window(row: int, tokens: int, **fields) -> Window:
    return Window(np.zeros(tokens, dtype=np.int32), row, 1.0, **fields)


def context_window(row: int, first: int, tokens: int) -> Window:
    """Return a window of one-letter tokens of a context, from the letter `first` on."""
    begins = np.arange(first, first + tokens)
    return window(
        row,
        tokens + 3,
        words=np.concatenate([[-1], begins]),
        ends=np.concatenate([[-1], begins + 1]),
        positions=np.arange(tokens + 1),
    )


def split_at_random(windows, logits, chance):
    """Return the windows in another order, in batches of any size."""
    order = chance.sample(range(len(windows)), len(windows))
    batches = []
    while order:
        size = chance.randint(1, len(order))
        chosen, order = order[:size], order[size:]
        parts = np.concatenate([logits[at].reshape(windows[at].answers, -1) for at in chosen])
        batches.append(([windows[at] for at in chosen], parts))
    return batches


def in_order(windows, logits):
    parts = [own.reshape(one.answers, -1) for one, own in zip(windows, logits, strict=True)]
    return [(windows, np.concatenate(parts))]


@pytest.mark.parametrize("family", ["classify", "relate"])
def test_a_row_of_several_windows_has_their_average_by_tokens(family):
    windows = [window(0, 10), window(1, 4), window(0, 30)]
    logits = np.array([[1.0, 0.0], [5.0, 5.0], [3.0, 4.0]])
    merged = merge_windows([(windows, logits)], [TextInput("a")] * 3, family=family, outputs=2)
    np.testing.assert_allclose(merged[0], [2.5, 3.0])
    np.testing.assert_allclose(merged[1], [5.0, 5.0])
    np.testing.assert_array_equal(merged[2], [0.0, 0.0])


def test_a_word_is_read_in_its_own_window_and_one_without_a_token_is_outside():
    windows = [
        window(0, 5, words=np.array([0, 1]), followers=np.empty((0, 2), int)),
        window(0, 5, words=np.array([2]), followers=np.array([[3, 2]])),
    ]
    logits = np.array([[0.0, 1, 2], [3, 4, 5], [6, 7, 8]])
    words = WordsInput("a b c d e", tuple((2 * n, 2 * n + 1) for n in range(5)))
    (merged,) = merge_windows([(windows, logits)], [words], family="tag", outputs=3)
    np.testing.assert_array_equal(merged[:3], logits)
    assert merged[3, 2] == pytest.approx(np.logaddexp(7, 8))
    np.testing.assert_array_equal(merged[4], [CERTAIN_LOGIT, 0, 0])


def test_each_choice_has_the_average_of_its_own_windows():
    windows = [window(0, 10, slot=1), window(0, 30, slot=1), window(0, 5, slot=0)]
    windows += [window(1, 6, slot=number) for number in range(3)]
    logits = np.array([[2.0], [4.0], [9.0], [1.0], [2.0], [3.0]])
    rows = [ChoiceInput("", "q", ("a", "b")), ChoiceInput("", "q", ("a", "b", "c"))]
    first, second = merge_windows([(windows, logits)], rows, family="choose", outputs=1)
    np.testing.assert_allclose(first, [[9.0], [3.5]])
    np.testing.assert_allclose(second, [[1.0], [2.0], [3.0]])


def test_each_text_read_apart_has_the_average_vector_of_its_windows():
    windows = [window(0, 4, slot=0), window(0, 6, slot=1), window(0, 2, slot=1)]
    vectors = np.array([[1.0, 2, 3], [4, 4, 4], [0, 0, 8]], dtype=np.float32)
    (merged,) = merge_windows(
        [(windows, vectors)], [PairInput("a", "b")], family="embed", outputs=0
    )
    np.testing.assert_allclose(merged, [[1, 2, 3], [3, 3, 5]])


def test_slots_of_a_row_are_its_choices_or_its_two_texts():
    items = [ChoiceInput("", "q", ("a", "b", "c")), PairInput("a", "b"), TextInput("a")]
    assert [slot_count(item) for item in items] == [3, 2, 1]


@given(st.integers(0, KEPT_STRETCHES), st.integers(0, 2**32 - 1))
def test_best_stretches_of_a_window_are_those_of_brute_force(tokens, seed):
    logits = np.random.default_rng(seed).normal(size=(tokens + 1, 2))
    one = context_window(0, 7, tokens)
    (merged,) = merge_windows([([one], logits)], [QUESTION], family="span", outputs=2)
    wanted = sorted(
        (
            (7 + first, 7 + last + 1, logits[first + 1, 0] + logits[last + 1, 1])
            for first in range(tokens)
            for last in range(first, tokens)
        ),
        key=lambda stretch: -stretch[2],
    )
    np.testing.assert_allclose(merged[0], [-1, -1, logits[0].sum()])
    np.testing.assert_allclose(merged[1:], np.array(wanted[:KEPT_STRETCHES]).reshape(-1, 3))


@given(st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_best_stretch_of_many_tokens_begins_before_it_ends_and_is_not_too_long(tokens, seed):
    logits = np.random.default_rng(seed).normal(size=(3 * tokens + 1, 2))
    one = context_window(0, 0, 3 * tokens)
    (merged,) = merge_windows([([one], logits)], [QUESTION], family="span", outputs=2)
    lengths = merged[1:, 1] - merged[1:, 0]
    assert (lengths > 0).all()
    assert (lengths <= LONGEST_ANSWER_TOKENS).all()
    assert len(merged) <= KEPT_STRETCHES + 1
    assert (np.diff(merged[1:, 2]) <= 0).all()
    for start, end, score in merged[1:]:
        assert score == pytest.approx(logits[int(start) + 1, 0] + logits[int(end), 1])


def test_stretch_in_two_windows_is_kept_once_with_its_better_score():
    windows = [context_window(0, 0, 3), context_window(0, 2, 3)]
    logits = np.zeros((8, 2))
    logits[3], logits[5] = [1.0, 1.0], [2.0, 2.0]  # the letter 2 in either window
    (merged,) = merge_windows([(windows, logits)], [QUESTION], family="span", outputs=2)
    stretches = [tuple(row[:2]) for row in merged[1:]]
    assert len(set(stretches)) == len(stretches)
    assert merged[1].tolist() == [2, 3, 4.0]


def test_no_answer_is_as_likely_as_in_the_window_that_sees_most_of_one():
    windows = [context_window(0, 0, 1), context_window(0, 1, 1)]
    logits = np.array([[5.0, 5], [0, 0], [-1, -2], [3, 3]])
    (merged,) = merge_windows([(windows, logits)], [QUESTION], family="span", outputs=2)
    assert merged[0].tolist() == [-1, -1, -3.0]
    assert merged[1].tolist() == [1, 2, 6.0]


def test_question_about_nothing_has_no_stretch():
    one = context_window(0, 0, 0)
    rows = [QuestionInput("q", ""), QuestionInput("q", "unread")]
    merged = merge_windows([([one], np.ones((1, 2)))], rows, family="span", outputs=2)
    assert [row.tolist() for row in merged] == [[[-1, -1, 2.0]], [[-1, -1, 0.0]]]


def made_rows(family: str, chance) -> tuple[list, list[Window], int]:
    """Return rows of a family, their windows, several a row, and the outputs."""
    rows, windows = [], []
    for row in range(4):
        parts = chance.randint(1, 3)
        match family:
            case "classify" | "relate":
                rows.append(MarkedInput("a b", (0, 1), (2, 3)))
                windows += [window(row, chance.randint(2, 9)) for _ in range(parts)]
            case "tag":
                rows.append(WordsInput("a b c", ((0, 1), (2, 3), (4, 5))))
                empty = np.empty((0, 2), int)
                windows += [window(row, 4, words=np.array([n]), followers=empty) for n in range(3)]
            case "choose":
                rows.append(ChoiceInput("", "q", ("a", "b", "c", "d")[: parts + 1]))
                slots = list(range(parts + 1)) * parts
                windows += [window(row, chance.randint(2, 9), slot=slot) for slot in slots]
            case "embed":
                rows.append(PairInput("a", "b"))
                windows += [window(row, chance.randint(2, 9), slot=n % 2) for n in range(2 * parts)]
            case "span":
                rows.append(QUESTION)
                windows += [context_window(row, 4 * n, 6) for n in range(parts)]
    return rows, windows, {"choose": 1, "span": 2}.get(family, 3)


@pytest.mark.parametrize("family", ["classify", "relate", "tag", "choose", "embed", "span"])
@given(chance=st.randoms(use_true_random=False), step=st.sampled_from([1.0, 0.0]))
def test_order_of_batches_does_not_matter(family, chance, step):
    """Equal scores, which `step` 0 makes, must not be put in order by the batches either."""
    rows, windows, outputs = made_rows(family, chance)
    values = np.random.default_rng(chance.randint(0, 2**31))
    logits = [step * values.normal(size=(one.answers, outputs)) for one in windows]
    first = merge_windows(in_order(windows, logits), rows, family=family, outputs=outputs)
    other = merge_windows(
        split_at_random(windows, logits, chance), rows, family=family, outputs=outputs
    )
    assert len(first) == len(other) == len(rows)
    for one, two in zip(first, other, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-9)


def test_extract_gives_the_logit_of_each_sentence_and_its_likeness_to_all_and_to_the_first():
    inputs = [SentencesInput("ab c", ((0, 2), (3, 4))), SentencesInput("d", ((0, 1),))]
    windows = [
        window(0, 2, slot=1),
        window(1, 2, slot=0),
        window(0, 1, slot=0),
        window(0, 3, slot=0),
    ]
    outputs = np.array(
        [[4.0, 0.0, 1.0], [1.0, 0.0, -1.0], [0.0, 1.0, 0.0], [8.0, 1.0, 0.0]], dtype=np.float32
    )
    first, second = merge_windows([(windows, outputs)], inputs, family="extract", outputs=1)
    half = np.sqrt(0.5)
    np.testing.assert_allclose(first, [[6.0, half, 1.0], [4.0, half, 0.0]], atol=1e-6)
    np.testing.assert_allclose(second, [[1.0, 1.0, 1.0]], atol=1e-6)
