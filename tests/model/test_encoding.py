from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.core.errors import SpecError
from tunesmith.core.examples import TextInput, WordsInput
from tunesmith.model.backbones import load_tokenizer
from tunesmith.model.encoding import encode_windows, first_tokens
from tunesmith.model.framing import Reading, find_frame
from tunesmith.model.sources import find_model
from tunesmith.tasks.words import split_words

LONG = " ".join(f"the order {number} is good" for number in range(200))


@pytest.fixture(scope="module")
def tokenizer(tiny_model):
    return load_tokenizer(tiny_model)


def _windows(tokenizer, inputs, **wishes):
    reading = Reading(
        **{
            "max_length": 32,
            "stride": 8,
            "long_text": "windows",
            "case_shape": False,
            **wishes,
        }
    )
    return list(encode_windows(tokenizer, inputs, reading))


def _words(text):
    return WordsInput(text, split_words(text))


def test_frame_of_a_bert_tokenizer_is_cls_and_sep(tokenizer):
    frame = find_frame(tokenizer)
    assert frame.before == (tokenizer.cls_token_id,)
    assert frame.after == (tokenizer.sep_token_id,)


def test_short_text_is_one_window_with_special_tokens(tokenizer):
    (window,) = _windows(tokenizer, [TextInput("the order is good")])
    assert window.ids.tolist() == tokenizer("the order is good")["input_ids"]
    assert (window.row, window.share, window.answers) == (0, 1.0, 1)


def test_empty_text_is_one_window_of_special_tokens(tokenizer):
    (window,) = _windows(tokenizer, [TextInput("")])
    assert window.ids.tolist() == tokenizer("")["input_ids"]


def test_long_text_every_token_lies_in_a_window_and_neighbours_overlap(tokenizer):
    ids = tokenizer(LONG, add_special_tokens=False)["input_ids"]
    windows = _windows(tokenizer, [TextInput(LONG)])
    assert len(windows) > 10
    assert max(len(window.ids) for window in windows) <= 32
    assert sum(window.share for window in windows) == pytest.approx(1.0)
    joined = windows[0].ids[1:-1].tolist()
    for window in windows[1:]:
        content = window.ids[1:-1].tolist()
        assert content[:8] == joined[-8:]
        joined += content[8:]
    assert joined == ids


def test_truncated_text_is_one_window_of_the_first_tokens(tokenizer):
    (window,) = _windows(tokenizer, [TextInput(LONG)], long_text="truncate")
    ids = tokenizer(LONG, add_special_tokens=False)["input_ids"]
    assert window.ids[1:-1].tolist() == ids[:30]


def test_long_tagged_text_every_word_has_one_home_with_context_on_both_sides(tokenizer):
    inputs = _words(LONG)
    windows = _windows(tokenizer, [inputs])
    homes = np.concatenate([window.words for window in windows])
    assert sorted(homes.tolist()) == list(range(len(inputs.words)))
    for number, window in enumerate(windows):
        if 0 < number < len(windows) - 1:
            assert window.positions.min() > 2
            assert window.positions.max() < len(window.ids) - 3


def test_truncated_tagged_text_leaves_out_the_words_beyond(tokenizer):
    inputs = _words(LONG)
    (window,) = _windows(tokenizer, [inputs], long_text="truncate")
    assert 0 < len(window.words) < len(inputs.words)
    assert window.words.tolist() == list(range(len(window.words)))


def test_window_smaller_than_its_stride_is_refused_with_a_hint(tokenizer):
    with pytest.raises(SpecError, match="model.stride"):
        _windows(tokenizer, [TextInput("a")], max_length=10, stride=8)


def test_case_shapes_follow_the_words(tokenizer):
    (window,) = _windows(tokenizer, [_words("Good NASA order 12 iPhone !")], case_shape=True)
    shapes = {
        index: int(window.shapes[position])
        for index, position in zip(window.words, window.positions, strict=True)
    }
    assert [shapes[index] for index in range(6)] == [2, 3, 1, 4, 5, 0]
    assert window.shapes[0] == window.shapes[-1] == 0


def test_rows_are_counted_across_groups_of_texts(tokenizer):
    windows = _windows(tokenizer, [TextInput("good")] * 2500)
    assert [window.row for window in windows] == list(range(2500))


@given(st.text(max_size=40))
def test_first_token_touches_its_word(tiny_tokenizer, text):
    inputs = _words(text)
    encoded = tiny_tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    offsets = encoded["offset_mapping"]
    for word, token in enumerate(first_tokens(offsets, inputs)):
        start, end = inputs.words[word]
        if token >= 0:
            assert offsets[token][0] < end
            assert offsets[token][1] > start
        else:
            assert not any(first < end and last > start for first, last in offsets)


@pytest.fixture(scope="module")
def tiny_tokenizer(tokenizer):
    return tokenizer


def test_words_that_share_a_token_follow_the_first_of_them():
    minilm = load_tokenizer(find_model("minilm").path)
    text = "on the 19th of May"
    inputs = _words(text)
    (window,) = _windows(minilm, [inputs])
    words = [text[slice(*word)] for word in inputs.words]
    assert [words[index] for index in window.words] == ["on", "the", "19", "of", "May"]
    assert [(words[a], words[b]) for a, b in window.followers] == [("th", "19")]
