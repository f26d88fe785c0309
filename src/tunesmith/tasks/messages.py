"""Conversations out of rows: messages with their roles, and what is wrong with them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from typing import Any

from tunesmith.core.examples import Message
from tunesmith.tasks.rows import Reader, as_text

ROLES = ("system", "user", "assistant")
OTHER_NAMES = {"human": "user", "gpt": "assistant", "bot": "assistant", "model": "assistant"}
"""What other formats call a role: for the hint, and for messages in the form of ShareGPT."""

SOLE = "messages"


def read_messages(reader: Reader, role: str = SOLE) -> tuple[Message, ...] | None:
    """Return the messages of a row, in order; a text is read as JSON.

    A system message may only be the first; users and assistants take turns, a user begins. All that
    is wrong is a problem of the reader, each with the number of its message.
    """
    column = reader.columns.get(role, role)
    if column not in reader.row:
        reader.add_missing(role)
        return None
    value = reader.row[column]
    if isinstance(value, str):
        with contextlib.suppress(ValueError, RecursionError):
            value = json.loads(value)
    items = value.tolist() if hasattr(value, "tolist") else value
    if not isinstance(items, list | tuple) or not items:
        reader.add(f"column `{column}` must hold a list of messages, role and content each", value)
        return None
    items = [_renamed(item) for item in items]
    before = len(reader.problems)
    messages = tuple(
        _read_message(reader, f"{column}[{number}]", item) for number, item in enumerate(items)
    )
    if len(reader.problems) > before:
        return None
    _check_turns(reader, column, messages)
    return None if len(reader.problems) > before else messages


def split_answer(messages: tuple[Message, ...]) -> tuple[tuple[Message, ...], str | None]:
    """Return a conversation up to its last answer, and that answer; None where a user has the turn.

    >>> split_answer((Message("user", "Hi"), Message("assistant", "Hello")))
    ((Message(role='user', content='Hi'),), 'Hello')
    """
    if messages[-1].role == "assistant":
        return messages[:-1], messages[-1].content
    return messages, None


def _renamed(item: Any) -> Any:
    """Return a message in the form of ShareGPT, `from` and `value`, as role and content."""
    if not isinstance(item, Mapping) or "role" in item or not {"from", "value"} <= item.keys():
        return item
    speaker = str(item["from"])
    return {"role": OTHER_NAMES.get(speaker, speaker), "content": item["value"]}


def _read_message(reader: Reader, name: str, item: Any) -> Message:
    fields = item if isinstance(item, Mapping) else {}
    role, content = fields.get("role"), as_text(fields.get("content"))
    if role not in ROLES:
        near = OTHER_NAMES.get(str(role).lower(), "")
        hint = f" (`{near}` for `{role}`)" if near else ""
        reader.add(f"`{name}.role` must be one of {', '.join(ROLES)}{hint}", role)
    if content is None or not content.strip():
        reader.add(f"`{name}.content` must hold text", fields.get("content"))
    return Message(str(role), content or "")


def _check_turns(reader: Reader, column: str, messages: tuple[Message, ...]) -> None:
    roles = [message.role for message in messages]
    begin = 1 if roles[0] == "system" else 0
    for number, role in enumerate(roles[begin:], start=begin):
        wanted = "user" if (number - begin) % 2 == 0 else "assistant"
        if role != wanted:
            reader.add(
                f"`{column}[{number}].role` must be {wanted}: one system message may come first, "
                "then user and assistant take turns",
                role,
            )
            return
    if len(roles) == begin:
        reader.add(f"column `{column}` must hold a user's message", roles)
