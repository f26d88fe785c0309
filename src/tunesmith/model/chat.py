"""Conversations to tokens: the model's own template, and which tokens an assistant wrote.

A conversation is tokenised piece by piece, cut where an answer begins and ends. What a model is
asked with is therefore, token by token, what it was trained behind. Templates are run by
transformers, in its sandbox.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tunesmith.core.errors import DataError, SpecError
from tunesmith.core.examples import Message

DEFAULT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ message['role'] }}: {{ message['content'] }}"
    "{{ eos_token if message['role'] == 'assistant' else '' }}\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)
"""A line a message, led by its role, answers ended by the token that ends a text: every vocabulary
can write it. Used, and saved beside the vocabulary, where a tokenizer has no template."""


@dataclass(frozen=True, slots=True)
class ChatTokens:
    """A conversation as `ids` (T,) int32, and `guessed` (N,) int64: where answers stand in it.

    An answer's tokens are its text and what the template writes behind it, its end above all; the
    words that ask for one, all roles and all other messages are not among them.
    """

    ids: np.ndarray
    guessed: np.ndarray


def ensure_template(tokenizer: Any) -> bool:
    """Give a tokenizer without a template the default one; tell whether that was needed.

    Raises `SpecError` where no token ends a text, so that an answer would have no end.
    """
    if tokenizer.chat_template:
        return False
    if tokenizer.eos_token is None:
        raise SpecError(
            "a model that answers must have a token that ends a text, or a chat template; "
            "its tokenizer has neither",
            hint="--model with an `eos_token` in its tokenizer_config.json",
        )
    tokenizer.chat_template = DEFAULT_TEMPLATE
    return True


def encode_chat(tokenizer: Any, messages: Sequence[Message], *, asks: bool = False) -> ChatTokens:
    """Return a conversation with all its answers marked.

    With `asks` it ends where the next answer begins: the very tokens that stand before that answer
    in the longer conversation.
    """
    ids: list[int] = []
    guessed: list[int] = []
    for text, is_answer in _pieces(tokenizer, messages, asks=asks):
        own = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        if is_answer:
            guessed += range(len(ids), len(ids) + len(own))
        ids += own
    return ChatTokens(np.array(ids, dtype=np.int32), np.array(guessed, dtype=np.int64))


def latest_messages(
    tokenizer: Any, messages: Sequence[Message], *, most_tokens: int
) -> tuple[Message, ...]:
    """Return a conversation without its oldest turns, so that it has at most so many tokens.

    The system message stays, and what is kept begins with a user. Raises `DataError` where the last
    turn alone is longer.
    """
    system = tuple(messages[:1]) if messages[0].role == "system" else ()
    rest = tuple(messages[len(system) :])
    for start in range(0, len(rest), 2):
        kept = system + rest[start:]
        length = len(encode_chat(tokenizer, kept).ids)
        if length <= most_tokens:
            return kept
    raise DataError(
        f"the last turn of a conversation must have at most {most_tokens:,} tokens; got {length:,}",
        hint="--set model.max_length=NUMBER, or leave the row out",
    )


def _pieces(
    tokenizer: Any, messages: Sequence[Message], *, asks: bool
) -> Iterator[tuple[str, bool]]:
    """Yield the stretches of a rendered conversation, and whether an assistant wrote each."""
    done = ""
    for number, message in enumerate(messages):
        if message.role != "assistant":
            continue
        asked = _render(tokenizer, messages[:number], asks=True)
        answered = _render(tokenizer, messages[: number + 1])
        yield _after(done, asked), False
        yield _after(asked, answered), True
        done = answered
    if rest := _after(done, _render(tokenizer, messages, asks=asks)):
        yield rest, False


def _render(tokenizer: Any, messages: Sequence[Message], *, asks: bool = False) -> str:
    """Return a conversation as its template writes it, with the words that ask for an answer."""
    fields = [{"role": message.role, "content": message.content} for message in messages]
    try:
        return tokenizer.apply_chat_template(fields, tokenize=False, add_generation_prompt=asks)
    except Exception as error:
        raise SpecError(
            f"the tokenizer's chat template must take these messages; {error}",
            hint="leave system messages out, or take another --model",
        ) from error


def _after(begin: str, whole: str) -> str:
    """Return what follows `begin` in `whole`.

    Raises `SpecError` where a template writes a turn otherwise once another follows it: which
    tokens an answer has would then depend on what comes later.
    """
    if not whole.startswith(begin):
        raise SpecError(
            "the tokenizer's chat template must write a conversation as its beginning and what "
            "follows; it changes what stands before",
            hint="take another --model",
        )
    return whole[len(begin) :]
