"""Fingerprints: equal for equal rows, another for a change of any part of any kind of inputs."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.core.examples import (
    INPUTS,
    ChatInput,
    ChoiceInput,
    Example,
    HistoryInput,
    MarkedInput,
    Message,
    PairInput,
    Place,
    QuestionInput,
    SentencesInput,
    Span,
    TextInput,
    WordsInput,
    WritingInput,
)
from tunesmith.data.fingerprints import fingerprint_examples, text_key

PLACE = Place("a.jsonl", 1)
ITEMS = {
    "TextInput": TextInput("a b"),
    "WordsInput": WordsInput("a b", ((0, 1), (2, 3))),
    "PairInput": PairInput("a", "b"),
    "MarkedInput": MarkedInput("a b", (0, 1), (2, 3), ("x", "")),
    "QuestionInput": QuestionInput("a", "b"),
    "ChoiceInput": ChoiceInput("a", "b", ("c", "d")),
    "HistoryInput": HistoryInput("a", ("b", "c"), ("d",), 1.0, 2.0),
    "SentencesInput": SentencesInput("a b", ((0, 1), (2, 3))),
    "WritingInput": WritingInput("a", "b"),
    "ChatInput": ChatInput((Message("user", "a"), Message("assistant", "b"))),
}
KINDS = pytest.mark.parametrize("kind", sorted(ITEMS))


def of(item: Any, gold: Any = None) -> str:
    return fingerprint_examples([Example("1", item, gold, PLACE)])


def changed(value: Any) -> Any:
    """Return another value of the same type."""
    if isinstance(value, str):
        return value + "!"
    if isinstance(value, int | float):
        return value + 1
    return (changed(value[0]), *value[1:])


def test_every_kind_of_inputs_is_here():
    assert set(ITEMS) == set(INPUTS)


@KINDS
def test_fingerprint_is_another_when_any_part_of_the_inputs_is(kind):
    item = ITEMS[kind]
    prints = [of(item)]
    for part in fields(item):
        prints.append(of(replace(item, **{part.name: changed(getattr(item, part.name))})))
    assert len(set(prints)) == len(fields(item)) + 1


@KINDS
def test_fingerprint_does_not_depend_on_place_group_and_order(kind):
    rows = [Example(str(n), ITEMS[kind], n, PLACE) for n in range(5)]
    moved = [replace(row, place=Place("b.csv", 9), group="g") for row in rows[::-1]]
    assert fingerprint_examples(rows) == fingerprint_examples(moved)


def test_parts_that_join_to_the_same_text_differ():
    assert of(PairInput("a\nb", "c")) != of(PairInput("a", "b\nc"))
    assert of(QuestionInput("a\nb", "c")) != of(QuestionInput("a", "b\nc"))
    assert of(ChoiceInput("a", "b", ("c\nd", "e"))) != of(ChoiceInput("a", "b", ("c", "d\ne")))
    assert of(PairInput("a", "b")) != of(PairInput("b", "a"))
    assert of(TextInput("a\nb")) != of(PairInput("a", "b"))


def test_gold_answers_of_each_kind_count():
    item = ITEMS["QuestionInput"]
    golds = [None, (), (Span(0, 1, ""),), (Span(0, 2, ""),), "a", 0, 1, 0.5, 2.5]
    assert len({of(item, gold) for gold in golds}) == len(golds)
    both = (Span(0, 1, ""), Span(2, 3, ""))
    assert of(item, both) == of(item, both[::-1])


@given(st.lists(st.text(st.characters(codec=None), max_size=5), min_size=3, max_size=3))
def test_fingerprint_and_key_of_any_text_are_made(texts):
    for item in (PairInput(*texts[:2]), ChoiceInput(*texts[:2], tuple(texts))):
        assert len(of(item)) == 64
        assert text_key(Example("1", item, None, PLACE)) == text_key(Example("2", item, 1, PLACE))


def test_text_key_reads_all_parts_of_a_row():
    def key(item: Any) -> str:
        return text_key(Example("1", item, None, PLACE))

    assert key(PairInput("Ａ  card", "B")) == key(PairInput("a card", "b"))
    assert key(PairInput("a", "b")) != key(PairInput("a", "c"))
    assert key(ChoiceInput("a", "b", ("c", "d"))) != key(ChoiceInput("a", "b", ("c", "e")))
