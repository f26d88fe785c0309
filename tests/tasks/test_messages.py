"""Messages: both ways to write them, turns, and every problem with its number."""

from __future__ import annotations

import doctest
import json

import numpy as np
import pytest

from tunesmith.core.examples import Message, Place
from tunesmith.tasks import messages
from tunesmith.tasks.messages import read_messages, split_answer
from tunesmith.tasks.rows import Reader

USER, BOT = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}
SYSTEM = {"role": "system", "content": "Be brief."}


def reading(value: object, name: str = "messages") -> tuple[tuple[Message, ...] | None, list[str]]:
    reader = Reader({name: value}, columns={}, place=Place("rows.jsonl", 7))
    found = read_messages(reader)
    return found, [str(problem) for problem in reader.problems]


@pytest.mark.parametrize(
    "value",
    [
        [USER, BOT],
        [SYSTEM, USER, BOT, USER, BOT],
        [USER],
        json.dumps([USER, BOT], ensure_ascii=False),
        np.array([USER, BOT], dtype=object),
        [USER, {"role": "assistant", "content": 7}],
    ],
)
def test_messages_that_take_turns_are_read(value):
    found, problems = reading(value)
    assert problems == []
    assert found[-1].role in ("assistant", "user")
    assert {type(message.content) for message in found} == {str}


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        ([], ("`messages` must hold a list",)),
        ("hello", ("`messages` must hold a list",)),
        (None, ("`messages` must hold a list",)),
        ([USER, "hello"], ("`messages[1].role`", "`messages[1].content`")),
        ([{"role": "human", "content": "Hi"}, BOT], ("`messages[0].role`", "`user` for `human`")),
        ([USER, {"role": "assistant", "content": " "}], ("`messages[1].content` must hold text",)),
        ([USER, {"role": "assistant", "content": None}], ("`messages[1].content`",)),
        ([USER, USER, BOT], ("`messages[1].role` must be assistant",)),
        ([BOT, USER], ("`messages[0].role` must be user",)),
        ([USER, BOT, SYSTEM], ("`messages[2].role` must be user",)),
        ([SYSTEM, SYSTEM, USER], ("`messages[1].role` must be user",)),
        ([SYSTEM], ("must hold a user's message",)),
    ],
)
def test_messages_that_cannot_be_read_name_what_is_wrong(value, parts):
    found, problems = reading(value)
    assert found is None
    assert all(any(part in problem for problem in problems) for part in parts), problems
    assert all("rows.jsonl:7" in problem for problem in problems)


def test_every_bad_message_is_named_at_once():
    _, problems = reading([{"role": "x", "content": "a"}, {"role": "user", "content": ""}])
    assert len(problems) == 2


def test_missing_column_earns_a_guess():
    found, problems = reading([USER], name="message")
    assert found is None
    assert "--column messages=message" in problems[0]


def test_conversation_that_a_user_ends_has_no_answer():
    kept = (Message("user", "Hi"),)
    assert split_answer(kept) == (kept, None)
    assert split_answer((*kept, Message("assistant", "Hello"))) == (kept, "Hello")


def test_example_in_the_docstring():
    assert doctest.testmod(messages).attempted > 0
    assert doctest.testmod(messages).failed == 0
