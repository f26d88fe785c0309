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

from tunesmith.core.errors import SpecError
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


PROBE = "42"
"""What stands for an answer where only what surrounds one is asked for."""


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

    Where a separator is all that ends a text, it is made the token that does. Raises `SpecError`
    where no token ends a text, so that an answer would have no end.
    """
    if tokenizer.chat_template:
        return False
    if tokenizer.eos_token is None:
        tokenizer.eos_token = tokenizer.sep_token
    if tokenizer.eos_token is None:
        raise SpecError(
            "a model that answers must have a token that ends a text, or a chat template; "
            "its tokenizer has neither",
            hint="--model with an `eos_token` in its tokenizer_config.json",
        )
    tokenizer.chat_template = DEFAULT_TEMPLATE
    return True


def prepare_chat(model: Any, tokenizer: Any) -> bool:
    """Make a backbone one that takes part in conversations; tell whether it had no template.

    A decoder stops where its template ends an answer, in plain transformers too. Raises what
    `ensure_template` and `answer_ends` raise.
    """
    is_new = ensure_template(tokenizer)
    if not model.config.is_encoder_decoder:
        known = np.atleast_1d(model.generation_config.eos_token_id or [])
        ends = dict.fromkeys([*answer_ends(tokenizer), *map(int, known)])
        model.generation_config.eos_token_id = list(ends)
    return is_new


def answer_ends(tokenizer: Any) -> tuple[int, ...]:
    """Return the ids that end an answer: the first that its template writes behind one, and EOS.

    Raises `SpecError` where the template writes no special token behind an answer.
    """
    messages = (Message("user", PROBE), Message("assistant", PROBE))
    pieces = chat_pieces(tokenizer, messages, asks=False)
    behind = next(text for text, is_answer in pieces if is_answer).rpartition(PROBE)[2]
    ids = tokenizer(behind, add_special_tokens=False)["input_ids"]
    special = {*tokenizer.all_special_ids, *tokenizer.added_tokens_decoder}
    found = next((token for token in ids if token in special), None)
    if found is None:
        raise SpecError(
            "the tokenizer's chat template must end an answer with a token that ends a text; "
            f"it writes {behind!r}",
            hint="take another --model, or remove its chat template to take a plain one",
        )
    own = () if tokenizer.eos_token_id is None else (tokenizer.eos_token_id,)
    return tuple(dict.fromkeys((found, *own)))


def encode_chat(tokenizer: Any, messages: Sequence[Message], *, asks: bool = False) -> ChatTokens:
    """Return a conversation with all its answers marked.

    With `asks` it ends where the next answer begins: the very tokens that stand before that answer
    in the longer conversation.
    """
    ids: list[int] = []
    guessed: list[int] = []
    for text, is_answer in chat_pieces(tokenizer, messages, asks=asks):
        own = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        if is_answer:
            guessed += range(len(ids), len(ids) + len(own))
        ids += own
    return ChatTokens(np.array(ids, dtype=np.int32), np.array(guessed, dtype=np.int64))


def later_messages(messages: Sequence[Message]) -> Iterator[tuple[Message, ...]]:
    """Yield a conversation without its oldest turn, without its two oldest, and so on.

    The system message stays, what is kept begins with a user, and the last turn is always there.
    """
    system = tuple(messages[:1]) if messages[0].role == "system" else ()
    rest = tuple(messages[len(system) :])
    for start in range(2, len(rest), 2):
        yield system + rest[start:]


def chat_pieces(
    tokenizer: Any, messages: Sequence[Message], *, asks: bool
) -> Iterator[tuple[str, bool]]:
    """Yield the stretches of a rendered conversation, and whether an assistant wrote each."""
    done = ""
    for number, message in enumerate(messages):
        if message.role != "assistant":
            continue
        asked = render_chat(tokenizer, messages[:number], asks=True)
        answered = render_chat(tokenizer, messages[: number + 1])
        yield _after(done, asked), False
        yield _after(asked, answered), True
        done = answered
    if rest := _after(done, render_chat(tokenizer, messages, asks=asks)):
        yield rest, False


def render_chat(tokenizer: Any, messages: Sequence[Message], *, asks: bool = False) -> str:
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
