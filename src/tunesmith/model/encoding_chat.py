"""Windows of conversations: what a model is asked with, or a whole one with its answers marked.

A conversation is one window. Where it is longer, its oldest turns are left out, the system message
stays. Where the last turn alone is longer, its beginning is: such a row is not learned from unless
the recipe says `truncate`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tunesmith.core.examples import ChatInput, Inputs, Message
from tunesmith.model.chat import ChatTokens, chat_pieces, encode_chat, later_messages, render_chat
from tunesmith.model.encoding_writing import WritingFrame, source_room, with_written
from tunesmith.model.framing import Frame, Reading, Window


@dataclass(frozen=True, slots=True)
class RenderedChat:
    """A conversation as its template writes it, and which of the stretches an assistant wrote.

    For a decoder that goes on they stand end to end. For an encoder-decoder the first is what it
    reads, the second, if there is one, the last answer alone.
    """

    messages: tuple[Message, ...]
    texts: tuple[str, ...]
    answers: tuple[bool, ...]

    @property
    def text(self) -> str:
        """All that is tokenised, as one text that is looked at."""
        return "".join(self.texts)


def render_inputs(tokenizer: Any, inputs: Sequence[Inputs], writing: str) -> list[Any]:
    """Return inputs with each conversation as its template writes it for a way of writing."""
    return [
        _rendered(tokenizer, item.messages, writing) if isinstance(item, ChatInput) else item
        for item in inputs
    ]


def chat_window(
    tokenizer: Any,
    chat: RenderedChat,
    ids: Sequence[np.ndarray],
    row: int,
    frame: WritingFrame,
    reading: Reading,
) -> Window:
    """Return the window of one conversation; `ids` are those of its texts."""
    if reading.writing == "seq2seq":
        return _window_beside(tokenizer, chat, ids, row, frame, reading)
    tokens = _joined(ids, chat.answers)
    is_taught = chat.answers[-1]
    most = reading.max_length - (0 if is_taught else reading.room_to_write)
    for kept in later_messages(chat.messages):
        if len(tokens.ids) <= most:
            break
        tokens = encode_chat(tokenizer, kept, asks=not is_taught)
    cut = max(0, len(tokens.ids) - most)
    window = Window(tokens.ids[cut:], row, 1.0)
    if not is_taught:
        return window
    guessed = tokens.guessed[tokens.guessed > cut] - cut
    if cut and reading.long_text != "truncate":
        guessed = guessed[:0]
    return replace(window, guessed=guessed)


def count_unread(tokenizer: Any, chat: ChatInput, frame: WritingFrame, reading: Reading) -> int:
    """Return how many tokens of a conversation are not read when its next answer is asked for."""
    rendered = _rendered(tokenizer, chat.messages, reading.writing)
    ids = [_ids_of(tokenizer, text) for text in rendered.texts]
    read = len(chat_window(tokenizer, rendered, ids, 0, frame, reading).ids)
    if reading.writing == "seq2seq":
        return len(_unframed(ids[0], frame.source)) + len(frame.source) - read
    return sum(map(len, ids)) - read


def _rendered(tokenizer: Any, messages: tuple[Message, ...], writing: str) -> RenderedChat:
    is_taught = messages[-1].role == "assistant"
    if writing == "seq2seq":
        asked = messages[:-1] if is_taught else messages
        source = render_chat(tokenizer, asked, asks=True)
        texts = (source, messages[-1].content) if is_taught else (source,)
        return RenderedChat(messages, texts, (False, True)[: len(texts)])
    pieces = tuple(chat_pieces(tokenizer, messages, asks=not is_taught))
    return RenderedChat(
        messages, tuple(text for text, _ in pieces), tuple(is_answer for _, is_answer in pieces)
    )


def _window_beside(
    tokenizer: Any,
    chat: RenderedChat,
    ids: Sequence[np.ndarray],
    row: int,
    frame: WritingFrame,
    reading: Reading,
) -> Window:
    """Return the conversation as what is read, and its last answer as what is written beside it."""
    room = source_room(frame, reading)
    source = _unframed(ids[0], frame.source)
    for kept in later_messages(chat.messages):
        if len(source) <= room:
            break
        text = _rendered(tokenizer, kept, "seq2seq").texts[0]
        source = _unframed(_ids_of(tokenizer, text), frame.source)
    window = Window(frame.source.around(source[max(0, len(source) - room) :]), row, 1.0)
    if len(ids) == 1:
        return window
    is_whole = len(source) <= room and len(ids[1]) + len(frame.target) <= reading.max_length
    if not is_whole and reading.long_text != "truncate":
        return with_written(window, np.empty(0, dtype=np.int32), reading.writing)
    written = frame.target.around(ids[1])[: reading.max_length]
    return with_written(window, written, reading.writing)


def _joined(ids: Sequence[np.ndarray], answers: Sequence[bool]) -> ChatTokens:
    """Return the tokens of a conversation's stretches end to end, those of answers marked."""
    is_guessed = np.repeat(np.asarray(answers, dtype=bool), [len(own) for own in ids])
    return ChatTokens(np.concatenate(ids).astype(np.int32), np.flatnonzero(is_guessed))


def _unframed(ids: np.ndarray, frame: Frame) -> np.ndarray:
    """Return ids without the tokens that begin a text, where a template wrote them itself."""
    count = len(frame.before)
    return ids[count:] if count and tuple(ids[:count]) == frame.before else ids


def _ids_of(tokenizer: Any, text: str) -> np.ndarray:
    own = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    return np.asarray(own, dtype=np.int32)
