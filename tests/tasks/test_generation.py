"""Conversations as rows: how they are written, what is wrong with them, how replies are marked."""

from __future__ import annotations

import json

import pytest

from tunesmith.core.answers import TextAnswer
from tunesmith.core.examples import ChatInput, Message, Place, TextInput, taught_inputs
from tunesmith.data.columns import suggest_columns
from tunesmith.tasks import make_task

USER, BOT = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}
PLACE = Place("rows.jsonl", 7)


def read(row, **columns):
    example, problems = make_task("generation", columns=columns).read(row, place=PLACE)
    return example, [str(problem) for problem in problems]


def test_last_answer_of_a_conversation_is_gold_and_the_rest_is_asked():
    example, problems = read({"messages": [USER, BOT, USER, {**BOT, "content": "Again"}]})
    assert not problems
    assert [message.role for message in example.inputs.messages] == ["user", "assistant", "user"]
    assert example.gold == ("Again",)
    assert example.inputs.text == "user: Hi\nassistant: Hello\nuser: Hi"


@pytest.mark.parametrize("reply", ["Hello", ["Hello", "Good day"]])
def test_answer_may_stand_in_a_column_of_its_own(reply):
    example, problems = read({"messages": [USER], "reply": reply})
    assert not problems
    assert example.gold == ((reply,) if isinstance(reply, str) else tuple(reply))


def test_conversation_that_a_user_ends_has_no_gold():
    example, problems = read({"messages": [USER, BOT, USER]})
    assert not problems
    assert example.gold is None
    assert taught_inputs(example) is example.inputs


def test_every_answer_of_a_row_is_taught():
    example, _ = read({"messages": [USER, BOT, USER], "reply": ["Again", "Anew"]})
    roles = [message.role for message in taught_inputs(example).messages]
    assert roles == ["user", "assistant", "user", "assistant"]
    assert taught_inputs(example).messages[-1] == Message("assistant", "Again")


def test_rows_of_sharegpt_are_read_by_the_name_of_their_column():
    turns = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]
    example, problems = read({"conversations": turns}, messages="conversations")
    assert not problems
    assert (example.inputs.text, example.gold) == ("user: Hi", ("Hello",))
    task = make_task("generation")
    for names, missing in ((["conversations"], ["messages"]), (["instruction", "output"], [])):
        asked = suggest_columns(task, names, missing=missing or ["messages", "reply"])
        assert asked.startswith(f"--column messages={names[0]}")


def test_rows_of_instructions_are_read_by_the_names_of_their_columns():
    columns = {"messages": "instruction", "reply": "output"}
    row = {"instruction": "Translate.", "input": "Hallo", "output": "Hello"}
    example, problems = read(row, **columns)
    assert not problems
    assert example.inputs.messages == (Message("user", "Translate.\n\nHallo"),)
    assert example.gold == ("Hello",)
    alone, _ = read({**row, "input": ""}, **columns)
    assert alone.inputs.messages == (Message("user", "Translate."),)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"messages": 7}, "must hold a list of messages"),
        ({"messages": {"role": "user"}}, "must hold a list of messages"),
        ({"messages": "[broken"}, "must hold a list of messages"),
        ({"messages": [{**USER, "role": "human"}, BOT]}, "`user` for `human`"),
        ({"messages": [BOT, USER]}, "`messages[0].role` must be user"),
        ({"messages": [USER, {**BOT, "content": " "}]}, "`messages[1].content` must hold text"),
        ({"messages": [USER, USER, BOT]}, "`messages[1].role` must be assistant"),
        ({"messages": [USER, BOT], "reply": "x"}, "must have a user's message at the end"),
        ({"messages": [USER], "reply": ["x", ""]}, "must hold a reply, or a list of them"),
        ({"message": [USER]}, "`--column messages=message`"),
    ],
)
def test_row_that_cannot_be_read_says_what_is_wrong(row, said):
    _, problems = read(row)
    assert any(said in problem for problem in problems), problems
    assert all("rows.jsonl:7" in problem for problem in problems)


def test_text_is_what_a_user_says_and_messages_may_be_written_as_json():
    task = make_task("generation")
    assert task.inputs_of("Hi [x]").messages == (Message("user", "Hi [x]"),)
    assert task.inputs_of('["no messages"]').messages == (Message("user", '["no messages"]'),)
    whole = ChatInput((Message("user", "Hi"), Message("assistant", "Hello"), Message("user", "Hi")))
    given = [message._asdict() for message in whole.messages]
    assert task.inputs_of(json.dumps(given)) == whole
    assert task.inputs_of(json.dumps({"messages": given})) == whole


def test_replies_are_marked_against_the_closest_reference():
    task = make_task("generation")
    rows = [{"messages": [USER], "reply": ["Hello there", "Good day!"]}] * 2
    examples = [read(row)[0] for row in rows]
    marks = task.mark(examples, [TextAnswer("good day"), TextAnswer("x")])
    values = {name: measure.value for name, measure in marks.measures.items()}
    assert values["exact_match"] == 0.5
    assert values["rouge_1"] == values["rouge_l"] == values["rouge_2"] == 0.5
    assert 0 < values["chrf"] < 100
    assert marks.measures["chrf"].unit == "of 100"
    assert marks.wrong[0] == 1
    assert marks.notes[0].startswith("chrF as sacreBLEU counts it")


def test_chinese_replies_are_marked_by_character():
    task = make_task("generation")
    example, _ = read({"messages": [{**USER, "content": "几点开门？"}], "reply": "九点开门。"})
    marks = task.mark([example], [TextAnswer("九点开门")])
    assert marks.measures["exact_match"].value == 1.0
    assert marks.measures["rouge_l"].value > 0.8


def test_other_inputs_are_not_taken_for_conversations():
    assert ChatInput((("user", "a"),)) == ChatInput((Message("user", "a"),))
    assert ChatInput((("user", "a"),)) != TextInput("user: a")
