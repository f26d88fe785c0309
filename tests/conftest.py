from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

if "PYTEST_XDIST_WORKER" in os.environ:  # a process a core, which torch must not fill again
    os.environ.setdefault("OMP_NUM_THREADS", "1")
settings.register_profile("tunesmith", deadline=None, derandomize=True)
settings.load_profile("tunesmith")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's background job; children inherit
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _own_workspace(tmp_path_factory, monkeypatch):
    """Keep every test's records out of the user's workspace."""
    monkeypatch.setenv("TUNESMITH_HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.delenv("TUNESMITH_DATABASE", raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="session")
def repository() -> Path:
    return Path(__file__).parent.parent


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of public data sets, where the person who runs the tests has one."""
    folder = Path(os.environ.get("TUNESMITH_DATA", ""))
    if not os.environ.get("TUNESMITH_DATA") or not folder.is_dir():
        pytest.skip("set TUNESMITH_DATA to the folder of public data sets")
    return folder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory) -> Path:
    """An untrained BERT of 2 layers and 32 dimensions in Hugging Face format, from a config."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("models") / "tiny-bert"
    folder.mkdir()
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    marks = [*"0123456789.,!?'\"-:;()/@#$%&", *"我们想要订单退款快递到了吗你好坏的很好"]
    words = [
        "the",
        "a",
        "is",
        "i",
        "my",
        "to",
        "and",
        "it",
        "order",
        "refund",
        "late",
        "broken",
        "good",
        "bad",
        "card",
        "lost",
        "where",
        "please",
    ]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *marks, *words]
    vocabulary += [f"##{letter}" for letter in letters] + [f"##{digit}" for digit in "0123456789"]
    (folder / "vocab.txt").write_text("\n".join(dict.fromkeys(vocabulary)) + "\n", "utf-8")
    tokenizer = BertTokenizerFast(vocab=str(folder / "vocab.txt"), do_lower_case=True)
    tokenizer.model_max_length = 128
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=128,
    )
    BertModel(config, add_pooling_layer=True).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def save_tiny(tmp_path_factory, tiny_model):
    """Return what writes an untrained network with the tokenizer of `tiny_model`, by its class.

    Where the settings do not say otherwise it has 2 layers and 32 dimensions.
    """
    import torch
    from transformers import AutoTokenizer

    def save(network, name, **settings) -> Path:
        folder = tmp_path_factory.mktemp("models") / name
        tokenizer = AutoTokenizer.from_pretrained(tiny_model)
        tokenizer.save_pretrained(folder)
        torch.manual_seed(0)
        sizes = {
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "intermediate_size": 64,
        }
        config = network.config_class(
            vocab_size=len(tokenizer),
            max_position_embeddings=128,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=tokenizer.cls_token_id,
            eos_token_id=tokenizer.sep_token_id,
            **(settings if "d_model" in settings else sizes | settings),
        )
        network(config).save_pretrained(folder)
        return folder

    return save


@pytest.fixture(scope="session")
def tiny_writer(save_tiny, tiny_model) -> Path:
    """An untrained BART of 2 + 2 layers and 32 dimensions with the tokenizer of `tiny_model`."""
    from transformers import AutoTokenizer, BartForConditionalGeneration

    return save_tiny(
        BartForConditionalGeneration,
        "tiny-bart",
        d_model=32,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        decoder_start_token_id=AutoTokenizer.from_pretrained(tiny_model).sep_token_id,
        forced_eos_token_id=None,
        init_std=0.1,
    )


@pytest.fixture(scope="session")
def tiny_decoder(save_tiny) -> Path:
    """An untrained Llama of 2 layers and 32 dimensions with the tokenizer of `tiny_model`."""
    from transformers import LlamaForCausalLM

    return save_tiny(LlamaForCausalLM, "tiny-llama", initializer_range=0.1)


@pytest.fixture(scope="session")
def tiny_masked(save_tiny) -> Path:
    """An untrained BERT with the layer that guesses words, and the tokenizer of `tiny_model`."""
    from transformers import BertForMaskedLM

    return save_tiny(BertForMaskedLM, "tiny-masked", initializer_range=0.1)


@pytest.fixture(scope="session")
def tiny_rows(tmp_path_factory) -> Path:
    """A CSV of 60 easy rows with two labels, `good` and `bad`."""
    path = tmp_path_factory.mktemp("rows") / "rows.csv"
    lines = ["text,label"]
    for number in range(30):
        lines.append(f"my order {number} is good and i like it,good")
        lines.append(f"the card {number} is bad and broken,bad")
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


@pytest.fixture(scope="session")
def tiny_text(tmp_path_factory) -> Path:
    """A text file of 240 short paragraphs about orders, no two alike."""
    path = tmp_path_factory.mktemp("text") / "orders.txt"
    things = ("card", "lamp", "parcel", "refund", "phone", "chair")
    states = ("late", "lost", "broken", "good", "here", "gone", "blue", "paid")
    paragraphs = [
        f"Order {number}: the {thing} is {state}.\nPlease send my {thing}, it is {state}."
        for number in range(5)
        for thing in things
        for state in states
    ]
    path.write_text("\n\n".join(paragraphs) + "\n", "utf-8")
    return path
