"""Words of spaced and unspaced scripts: their offsets, and texts made of them."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tunesmith.tasks.words import join_words, split_words

SCRIPTS = st.text(
    st.sampled_from(
        "abcXYZéß 019_-.,!?'\"\t\n"
        " 冰拿铁々〇。，「」ａＢ１カタひらไทย한국어😀👩‍💻\u0301\u200b\u3000ｶ"
    )
)
ANYTHING = SCRIPTS | st.text(max_size=40)


def words_of(text: str) -> list[str]:
    return [text[start:end] for start, end in split_words(text)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        (" \t\n\u3000", []),
        ("Where is it?", ["Where", "is", "it", "?"]),
        ("don't", ["don", "'", "t"]),
        ("2kg, B2B", ["2", "kg", ",", "B", "2", "B"]),
        ("snake_case", ["snake", "_", "case"]),
        ("Ångström's café", ["Ångström", "'", "s", "café"]),
        ("我要退款。", ["我", "要", "退", "款", "。"]),
        ("买iPhone 15吧", ["买", "iPhone", "15", "吧"]),
        ("人々と〇", ["人", "々", "と", "〇"]),
        ("한국어 좋아요", ["한국어", "좋아요"]),
        ("ok😀👍🏽", ["ok", "😀", "👍", "🏽"]),
        ("a\u200bb", ["a", "\u200b", "b"]),
        ("１２ＡＢ", ["１２", "ＡＢ"]),
    ],
)
def test_split_words_of_one_script_or_many(text, words):
    assert words_of(text) == words


@given(ANYTHING)
def test_split_words_offsets_increase_and_cover_all_but_white_space(text):
    spans = split_words(text)
    end = 0
    for start, stop in spans:
        assert end <= start < stop
        assert text[end:start].strip() == ""
        assert not any(character.isspace() for character in text[start:stop])
        end = stop
    assert text[end:].strip() == ""


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([], ""),
        (["New", "York"], "New York"),
        (["很", "大"], "很大"),
        (["New", "York", "很", "大", "ok"], "New York很大ok"),
        (["我", "，", "你"], "我，你"),
        (["ＡＢ", "ＣＤ"], "ＡＢ ＣＤ"),
        (["１", "２"], "１ ２"),
        (["好", "😀", "👍"], "好😀 👍"),
        ([".", "."], ". ."),
    ],
)
def test_join_words_puts_spaces_only_where_a_script_has_them(words, text):
    assert join_words(words)[0] == text


@given(st.lists(ANYTHING))
def test_join_words_offsets_give_back_each_word_in_order(words):
    text, offsets = join_words(words)
    assert [text[start:end] for start, end in offsets] == words
    assert all(before[1] <= after[0] for before, after in zip(offsets, offsets[1:], strict=False))


@given(ANYTHING)
@example("〇a")
@example("ＡＢ ＣＤ")
def test_join_words_of_split_words_splits_into_the_same_words(text):
    words = words_of(text)
    joined, offsets = join_words(words)
    assert words_of(joined) == words
    assert split_words(joined) == offsets
