"""Replies: the same piece by piece, drawn alike in any batch, and as plain transformers writes."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from tunesmith.core.errors import SpecError
from tunesmith.core.examples import ChatInput, Message
from tunesmith.core.recipe import DecodingRecipe, change_decoding
from tunesmith.model.chat import prepare_chat
from tunesmith.model.encoding import encode_windows
from tunesmith.model.framing import Reading
from tunesmith.model.heads.generate import Writer, keep_decoding
from tunesmith.runtime.engine import Engine, answer
from tunesmith.runtime.replies import ReplyEnd, stream_text, whole_part, write_reply
from tunesmith.tasks.generation import Generation

REPLY = "订单 42 明天到, it is on its way"
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
ASKED = [
    ChatInput((Message("user", "where?"),)),
    ChatInput((Message("user", "你好"), Message("assistant", "hi"), Message("user", "it?"))),
    ChatInput((Message("system", "be brief"), Message("user", "a much longer question, is it?"))),
]


@pytest.fixture(scope="module")
def tokenizer():
    """Return a tokenizer that spells every text in bytes, with the signs of a chat."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE({token: index for index, token in enumerate(alphabet)}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=made, eos_token="<|end|>", pad_token="<|end|>")
    fast.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    fast.chat_template = CHATML
    return fast


@pytest.fixture(scope="module")
def engine(tokenizer):
    """Return an engine over a random decoder; what it writes depends on what it read."""
    torch.manual_seed(3)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=256,
        initializer_range=0.4,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    whole = LlamaForCausalLM(config).eval()
    assert not prepare_chat(whole, tokenizer)
    return made_engine(Writer(whole), tokenizer)


def made_engine(model, tokenizer, **decoding):
    return Engine(
        model,
        tokenizer,
        Generation(),
        Reading(256, 0, "windows", case_shape=False, writing="causal", room_to_write=64),
        torch.device("cpu"),
        decoding=DecodingRecipe(**{"max_new_tokens": 24, **decoding}),
    )


@pytest.fixture
def reciter(engine, tokenizer):
    """Return an engine whose decoder says one reply, whatever it is asked, and ends its turn."""
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    ids = [*tokenizer(REPLY, add_special_tokens=False)["input_ids"], end, 7, 7]
    model = Writer(engine.model.whole)

    def say(_, __, output):  # the logits of the next token, by how many were written
        said = counts["said"]
        counts["said"] += 1
        output[:, -1] = 0.0
        output[:, -1, ids[min(said, len(ids) - 1)]] = 50.0
        return output

    counts = {"said": 0}
    handle = model.whole.lm_head.register_forward_hook(say)
    yield made_engine(model, tokenizer, max_new_tokens=80)
    handle.remove()


def texts(engine, items=ASKED):
    return [reply.text for reply in answer(engine, items)]


def test_pieces_are_the_reply_that_is_given_at_once(engine):
    assert len(set(texts(engine))) > 1
    for item, whole in zip(ASKED, texts(engine), strict=True):
        assert "".join(stream_text(engine, item)) == whole


def test_pieces_end_where_words_and_characters_do_and_show_no_end(reciter):
    pieces = list(stream_text(reciter, ASKED[0]))
    assert "".join(pieces) == REPLY
    assert pieces[:2] == ["订", "单"]
    assert len(pieces) > 8
    assert not any("\ufffd" in piece or "<|" in piece for piece in pieces)


def test_nothing_is_written_to_nothing(engine):
    nothing = [ChatInput((Message("user", "hi"), Message("assistant", "ho"), Message("user", " ")))]
    assert texts(engine, nothing) == [""]
    assert list(stream_text(engine, nothing[0])) == []


@pytest.mark.parametrize(
    ("text", "kept"),
    [("It is la", "It is"), ("订单", "订单"), ("订\ufffd", "订"), ("订单ab", ""), ("", "")],
)
def test_part_that_no_token_changes_any_more(text, kept):
    assert whole_part(text) == kept


def test_reader_who_leaves_stops_the_writing(reciter):
    before = threading.active_count()
    pieces = stream_text(reciter, ASKED[0])
    assert next(pieces) == "订"
    pieces.close()
    assert threading.active_count() == before


def test_failure_while_writing_is_raised_where_the_pieces_are_asked_for(engine, monkeypatch):
    def fail(**_):
        raise RuntimeError("no memory left")

    monkeypatch.setattr(engine.model.whole, "generate", fail)
    with pytest.raises(RuntimeError, match="no memory left"):
        list(stream_text(engine, ASKED[0]))


def test_beams_cannot_be_streamed(engine, tokenizer):
    with pytest.raises(SpecError, match="`decoding.beams` must be 1") as caught:
        next(stream_text(made_engine(engine.model, tokenizer, beams=2), ASKED[0]))
    assert caught.value.hint == "--set decoding.beams=1"


def test_drawn_replies_repeat_by_seed_whatever_stands_beside_them(engine, tokenizer):
    drawn, again, other = (
        made_engine(engine.model, tokenizer, temperature=1.0, top_p=0.95, seed=seed)
        for seed in (1, 1, 2)
    )
    together = texts(drawn)
    assert texts(again, ASKED[::-1])[::-1] == together
    assert [texts(drawn, [item])[0] for item in ASKED] == together
    assert texts(other) != together != texts(engine)
    assert "".join(stream_text(drawn, ASKED[1])) == together[1]


def test_drawn_tokens_have_the_probabilities_of_the_model(engine, tokenizer):
    """Of 600 seeds, each of the likely first tokens is drawn as often as its share of the top."""
    top_p, temperature = 0.6, 1.5
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": "where?"}], add_generation_prompt=True, return_tensors="pt"
    )["input_ids"]
    with torch.no_grad():
        odds = (engine.model.whole(prompt).logits[0, -1] / temperature).softmax(0).double()
    ranked, order = odds.sort(descending=True)
    inside = (ranked.cumsum(0) - ranked) < top_p
    expected = torch.zeros_like(odds)
    expected[order[inside]] = ranked[inside] / ranked[inside].sum()
    counts, draws = np.zeros(len(odds)), 600
    batch = {"input_ids": prompt, "attention_mask": torch.ones_like(prompt)}
    for seed in range(draws):
        recipe = DecodingRecipe(temperature=temperature, top_p=top_p, seed=seed)
        counts[engine.model.write(batch, recipe, most=1)[0][0]] += 1
    assert not counts[expected.numpy() == 0].any()
    likely = np.argsort(-expected.numpy())[:5]
    spread = np.sqrt(draws * expected.numpy()[likely])
    assert (np.abs(counts[likely] - draws * expected.numpy()[likely]) < 4 * spread).all()


def test_temperature_and_beams_are_refused_together():
    known = DecodingRecipe(beams=4, max_new_tokens=9)
    with pytest.raises(SpecError, match="must be 1 where tokens are drawn") as caught:
        change_decoding(known, DecodingRecipe(temperature=0.5))
    assert "--set decoding.beams=1" in caught.value.hint
    changed = change_decoding(known, DecodingRecipe(temperature=0.5, beams=1))
    assert (changed.temperature, changed.beams, changed.max_new_tokens) == (0.5, 1, 9)


def test_saved_model_writes_the_same_in_plain_transformers(engine, tokenizer, tmp_path):
    keep_decoding(engine.model, engine.decoding)
    engine.model.save(tmp_path, id2label={}, problem="")
    tokenizer.save_pretrained(tmp_path)
    assert (tmp_path / "chat_template.jinja").read_text("utf-8") == CHATML
    plain, words = (
        made.from_pretrained(tmp_path) for made in (AutoModelForCausalLM, AutoTokenizer)
    )
    ends = [words.convert_tokens_to_ids(name) for name in ("<|im_end|>", "<|end|>")]
    assert plain.generation_config.eos_token_id == ends
    for item, ours in zip(ASKED, texts(engine), strict=True):
        messages = [message._asdict() for message in item.messages]
        read = words.apply_chat_template(
            messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        written = plain.eval().generate(**read)[0, read["input_ids"].shape[1] :]
        theirs = words.decode(written, skip_special_tokens=True).strip()
        assert theirs.rstrip("\ufffd") == ours  # a last character that is cut is left out


def parts(engine, item=ASKED[0], **wishes) -> tuple[str, ReplyEnd | None]:
    """Return a reply that was written piece by piece, and its end where one was told."""
    told = list(write_reply(engine, item, **wishes))
    end = told.pop() if told and isinstance(told[-1], ReplyEnd) else None
    return "".join(told), end


@pytest.mark.parametrize("stop", ["明天", ", it", "到,", "it is on its way", "way"])
def test_reply_ends_before_a_stop_word_and_gives_nothing_of_it_away(reciter, stop):
    told = list(write_reply(reciter, ASKED[0], stops=["nowhere", stop]))
    assert "".join(told[:-1]) == REPLY[: REPLY.index(stop)]
    assert told[-1].reason == "stop"


def test_limit_in_the_middle_of_a_character_leaves_it_out(reciter):
    text, end = parts(reciter, most=5)
    assert text == "订"
    (window,) = encode_windows(reciter.tokenizer, ASKED[:1], reciter.reading)
    assert end == ReplyEnd("length", read=len(window.ids), written=5)


def test_reply_that_ends_by_itself_says_so(reciter):
    text, end = parts(reciter)
    assert (text, end.reason) == (REPLY, "stop")
    assert end.written == len(REPLY.encode()) + 1


def test_reply_is_given_up_at_the_token_where_nobody_wants_more(engine, tokenizer):
    for beams in (1, 3):
        asked: list[int] = []

        def is_wanted(asked=asked) -> bool:
            asked.append(1)
            return len(asked) < 6

        made = made_engine(engine.model, tokenizer, beams=beams, max_new_tokens=60)
        assert parts(made, is_wanted=is_wanted)[1] is None
        assert len(asked) < 10


def test_beams_give_one_reply_whole(engine, tokenizer):
    made = made_engine(engine.model, tokenizer, beams=3)
    for item, whole in zip(ASKED, texts(made), strict=True):
        assert parts(made, item)[0] == whole
