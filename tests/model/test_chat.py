"""Conversations to tokens: which of them are answers, to the token, and that none is lost."""

from __future__ import annotations

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from tunesmith.core.errors import SpecError
from tunesmith.core.examples import Message
from tunesmith.model.chat import (
    DEFAULT_TEMPLATE,
    answer_ends,
    encode_chat,
    ensure_template,
    later_messages,
)

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
FORGETFUL = (
    "{% for m in messages %}{{ m.role if loop.last else '-' }}: {{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)
SYSTEM = Message("system", "Be brief.")
TALK = (
    Message("user", "Hi, who are you?"),
    Message("assistant", "A test."),
    Message("user", "And who am I?"),
    Message("assistant", "You are a user."),
)
CHINESE = (Message("user", "你好，你是谁？"), Message("assistant", "我是测试。"))


@pytest.fixture
def tokenizer():
    """Return a tokenizer that spells every text in bytes, with the signs of a chat."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE({token: index for index, token in enumerate(alphabet)}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=made, eos_token="<|end|>")
    fast.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    return fast


def answers(tokenizer, messages) -> list[str]:
    """Return the texts of the runs of tokens that are guessed."""
    chat = encode_chat(tokenizer, messages)
    runs: list[list[int]] = []
    for number, place in enumerate(chat.guessed.tolist()):
        if number == 0 or place != chat.guessed[number - 1] + 1:
            runs.append([])
        runs[-1].append(int(chat.ids[place]))
    return [tokenizer.decode(run) for run in runs]


@pytest.mark.parametrize("messages", [TALK, CHINESE, (SYSTEM, *TALK)])
@pytest.mark.parametrize(("template", "end"), [(None, "<|end|>\n"), (CHATML, "<|im_end|>\n")])
def test_guessed_tokens_are_every_answer_with_its_end_and_nothing_else(
    tokenizer, messages, template, end
):
    tokenizer.chat_template = template
    ensure_template(tokenizer)
    lead = " " if template is None else ""
    expected = [f"{lead}{m.content}{end}" for m in messages if m.role == "assistant"]
    assert answers(tokenizer, messages) == expected


def test_positions_are_exact_to_the_token(tokenizer):
    ensure_template(tokenizer)
    chat = encode_chat(tokenizer, (Message("user", "a"), Message("assistant", "好")))
    before = "user: a\nassistant:"
    # a space, three bytes, the token that ends a text, a line break
    assert chat.guessed.tolist() == list(range(len(before), len(before) + 6))
    assert len(chat.ids) == len(before) + 6
    assert chat.ids[len(before) + 4] == tokenizer.eos_token_id


@pytest.mark.parametrize("template", [None, CHATML])
def test_whole_conversation_is_what_the_template_writes(tokenizer, template):
    tokenizer.chat_template = template
    ensure_template(tokenizer)
    fields = [{"role": m.role, "content": m.content} for m in (SYSTEM, *TALK)]
    written = tokenizer.apply_chat_template(fields, tokenize=False)
    assert tokenizer.decode(encode_chat(tokenizer, (SYSTEM, *TALK)).ids) == written


@pytest.mark.parametrize("template", [None, CHATML])
@pytest.mark.parametrize("asked", [TALK[:1], TALK[:3], CHINESE[:1], (SYSTEM, *TALK[:3])])
def test_prompt_is_token_by_token_what_training_stands_behind(tokenizer, template, asked):
    tokenizer.chat_template = template
    ensure_template(tokenizer)
    prompt = encode_chat(tokenizer, asked, asks=True)
    whole = encode_chat(tokenizer, (*asked, Message("assistant", "So 是.")))
    assert prompt.ids.tolist() == whole.ids[: len(prompt.ids)].tolist()
    assert len(prompt.ids) in whole.guessed
    assert len(prompt.ids) - 1 not in whole.guessed


def test_default_template_is_saved_with_the_tokenizer(tokenizer, tmp_path):
    assert ensure_template(tokenizer)
    assert not ensure_template(tokenizer)
    tokenizer.save_pretrained(tmp_path)
    assert AutoTokenizer.from_pretrained(tmp_path).chat_template == DEFAULT_TEMPLATE


def test_tokenizer_without_an_end_is_refused(tokenizer):
    tokenizer.eos_token = None
    with pytest.raises(SpecError, match="ends a text"):
        ensure_template(tokenizer)


@pytest.mark.parametrize(
    ("template", "match"),
    [
        (FORGETFUL, "changes what stands before"),
        ("{{ raise_exception('no system') }}", "no system"),
        ("{% for m in messages %}", "must take these messages"),
    ],
)
def test_template_that_cannot_serve_is_refused(tokenizer, template, match):
    tokenizer.chat_template = template
    with pytest.raises(SpecError, match=match):
        encode_chat(tokenizer, TALK)


def test_oldest_turns_go_first_and_the_system_message_stays():
    more = (Message("user", "Thanks."), Message("assistant", "Bye."))
    whole = (SYSTEM, *TALK, *more)
    assert list(later_messages(whole)) == [(SYSTEM, *TALK[2:], *more), (SYSTEM, *more)]
    assert list(later_messages(TALK[:3])) == [TALK[2:3]]
    assert list(later_messages(TALK[:2])) == []


@pytest.mark.parametrize(
    ("template", "ends"), [(None, ["<|end|>"]), (CHATML, ["<|im_end|>", "<|end|>"])]
)
def test_answer_ends_where_its_template_says_and_at_the_end_of_a_text(tokenizer, template, ends):
    tokenizer.chat_template = template
    ensure_template(tokenizer)
    assert tokenizer.convert_ids_to_tokens(list(answer_ends(tokenizer))) == ends


def test_template_that_ends_no_answer_is_refused(tokenizer):
    tokenizer.chat_template = (
        "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
        "{% if add_generation_prompt %}assistant:{% endif %}"
    )
    with pytest.raises(SpecError, match="must end an answer with a token"):
        answer_ends(tokenizer)


def test_separator_ends_a_text_where_nothing_else_does(tokenizer):
    tokenizer.eos_token, tokenizer.sep_token = None, "<|im_end|>"
    assert ensure_template(tokenizer)
    assert tokenizer.eos_token == "<|im_end|>"
