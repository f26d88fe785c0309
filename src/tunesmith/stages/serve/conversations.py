"""Messages in OpenAI's form, as the row that a task reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tunesmith.core.errors import Problem
from tunesmith.stages.serve.openai_problems import OpenAIRefusal
from tunesmith.stages.serve.requests import REQUEST
from tunesmith.tasks.task import Task

ROLES = {"developer": "system", "system": "system", "user": "user", "assistant": "assistant"}
"""OpenAI's roles, and ours."""

BETWEEN = "\n\n"
"""What stands between two messages of one speaker when they are made one."""


def read_conversation(messages: Sequence[Any], task: Task) -> dict[str, Any]:
    """Return the row that messages make for a task that writes.

    Messages of one speaker in a row become one. For a conversation, those of the system come first;
    any other task reads the text of a user's only message. Raises `OpenAIRefusal`.
    """
    read = [_read_message(message, number) for number, message in enumerate(messages)]
    turns: list[dict[str, str]] = []
    for role, content in read:
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += BETWEEN + content
        else:
            turns.append({"role": role, "content": content})
    if task.kind != "generation":
        if [turn["role"] for turn in turns] != ["user"]:
            must = f"`messages` must be a user's alone: a model for {task.kind} reads one text"
            raise _wrong(must, ", ".join(turn["role"] for turn in turns))
        return {task.input_roles[0]: turns[0]["content"]}
    wanted = turns[1:] if turns[0]["role"] == "system" else turns
    if any(turn["role"] == "system" for turn in wanted):
        raise _wrong("the system's `messages` must stand before all others", "a later one")
    if not wanted or wanted[0]["role"] != "user" or wanted[-1]["role"] != "user":
        raise _wrong("of `messages`, a user's must be the first and the last", "another")
    return {"messages": turns}


def _read_message(message: Any, number: int) -> tuple[str, str]:
    name = f"`messages[{number}]`"
    if not isinstance(message, dict):
        raise _wrong(f"{name} must be an object with role and content", type(message).__name__)
    role = message.get("role")
    if not isinstance(role, str) or role not in ROLES:
        raise _wrong(f"the role of {name} must be one of {', '.join(ROLES)}", repr(role)[:40])
    others = [
        key
        for key, value in message.items()
        if key not in ("role", "content") and value not in (None, [])
    ]
    if others:
        raise _wrong(f"{name} must have role and content alone", repr(others[0])[:40])
    content = _text_of(message.get("content"))
    if content is None or not content.strip():
        raise _wrong(f"the content of {name} must be text", "none")
    return ROLES[role], content


def _text_of(content: Any) -> str | None:
    """Return a content as one text, a line a part; None where it holds anything else."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list) or not content:
        return None
    texts = [
        part["text"]
        for part in content
        if isinstance(part, dict)
        and part.keys() == {"type", "text"}
        and part["type"] == "text"
        and isinstance(part["text"], str)
    ]
    return "\n".join(texts) if len(texts) == len(content) else None


def _wrong(must: str, found: str) -> OpenAIRefusal:
    return OpenAIRefusal(Problem(must, found, REQUEST), param="messages")
