"""What a writer learns from and what it writes: as plain transformers, at the right tokens."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

from tunesmith.core.errors import SpecError
from tunesmith.core.examples import TextInput, WritingInput
from tunesmith.core.recipe import DecodingRecipe
from tunesmith.model.backbones import load_backbone
from tunesmith.model.batching import collate, count_tokens, join_batches
from tunesmith.model.encoding import encode_windows
from tunesmith.model.encoding_writing import decode_written, written_ids
from tunesmith.model.framing import Reading
from tunesmith.model.heads.generate import Writer, keep_decoding, limit_written, load_writer

ROWS = [
    WritingInput("my card is late", "the order is good"),
    WritingInput("it is bad", "refund"),
    WritingInput("where is my order to the card?", "please refund my card and it is good"),
]
KINDS = pytest.mark.parametrize("kind", ["seq2seq", "causal"])
LOADERS = {"seq2seq": AutoModelForSeq2SeqLM, "causal": AutoModelForCausalLM}


class Made:
    """A writer with its tokenizer, its reading and the folder it came from."""

    def __init__(self, folder, kind) -> None:
        self.folder, self.kind = folder, kind
        backbone = load_backbone(str(folder), writes=True)
        self.tokenizer, self.model = backbone.tokenizer, Writer(backbone.model.eval())
        self.reading = Reading(
            128, 0, "windows", case_shape=False, writing=kind, room_to_write=32 * (kind == "causal")
        )

    def windows(self, inputs):
        """Return the windows of inputs."""
        return list(encode_windows(self.tokenizer, inputs, self.reading))

    def batch(self, inputs):
        """Return inputs as one batch."""
        return collate(self.windows(inputs), pad_id=self.tokenizer.pad_token_id)


@pytest.fixture
def made(kind, tiny_writer, tiny_decoder):
    return Made({"seq2seq": tiny_writer, "causal": tiny_decoder}[kind], kind)


def names(made, ids):
    return made.tokenizer.convert_ids_to_tokens(list(ids))


@KINDS
def test_training_guesses_the_target_and_its_end_and_nothing_else(made):
    (window,) = made.windows(ROWS[:1])
    target = ["the", "order", "is", "good", "[SEP]"]
    if made.kind == "seq2seq":
        assert names(made, window.ids) == ["[CLS]", "my", "card", "is", "late", "[SEP]"]
        assert names(made, window.written) == ["[CLS]", *target]
    else:
        # This tokenizer has no line break, so the end parts the two texts.
        read = ["[CLS]", "my", "card", "is", "late", "[SEP]"]
        assert names(made, window.ids) == [*read, *target]
        assert window.guessed.tolist() == [6, 7, 8, 9, 10]
    taught = ["[CLS]"] * (made.kind == "seq2seq") + target
    assert names(made, written_ids([window])) == taught


@KINDS
def test_logits_at_places_are_those_of_plain_transformers(made):
    windows = made.windows(ROWS)
    plain = LOADERS[made.kind].from_pretrained(made.folder).eval()
    with torch.no_grad():
        ours = made.model(made.batch(ROWS))
        expected = []
        for window in windows:
            ids = torch.tensor(window.ids[None].astype(np.int64))
            if made.kind == "seq2seq":
                start = plain.config.decoder_start_token_id
                read = torch.tensor([[start, *window.written[:-1].tolist()]])
                expected.append(plain(input_ids=ids, decoder_input_ids=read).logits[0])
            else:
                expected.append(plain(input_ids=ids).logits[0, window.guessed - 1])
    assert ours.dtype == torch.float32
    assert (ours - torch.cat(expected)).abs().max() < 1e-4
    assert len(ours) == len(written_ids(windows))


@KINDS
def test_no_token_sees_itself_or_what_comes_after(made):
    """Teacher forcing: another token at one place changes the guesses behind it, none before."""
    windows = made.windows(ROWS[:1])
    with torch.no_grad():
        before = made.model(collate(windows, pad_id=0))
        name = "written" if made.kind == "seq2seq" else "ids"
        changed = getattr(windows[0], name).copy()
        changed[-3] = made.tokenizer.convert_tokens_to_ids("bad")
        object.__setattr__(windows[0], name, changed)
        after = made.model(collate(windows, pad_id=0))
    moved = (before - after).abs().amax(dim=1) > 1e-6
    assert moved.tolist() == [False] * (len(before) - 2) + [True, True]


@KINDS
def test_written_texts_are_those_of_plain_generate_whatever_the_batch(made, tmp_path):
    decoding = DecodingRecipe(beams=3, max_new_tokens=9, no_repeat_ngram=2, length_penalty=0.7)
    sources = [TextInput(row.source) for row in ROWS]
    torch.manual_seed(1)
    with torch.no_grad():  # an untrained writer would write one text whatever it reads
        for parameter in made.model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    keep_decoding(made.model, decoding)
    made.model.save(tmp_path / "model", id2label={}, problem="")
    plain = LOADERS[made.kind].from_pretrained(tmp_path / "model").eval()
    back = load_writer(tmp_path / "model").eval()
    together = back.write(made.batch(sources), decoding, most=9)
    begin = 1 if made.kind == "seq2seq" else 0
    for window, ours in zip(made.windows(sources), together, strict=True):
        ids = torch.tensor(window.ids[None].astype(np.int64))
        theirs = plain.generate(input_ids=ids, attention_mask=torch.ones_like(ids))[0]
        theirs = theirs[begin or len(window.ids) :].tolist()
        assert ours.tolist() == theirs
        alone = collate([window], pad_id=made.tokenizer.pad_token_id)
        assert back.write(alone, decoding, most=9)[0].tolist() == theirs
    assert len({tuple(own) for own in together}) > 1


@KINDS
def test_target_that_does_not_fit_is_not_taught_unless_it_may_be_cut(made):
    long = WritingInput("my card", "the order " * 80)
    (window,) = made.windows([long])
    assert len(written_ids([window])) == 0
    made.reading = replace(made.reading, long_text="truncate")
    (window,) = made.windows([long])
    room = 128 if made.kind == "seq2seq" else 128 - 4
    assert len(written_ids([window])) == room
    assert len(window.ids) <= 128


@KINDS
def test_long_source_is_read_in_stretches_that_hold_all_of_it(made):
    words = [("the", "order", "is", "good")[number % 4] for number in range(300)]
    windows = made.windows([TextInput(" ".join(words))])
    room = 126 if made.kind == "seq2seq" else 126 - 32
    assert [len(window.ids) - 2 for window in windows] == [
        *[room] * (300 // room),
        *([300 % room] if 300 % room else []),
    ]
    read = [token for window in windows for token in names(made, window.ids[1:-1])]
    assert read == words
    assert sum(window.share for window in windows) == pytest.approx(1)


@KINDS
def test_text_may_be_as_long_as_the_positions_behind_the_longest_prompt(made):
    most = 127 if made.kind == "seq2seq" else 32
    assert limit_written(made.model, made.reading, 1000) == most
    assert limit_written(made.model, made.reading, 7) == 7


def test_stretches_that_ended_are_joined_by_a_space(tiny_model):
    tokenizer = load_backbone(str(tiny_model)).tokenizer
    parts = [tokenizer(text)["input_ids"] for text in ("my card", "", "is late")]
    assert decode_written(tokenizer, np.concatenate(parts)) == "my card is late"
    assert decode_written(tokenizer, np.array(parts[0][:-1])) == "my card"


def test_chinese_is_written_without_spaces_between_its_characters(tiny_model):
    tokenizer = load_backbone(str(tiny_model)).tokenizer
    ids = np.array(tokenizer("订单很好 it is good")["input_ids"])
    assert "订 单" in tokenizer.decode(ids)
    assert decode_written(tokenizer, ids) == "订单很好it is good"


@KINDS
def test_tokens_of_a_batch_are_those_read_and_those_written(made):
    batch = made.batch(ROWS)
    read = sum(len(window.ids) for window in made.windows(ROWS))
    beside = len(written_ids(made.windows(ROWS))) if made.kind == "seq2seq" else 0
    assert count_tokens(batch) == read + beside
    alone = made.batch(ROWS[:1])
    joined = join_batches([batch, alone], targets=torch.zeros(3))
    assert count_tokens(joined) == count_tokens(batch) + count_tokens(alone)


@pytest.mark.parametrize("name", ["tiny_model", "minilm"])
def test_encoder_that_writes_nothing_is_refused_with_a_command_that_makes_one(name, request):
    folder = name if name == "minilm" else str(request.getfixturevalue(name))
    with pytest.raises(SpecError, match="is an encoder") as caught:
        load_backbone(folder, writes=True)
    assert "tunesmith pretrain TEXT --objective seq2seq" in caught.value.hint
