"""Windows of conversations: what is asked and taught, and what of a long one is left out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tunesmith.core.errors import SpecError
from tunesmith.core.examples import ChatInput, Message
from tunesmith.model.backbones import load_backbone
from tunesmith.model.chat import prepare_chat
from tunesmith.model.encoding import encode_windows
from tunesmith.model.encoding_chat import count_unread
from tunesmith.model.encoding_writing import decode_written, find_writing_frame, written_ids
from tunesmith.model.framing import Reading
from tunesmith.model.heads.generate import Writer

SYSTEM = Message("system", "it is")
TALK = (
    Message("user", "my card is late"),
    Message("assistant", "it is lost"),
    Message("user", "where is it?"),
    Message("assistant", "to refund"),
)
KINDS = pytest.mark.parametrize("kind", ["seq2seq", "causal"])


class Made:
    """A model that takes part in conversations, with its tokenizer and reading."""

    def __init__(self, folder, kind) -> None:
        backbone = load_backbone(str(folder), writes=True)
        assert prepare_chat(backbone.model, backbone.tokenizer)
        self.tokenizer, self.model = backbone.tokenizer, Writer(backbone.model)
        room = 32 * (kind == "causal")
        self.reading = Reading(
            128, 0, "windows", case_shape=False, writing=kind, room_to_write=room
        )

    def window(self, messages):
        """Return the window of a conversation."""
        (window,) = encode_windows(self.tokenizer, [ChatInput(tuple(messages))], self.reading)
        return window

    def unread(self, messages):
        """Return how many tokens of a conversation are not read."""
        frame = find_writing_frame(self.tokenizer, self.reading.writing)
        return count_unread(self.tokenizer, ChatInput(tuple(messages)), frame, self.reading)

    def text(self, ids):
        """Return ids as text, special tokens shown."""
        return self.tokenizer.decode(ids)


@pytest.fixture
def made(kind, tiny_writer, tiny_decoder):
    return Made({"seq2seq": tiny_writer, "causal": tiny_decoder}[kind], kind)


@KINDS
def test_every_answer_or_the_last_beside_is_taught(made):
    window = made.window(TALK)
    taught = decode_written(made.tokenizer, written_ids([window]))
    assert taught == ("to refund" if made.reading.writing == "seq2seq" else "it is lost to refund")


@KINDS
def test_what_is_asked_with_is_what_stands_before_the_answer_that_was_taught(made):
    asked, whole = made.window(TALK[:3]), made.window(TALK)
    assert asked.guessed is None
    assert asked.written is None
    assert whole.ids[: len(asked.ids)].tolist() == asked.ids.tolist()
    assert made.unread(TALK[:3]) == 0


@KINDS
def test_oldest_turns_of_a_long_conversation_are_left_out_and_counted(made):
    talk = (SYSTEM, *TALK * 6)
    window, asked = made.window(talk), made.window(talk[:-1])
    room = made.reading.max_length - made.reading.room_to_write
    assert len(window.ids) <= made.reading.max_length
    assert len(asked.ids) <= room
    assert "system : it is" in made.text(asked.ids).replace("##", "")
    assert len(written_ids([window]))
    ample = replace(made.reading, max_length=2000)
    (all_of_it,) = encode_windows(made.tokenizer, [ChatInput(talk[:-1])], ample)
    assert made.unread(talk[:-1]) == len(all_of_it.ids) - len(asked.ids) > 0


@KINDS
def test_last_turn_that_does_not_fit_teaches_nothing_unless_it_may_be_cut(made):
    long = (Message("user", "card " * 150), Message("assistant", "refund"))
    assert len(written_ids([made.window(long)])) == 0
    asked = made.window(long[:1])
    assert made.unread(long[:1]) > 0
    made.reading = replace(made.reading, long_text="truncate")
    cut = made.window(long)
    assert decode_written(made.tokenizer, written_ids([cut])) == "refund"
    assert len(cut.ids) <= 128
    tail = 5
    ending = made.window(TALK[:1]).ids[-tail:]
    assert asked.ids[-tail:].tolist() == ending.tolist()


def test_first_token_of_a_cut_window_is_never_guessed(tiny_decoder):
    made = Made(tiny_decoder, "causal")
    made.reading = replace(made.reading, long_text="truncate")
    window = made.window((Message("user", "it"), Message("assistant", "card " * 200)))
    assert window.guessed.min() == 1
    assert len(window.guessed) == len(window.ids) - 1


def test_answers_end_where_the_template_says(tiny_decoder):
    made = Made(tiny_decoder, "causal")
    assert made.model.ends == (made.tokenizer.sep_token_id,)
    other = load_backbone(str(tiny_decoder), writes=True)
    other.tokenizer.add_special_tokens({"additional_special_tokens": ["<turn>"]})
    other.tokenizer.chat_template = (
        "{% for m in messages %}{{ m.role }}: {{ m.content }}<turn>\n{% endfor %}"
        "{% if add_generation_prompt %}assistant:{% endif %}"
    )
    assert not prepare_chat(other.model, other.tokenizer)
    turn = other.tokenizer.convert_tokens_to_ids("<turn>")
    assert Writer(other.model).ends == (turn, other.tokenizer.sep_token_id)
    ids = np.array([*other.tokenizer("it is", add_special_tokens=False)["input_ids"], turn])
    assert decode_written(other.tokenizer, ids, ends=(turn,)) == "it is"


def test_template_that_raises_is_refused_with_its_words(tiny_decoder):
    made = Made(tiny_decoder, "causal")
    made.tokenizer.chat_template = "{{ raise_exception('no system here') }}"
    with pytest.raises(SpecError, match="no system here") as caught:
        made.window((SYSTEM, *TALK))
    assert "--model" in caught.value.hint
