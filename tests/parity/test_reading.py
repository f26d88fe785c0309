"""Our marks of answers against the scorers' rules written out once more, character by character.

The published scripts of SQuAD and CMRC 2018 are not installable; what they count is said here in
other words and other code, and both must agree on drawn texts to 1e-12.
"""

import string
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.measure.reading import mark_answer

SIGNS = set("-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』")
english = st.lists(
    st.sampled_from(["the", "a", "an", "cat", "Cat", "dog.", "U.S.", "1,000", "-", "then", "%"]),
    max_size=6,
).map(" ".join)
chinese = st.lists(
    st.sampled_from([*"我你他中国年，。《》-", "abc", "B2", "19", " "]), max_size=10
).map("".join)


def squad_words(text):
    """Return the words left when signs are deleted and articles are skipped, one by one."""
    kept = "".join(char for char in text.lower() if char not in string.punctuation)
    return [word for word in kept.split() if word not in {"a", "an", "the"}]


def squad_mark(gold, predicted):
    """Return exact match and F1 by crossing out common words."""
    left = squad_words(gold)
    answered = squad_words(predicted)
    common = 0
    for word in answered:
        if word in left:
            left.remove(word)
            common += 1
    total = len(squad_words(gold)) + len(answered)
    both_empty = total == 0
    return float(squad_words(gold) == answered), 1.0 if both_empty else 2 * common / total


def cmrc_tokens(text):
    """Return Han characters and what stands between them, split at spaces; signs are deleted."""
    parts = []
    for char in text.lower().strip():
        if char in SIGNS:
            continue
        parts.append(f" {char} " if "\u4e00" <= char <= "\u9fa5" else char)
    return "".join(parts).split()


def cmrc_mark(gold, predicted):
    """Return exact match and F1 by trying every stretch of one in the other."""
    wanted, answered = cmrc_tokens(gold), cmrc_tokens(predicted)
    longest = max(
        (
            end - start
            for start, end in product(range(len(wanted) + 1), repeat=2)
            for place in range(len(answered))
            if start < end and wanted[start:end] == answered[place : place + end - start]
        ),
        default=0,
    )
    if not wanted or not answered:
        return (float(wanted == answered),) * 2
    one, other = (
        "".join(char for char in text.lower().strip() if char not in SIGNS)
        for text in (gold, predicted)
    )
    return float(one == other), 2 * longest / (len(wanted) + len(answered))


@given(st.lists(english, min_size=1, max_size=3), english)
def test_english_marks_equal_the_rules_of_squad(gold, predicted):
    wanted = [text for text in gold if squad_words(text)] or [""]
    marks = [squad_mark(text, predicted) for text in wanted]
    expected = tuple(max(mark[column] for mark in marks) for column in (0, 1))
    assert mark_answer(gold, predicted, chinese=False) == pytest.approx(expected, abs=1e-12)


@given(chinese, chinese)
def test_chinese_marks_equal_the_rules_of_cmrc(gold, predicted):
    expected = cmrc_mark(gold, predicted)
    assert mark_answer([gold], predicted, chinese=True) == pytest.approx(expected, abs=1e-12)
