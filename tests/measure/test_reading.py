"""Answers read from a text: the scorers' rules by hand, bounds, edges."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.measure.intervals import bootstrap_intervals
from tunesmith.measure.reading import (
    chinese_tokens,
    mark_answer,
    plain_answer,
    plain_chinese_answer,
    reading_marks,
    reading_statistics,
)

answers = st.text(alphabet="ab the,.!，。《》我们是年19 %", max_size=12)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("The Answer", "answer"),
        ("an  apple\tand a pear", "apple and pear"),
        ("theatre", "theatre"),
        ("$1,000.50", "100050"),
        ("U.S.A.", "usa"),
        ("a-an-the", "aanthe"),
        ("“quoted”", "“quoted”"),
        ("the", ""),
    ],
)
def test_plain_answer_drops_case_signs_articles_and_spaces(text, plain):
    assert plain_answer(text) == plain


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        (" 《红楼梦》。", "红楼梦"),
        ("ABC公司", "abc公司"),
        ("1990-1995", "19901995"),
        ("等等……", "等等……"),
        ("3.5%", "3.5%"),
        ("the 人", "the 人"),
    ],
)
def test_plain_chinese_answer_drops_the_scorers_signs_and_no_others(text, plain):
    assert plain_chinese_answer(text) == plain


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("我们", ["我", "们"]),
        ("iPhone 4手机", ["iphone", "4", "手", "机"]),
        ("A，B", ["ab"]),
        ("John F. Kennedy(1917)", ["john", "f.", "kennedy", "(", "1917", ")"]),
        ("1,000人", ["1,000", "人"]),
        ("cats, dogs.", ["cats", ",", "dogs", "."]),
        ("it's 50%", ["it", "'s", "50", "%"]),
        ("，。", []),
    ],
)
def test_chinese_tokens_are_characters_and_the_words_between(text, tokens):
    assert chinese_tokens(text) == tokens


def test_f1_of_english_is_over_bags_of_words():
    mark = mark_answer(["in the late 1990s"], "the 1990s, late")
    assert mark == (0.0, pytest.approx(2 * 2 / (3 + 2)))
    # A word that is given twice counts once where gold has it once.
    assert mark_answer(["new york"], "york york").f1 == pytest.approx(2 * 1 / 4)


def test_f1_of_chinese_is_over_the_longest_unbroken_run():
    # 中国人民 against 中华人民: common are 中, 人民; the longest run without a gap is 人民.
    assert mark_answer(["中国人民"], "中华人民").f1 == pytest.approx(2 * 2 / 8)
    assert mark_answer(["北京市"], "市京北").f1 == pytest.approx(2 * 1 / 6)


def test_best_gold_answer_counts_for_each_mark_alone():
    mark = mark_answer(["red", "big red car parked"], "big red car")
    assert mark == (0.0, pytest.approx(6 / 7))
    assert mark_answer(["2004年", "《2004》"], "2004") == (1.0, 1.0)


def test_language_is_chosen_by_the_texts_or_by_the_caller():
    # Articles go in English only; the run rule holds in Chinese only.
    assert mark_answer(["The Beatles"], "beatles").exact_match == 1.0
    assert mark_answer(["The Beatles乐队"], "beatles乐队").exact_match == 0.0
    assert mark_answer(["Nexon"], "Nexon公司") == (0.0, 0.5)
    assert mark_answer(["b x c"], "c b").f1 == pytest.approx(4 / 5)
    assert mark_answer(["b x c"], "c b", chinese=True).f1 == pytest.approx(2 / 5)


@pytest.mark.parametrize("gold", [[], [""], ["the"], ["the", "-"]])
def test_no_answer_is_right_only_where_there_is_none(gold):
    assert mark_answer(gold, "") == (1.0, 1.0)
    assert mark_answer(gold, "something") == (0.0, 0.0)
    assert mark_answer(["something"], "") == (0.0, 0.0)
    assert mark_answer(["某事"], "。") == (0.0, 0.0)
    assert mark_answer(["《 》"], "。", chinese=True) == (1.0, 1.0)


def test_marks_of_rows_without_answer_stand_apart():
    marks = reading_marks([["a cat"], [], [], ["dog"]], ["cat", "", "cat", "wolf"])
    assert marks["exact_match"].tolist() == [1.0, 1.0, 0.0, 0.0]
    assert reading_statistics([["a cat"], [], [], ["dog"]], ["cat", "", "cat", "wolf"])(
        np.ones(4)
    ) == {
        "exact_match": 0.5,
        "f1": 0.5,
        "has_answer_exact_match": 0.5,
        "has_answer_f1": 0.5,
        "no_answer_accuracy": 0.5,
    }
    assert math.isnan(marks["no_answer_accuracy"][0])
    assert set(reading_marks([["a"]], ["a"])) == {"exact_match", "f1"}


@given(st.lists(answers, max_size=3), answers, st.sampled_from([None, True, False]))
def test_marks_are_bounded_and_a_match_has_full_f1(gold, predicted, chinese):
    exact, f1 = mark_answer(gold, predicted, chinese=chinese)
    assert exact in (0.0, 1.0)
    assert 0.0 <= f1 <= 1.0
    assert f1 == 1.0 or not exact
    assert mark_answer(gold[::-1], predicted, chinese=chinese) == (exact, f1)


@given(answers, st.sampled_from([True, False]))
def test_an_answer_is_its_own_gold(text, chinese):
    assert mark_answer([text], text, chinese=chinese) == (1.0, 1.0)


@given(answers, answers, st.sampled_from([True, False]))
def test_f1_is_symmetric_in_gold_and_answer(one, other, chinese):
    assert mark_answer([one], other, chinese=chinese).f1 == pytest.approx(
        mark_answer([other], one, chinese=chinese).f1
    )


def test_statistics_weigh_rows_and_give_intervals():
    gold, predicted = [["a b"], ["c"], ["d"]] * 20, ["a b", "c", "x"] * 20
    statistics = reading_statistics(gold, predicted)
    assert statistics(np.array([2, 0, 1] * 20))["f1"] == pytest.approx(2 / 3)
    low, high = bootstrap_intervals(statistics, 60)["exact_match"]
    assert 0.5 < low < 2 / 3 < high < 0.8


def test_no_rows_give_zeros():
    assert reading_statistics([], [])(np.ones(0)) == {"exact_match": 0.0, "f1": 0.0}


def test_unequally_many_rows_are_refused():
    with pytest.raises(ValueError, match="equally many rows; got 1 and 2"):
        reading_marks([["a"]], ["a", "b"])
