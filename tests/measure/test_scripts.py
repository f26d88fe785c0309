"""Scripts: what is Chinese, and what the words of a task call so too."""

import pytest

from tunesmith.measure.scripts import HAN, UNSPACED, han_ratio, holds_han
from tunesmith.tasks import words


@pytest.mark.parametrize("text", ["我", "abc 〇", "𠀀", "人々"])
def test_han_is_found_wherever_it_stands(text):
    assert holds_han(text)


@pytest.mark.parametrize("text", ["", "abc", "ひらがな", "한국어", "，。！", "１２"])
def test_other_scripts_and_signs_are_no_han(text):
    assert not holds_han(text)


def test_han_ratio_counts_letters_and_digits_only():
    assert han_ratio([]) == han_ratio(["，。 !?"]) == 0.0
    assert han_ratio(["我们。", "ab !"]) == 0.5


def test_marks_and_tasks_agree_on_scripts():
    assert words.UNSPACED is UNSPACED
    assert UNSPACED.startswith(HAN)
