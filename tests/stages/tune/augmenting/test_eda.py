"""EDA: each operation, in English and Chinese, on texts, pairs and rows of words."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.core.augmentation import Eda, Mentions
from tunesmith.core.errors import SpecError
from tunesmith.core.examples import Example, Place, TextInput
from tunesmith.data.synonyms import Synonyms, usual_synonyms
from tunesmith.stages.tune.augmenting import (
    ALL_OPERATIONS,
    Tally,
    make_copies,
    refuse_augmentation,
)
from tunesmith.stages.tune.augmenting.eda import make_eda
from tunesmith.stages.tune.augmenting.edits import Edit, edit_text
from tunesmith.stages.tune.augmenting.words import find_words

ENGLISH = "The delivery was very slow and my order #12 is not here, please help!"
CHINESE = "这家饭店的iPhone15套餐非常好吃，价格3,000元太昂贵了"


def words_of(text):
    return [word.text for word in find_words(text, usual_synonyms())]


def test_words_are_the_longest_the_dictionary_knows_and_latin_ones_whole():
    known = Synonyms(
        {"好": ("棒",), "好吃": ("美味",), "at once": ("now",), "中华人民共和国": ("中国",)}
    )
    found = find_words("iPhone15好吃 don't 3,000.5元 at  once!中华人民共和国", known)
    texts = [word.text for word in found]
    assert texts == ["iPhone15", "好吃", "don't", "3,000.5", "元", "at  once", "中华人民共和国"]
    assert [texts[n] for n, word in enumerate(found) if word.synonyms] == [
        "好吃",
        "at  once",
        "中华人民共和国",
    ]


@pytest.mark.parametrize("text", [ENGLISH, CHINESE])
def test_synonyms_exchange_words_that_have_one_and_nothing_else(copies_of, text_row, text):
    (copy,), _ = copies_of(Eda(operations=("synonyms",), share=0.05), [text_row(text)])
    before, after = words_of(text), words_of(copy.inputs.text)
    differing = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert len(differing) == 1
    old, new = differing[0]
    assert new in usual_synonyms().of(old)


@pytest.mark.parametrize("text", [ENGLISH, CHINESE])
def test_swap_keeps_every_word_and_marks_stay_where_they_were(copies_of, text_row, text):
    (copy,), _ = copies_of(Eda(operations=("swap",), share=0.3), [text_row(text)])
    assert copy.inputs.text != text
    assert Counter(words_of(copy.inputs.text)) == Counter(words_of(text))


@pytest.mark.parametrize("text", [ENGLISH, CHINESE])
def test_deletion_leaves_words_out_but_never_a_negation(copies_of, text_row, text):
    recipe = Eda(operations=("deletion",), share=0.6, copies=20)
    copies, _ = copies_of(recipe, [text_row(text), text_row("不是不好", identity="2")])
    before = Counter(words_of(text))
    own = [copy for copy in copies if copy.id.startswith("1+")]
    assert len(own) > 10
    for copy in own:
        after = Counter(words_of(copy.inputs.text))
        assert after < before
        assert ("not" in after) == ("not" in before)
    assert all("不" in copy.inputs.text for copy in copies if copy.id.startswith("2+"))


def test_insertion_puts_in_synonyms_of_words_of_the_text(copies_of, text_row):
    (copy,), _ = copies_of(Eda(operations=("insertion",), share=0.05), [text_row(CHINESE)])
    before, after = Counter(words_of(CHINESE)), Counter(words_of(copy.inputs.text))
    (new,) = (after - before).elements()
    assert before < after
    assert any(new in usual_synonyms().of(word) for word in before)


def test_latin_words_and_numbers_never_run_together():
    assert edit_text("abc好def", [Edit(3, 4, "")]).text == "abc def"
    assert edit_text("iPhone北京", [Edit(6, 8, "New York")]).text == "iPhone New York"
    assert edit_text("a  b c", [Edit(3, 4, "")]).text == "a  c"
    assert edit_text("go now", [Edit(0, 2, "")]).text == "now"


def test_case_of_a_word_is_that_of_the_one_it_replaces(copies_of, text_row):
    recipe = Eda(operations=("synonyms",))
    (first,), _ = copies_of(recipe, [text_row("Quickly!")])
    (second,), _ = copies_of(recipe, [text_row("QUICKLY!")])
    assert first.inputs.text in ("Rapidly!", "Fast!")
    assert second.inputs.text in ("RAPIDLY!", "FAST!")


def test_copies_depend_on_row_and_seed_alone(copies_of, text_row):
    rows = [text_row(ENGLISH), text_row(CHINESE, identity="2")]
    recipe = Eda(copies=3)
    first, tally = copies_of(recipe, rows)
    again, _ = copies_of(recipe, rows[::-1])
    assert sorted(first, key=lambda copy: copy.id) == sorted(again, key=lambda copy: copy.id)
    other, _ = copies_of(recipe, rows, seed=1)
    assert [copy.inputs.text for copy in first] != [copy.inputs.text for copy in other]
    assert len({copy.id for copy in first}) == len(first) == tally.made
    assert all((copy.gold, copy.group) == ("label", "group") for copy in first)


def test_unchanged_and_equal_copies_are_dropped_and_counted(copies_of, text_row):
    rows = [text_row("zzz"), text_row("slow", identity="2")]
    copies, tally = copies_of(Eda(copies=4, operations=("synonyms",)), rows)
    assert [copy.inputs.text for copy in copies] == ["sluggish"]
    assert (tally.rows, tally.made, tally.dropped) == (2, 1, 7)
    assert "1 copies beside 2 training rows; 7 empty" in tally.sentence("eda")


def test_one_text_of_a_pair_is_changed_and_the_other_where_it_cannot_be(copies_of, pair_row):
    (copy,), _ = copies_of(Eda(operations=("synonyms",)), [pair_row("zzz", "very slow")])
    assert copy.inputs.first == "zzz"
    assert copy.inputs.second != "very slow"
    assert copy.gold == "same"


def test_words_outside_entities_are_exchanged_and_tags_follow(copies_of, word_row):
    row = word_row("The big shop in Quick Town is slow.", ("Quick Town", "LOC"))
    chinese = word_row("张三在好吃街买了非常便宜的iPhone", ("好吃街", "LOC"), identity="2")
    copies, _ = copies_of(Eda(copies=6, share=0.4), [row, chinese])
    assert {copy.id[0] for copy in copies} == {"1", "2"}
    for copy in copies:
        text = copy.inputs.text
        (span,) = copy.gold
        assert text[span.start : span.end] in ("Quick Town", "好吃街")
        words = [text[start:end] for start, end in copy.inputs.words]
        assert words == [text[start:end] for start, end in sorted(copy.inputs.words)]
        assert "".join(words) == "".join(text.split())


def test_entities_are_replaced_by_others_of_their_type_with_their_words(copies_of, word_row):
    rows = [
        word_row("Ada lives in New York.", ("Ada", "PER"), ("New York", "LOC")),
        word_row("张三住在北京", ("张三", "PER"), ("北京", "LOC"), identity="2"),
        word_row("nothing here", identity="3"),
    ]
    copies, tally = copies_of(Mentions(copies=5, share=1.0), rows)
    assert {copy.inputs.text for copy in copies} == {"张三 lives in 北京.", "Ada住在New York"}
    for copy in copies:
        text = copy.inputs.text
        found = {(text[span.start : span.end], span.type) for span in copy.gold}
        assert found in ({("张三", "PER"), ("北京", "LOC")}, {("Ada", "PER"), ("New York", "LOC")})
        starts = {start for start, _ in copy.inputs.words}
        assert all(span.start in starts for span in copy.gold)
    assert (tally.made, tally.dropped) == (2, 13)


@pytest.mark.parametrize(
    ("recipe", "task", "found"),
    [
        (Eda(), "qa", "got qa"),
        (Mentions(), "classification", "got classification"),
        (Eda(operations=("synonyms", "swap")), "ner", "swap"),
    ],
)
def test_task_whose_answers_are_not_kept_is_refused(recipe, task, found):
    with pytest.raises(SpecError, match=found):
        refuse_augmentation(recipe, task)


@given(st.text(max_size=60), st.integers(0, 99))
def test_any_text_gives_a_copy_that_differs_or_none(text, seed):
    row = Example("1", TextInput(text), "label", Place("f", 1))
    tally = Tally()
    make = make_eda(ALL_OPERATIONS, usual_synonyms(), share=0.3)
    for copy in make_copies([row], make, copies=3, seed=seed, tally=tally):
        assert copy.inputs.text.strip()
        assert copy.inputs.text != text
    assert tally.made + tally.dropped == 3
