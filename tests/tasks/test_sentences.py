"""Sentences: where they end in English and Chinese, dialogues, and summaries made of them."""

from __future__ import annotations

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.tasks import sentences
from tunesmith.tasks.sentences import (
    find_speakers,
    lead_sentences,
    lines_of,
    split_sentences,
    write_summary,
)

TALK = "#Person1#: Hi. Are you in?\n#Person2#: Yes, come up! It is open.\n\n#Person1#: Fine."
TEXTS = st.text(alphabet=st.sampled_from(list('aB1. !?…。！"”)\n:#王 \u3000')), max_size=60)


def parts(text: str) -> list[str]:
    return [text[start:end] for start, end in split_sentences(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        (
            "Dr. Wu met J. R. Ray at 3.5 km. He left.",
            ["Dr. Wu met J. R. Ray at 3.5 km.", "He left."],
        ),
        ("See e.g. page 3. Then stop.", ["See e.g. page 3.", "Then stop."]),
        ('He said "Go." She went.', ['He said "Go."', "She went."]),
        ("Well... maybe. No.", ["Well... maybe.", "No."]),
        ("Open at www.example.org now. Yes.", ["Open at www.example.org now.", "Yes."]),
        ("今天下雨。明天呢？“不下。”好！", ["今天下雨。", "明天呢？", "“不下。”", "好！"]),
        ("价格是3.5元；很贵。", ["价格是3.5元；", "很贵。"]),
        ("first line\nsecond line. third", ["first line", "second line.", "third"]),
        ("  \r\n a \r\n", ["a"]),
        ("!!! ok", ["!!!", "ok"]),
        (
            '"Go!" she said. So am I. No. He went.',
            ['"Go!" she said.', "So am I.", "No.", "He went."],
        ),
    ],
)
def test_split_sentences_of_english_and_chinese(text, expected):
    assert parts(text) == expected


@pytest.mark.parametrize("text", ["", "   \n "])
def test_text_without_sentences_is_one_stretch(text):
    assert split_sentences(text) == ((0, len(text)),)


@given(TEXTS)
def test_sentences_hold_every_visible_character_once_and_in_order(text):
    found = split_sentences(text)
    assert all(start <= end for start, end in found)
    assert all(one[1] <= other[0] for one, other in zip(found, found[1:], strict=False))
    joined = "".join(text[start:end] for start, end in found)
    assert "".join(joined.split()) == "".join(text.split())


def test_speakers_are_found_line_by_line():
    stretches = split_sentences(TALK)
    assert lines_of(TALK, stretches) == [0, 0, 1, 1, 2]
    one, two = "#Person1#:", "#Person2#:"
    assert find_speakers(TALK, stretches) == [one, one, two, two, one]


def test_chinese_speakers_are_found():
    talk = "小李：几点开会？\n小王：三点。"
    assert find_speakers(talk, split_sentences(talk)) == ["小李：", "小王："]


@pytest.mark.parametrize(
    "text", ["Note: it rains. It pours.", "It rains.\nNote: it pours.\nGo.\nOn."]
)
def test_prose_has_no_speakers(text):
    stretches = split_sentences(text)
    assert find_speakers(text, stretches) == [""] * len(stretches)


def test_summary_names_the_speaker_of_a_line_once_and_keeps_the_order():
    stretches = split_sentences(TALK)
    assert write_summary(TALK, stretches, [3, 1]) == (
        "#Person1#: Are you in?\n#Person2#: It is open."
    )
    assert write_summary(TALK, stretches, [2, 3]) == "#Person2#: Yes, come up! It is open."


def test_summary_of_prose_is_one_paragraph():
    text = "One. Two.\nThree."
    assert write_summary(text, split_sentences(text), [2, 0]) == "One. Three."
    assert write_summary("一。二。\n三。", split_sentences("一。二。\n三。"), [0, 2]) == "一。三。"


def test_lead_of_a_dialogue_counts_turns_and_of_prose_sentences():
    assert lead_sentences(TALK, split_sentences(TALK), most=2) == [0, 1, 2, 3]
    text = "One. Two. Three. Four."
    assert lead_sentences(text, split_sentences(text), most=3) == [0, 1, 2]


def test_example_in_the_docstring():
    assert doctest.testmod(sentences).attempted > 0
    assert doctest.testmod(sentences).failed == 0
