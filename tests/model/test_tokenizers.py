"""A tokenizer read from its file gives what transformers gives."""

from __future__ import annotations

import shutil

import pytest

from tunesmith.core.errors import DataError
from tunesmith.core.examples import TextInput, WordsInput
from tunesmith.model.backbones import load_tokenizer
from tunesmith.model.encoding import count_tokens, encode_windows
from tunesmith.model.framing import Reading, find_frame
from tunesmith.model.sources import find_model
from tunesmith.model.tokenizers import read_tokenizer
from tunesmith.tasks.words import split_words

TEXTS = [
    "My parcel never came; where is it?",
    "我的订单还没到，能退款吗？",
    "ok 👍🏽 👨‍👩‍👧 café naïve ﬁne [SEP] [MASK]",
    "the order is good. " * 300,
    "\u200b\t\n",
    "",
]
READING = Reading(max_length=48, stride=8, long_text="windows", case_shape=True)


@pytest.fixture(scope="module", params=["tiny", "minilm"])
def both(request, tiny_model, tmp_path_factory):
    """Give a transformers tokenizer and the one read from the files that it saves."""
    source = tiny_model if request.param == "tiny" else find_model("minilm").path
    theirs = load_tokenizer(source)
    folder = tmp_path_factory.mktemp("tokenizer")
    theirs.save_pretrained(folder)
    return theirs, read_tokenizer(folder)


def test_ids_and_offsets_are_those_of_transformers(both):
    theirs, ours = both
    wanted = theirs(TEXTS, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    ids, offsets = ours.encode(TEXTS, offsets=True)
    assert ids == ours.encode(TEXTS)[0] == wanted["input_ids"]
    assert offsets == wanted["offset_mapping"]
    assert ours.pad_token_id == theirs.pad_token_id
    assert find_frame(ours) == find_frame(theirs)


@pytest.mark.parametrize("kind", ["texts", "words"])
def test_windows_are_those_of_transformers(both, kind):
    theirs, ours = both
    inputs = [
        TextInput(text) if kind == "texts" else WordsInput(text, split_words(text))
        for text in TEXTS
    ]
    wanted = list(encode_windows(theirs, inputs, READING))
    found = list(encode_windows(ours, inputs, READING))
    assert len(found) == len(wanted) > len(TEXTS)
    for one, other in zip(found, wanted, strict=True):
        assert one.ids.tolist() == other.ids.tolist()
        assert one.row == other.row
        if kind == "words":
            assert one.words.tolist() == other.words.tolist()
            assert one.positions.tolist() == other.positions.tolist()
            assert one.shapes.tolist() == other.shapes.tolist()
    assert count_tokens(ours, inputs).tolist() == count_tokens(theirs, inputs).tolist()


def test_tokenizer_saved_with_padding_and_truncation_is_read_without(tiny_model, tmp_path):
    from tokenizers import Tokenizer

    shutil.copytree(tiny_model, tmp_path / "model")
    path = tmp_path / "model/tokenizer.json"
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.enable_truncation(3)
    tokenizer.enable_padding(length=9)
    tokenizer.save(str(path))
    (ids,), _ = read_tokenizer(tmp_path / "model").encode(["the order is good " * 2])
    assert len(ids) == 8


@pytest.mark.parametrize("content", ["", "{}", "[]", "no json"])
def test_tokenizer_file_that_is_none_is_refused_with_its_name(tiny_model, tmp_path, content):
    shutil.copytree(tiny_model, tmp_path / "model")
    (tmp_path / "model/tokenizer.json").write_text(content)
    with pytest.raises(DataError, match=r"tokenizer\.json"):
        read_tokenizer(tmp_path / "model")


def test_tokenizer_without_a_token_to_pad_with_is_refused(tiny_model, tmp_path):
    shutil.copytree(tiny_model, tmp_path / "model")
    (tmp_path / "model/tokenizer_config.json").write_text("{}")
    with pytest.raises(DataError, match="fill batches"):
        read_tokenizer(tmp_path / "model")
