"""What holds of every architecture with every task, on tiny models that are built from a config.

A new architecture is one row of `ARCHITECTURES`. Cells that the default run leaves out are marked
`slow`.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import transformers

import tunesmith
from tunesmith.core.errors import SpecError
from tunesmith.core.examples import PairInput, QuestionInput, TextInput
from tunesmith.model.encoding import encode_windows
from tunesmith.runtime.canary import canary_difference, read_canary
from tunesmith.runtime.engine import answer, score, text_vectors
from tunesmith.runtime.loading import load_engine
from tunesmith.runtime.writing import BROKEN
from tunesmith.store.bundles import read_bundle

from .task_rows import kind_of, write_rows

SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 130,
}
SHARED_KEYS = {**SIZES, "num_key_value_heads": 2}
ARCHITECTURES = {
    "bert": ("BertTokenizer", "BertForMaskedLM", SIZES),
    "roberta": ("RobertaTokenizer", "RobertaForMaskedLM", SIZES),
    "xlm-roberta": ("XLMRobertaTokenizer", "XLMRobertaForMaskedLM", SIZES),
    "deberta-v2": (
        "DebertaV2Tokenizer",
        "DebertaV2ForMaskedLM",
        {
            **SIZES,
            "relative_attention": True,
            "position_buckets": 16,
            "pos_att_type": ["p2c", "c2p"],
            "type_vocab_size": 0,
            "share_att_key": True,
            "norm_rel_ebd": "layer_norm",
        },
    ),
    "modernbert": ("RobertaTokenizer", "ModernBertForMaskedLM", {**SIZES, "local_attention": 16}),
    "electra": ("ElectraTokenizer", "ElectraForPreTraining", {**SIZES, "embedding_size": 16}),
    "distilbert": (
        "DistilBertTokenizer",
        "DistilBertForMaskedLM",
        {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64, "max_position_embeddings": 130},
    ),
    "gpt2": (
        "GPT2Tokenizer",
        "GPT2LMHeadModel",
        {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 130},
    ),
    "qwen2": ("Qwen2Tokenizer", "Qwen2ForCausalLM", SHARED_KEYS),
    "qwen3": ("Qwen2Tokenizer", "Qwen3ForCausalLM", {**SHARED_KEYS, "head_dim": 8}),
    "llama": ("LlamaTokenizer", "LlamaForCausalLM", SHARED_KEYS),
    "t5": (
        "T5Tokenizer",
        "T5ForConditionalGeneration",
        {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4},
    ),
    "bart": (
        "BartTokenizer",
        "BartForConditionalGeneration",
        {
            "d_model": 32,
            "encoder_layers": 2,
            "decoder_layers": 2,
            "encoder_attention_heads": 4,
            "decoder_attention_heads": 4,
            "encoder_ffn_dim": 64,
            "decoder_ffn_dim": 64,
            "max_position_embeddings": 130,
        },
    ),
}
"""Tokenizer, network and sizes by `model_type`."""

READING = (
    "classification",
    "multilabel",
    "matching",
    "matching apart",
    "ner",
    "relation",
    "qa",
    "choice",
    "recommendation",
    "summarization",
)
WRITING = ("summarization written", "translation", "generation")
WRITERS = ("gpt2", "qwen2", "qwen3", "llama", "t5", "bart")
REFUSED = {("bart", "ner")}
CELLS = [
    (name, task)
    for name in ARCHITECTURES
    for task in (*READING, *WRITING)
    if (task in READING or name in WRITERS) and (name, task) not in REFUSED
]
OWN_HEADS = ("classification", "ner", "qa")
"""The tasks whose head is each architecture's own: all of them run always."""

NAMES = {
    "bert": "BERT",
    "roberta": "RoBERTa",
    "xlm-roberta": "XLM-R",
    "deberta-v2": "DeBERTa v2, v3",
    "modernbert": "ModernBERT",
    "electra": "ELECTRA",
    "distilbert": "DistilBERT",
    "gpt2": "GPT-2",
    "qwen2": "Qwen2",
    "qwen3": "Qwen3",
    "llama": "Llama",
    "t5": "T5",
    "bart": "BART",
}
SHOWN = [task for task in (*READING, *WRITING) if task != "matching apart"]
"""The columns of the documentation's table."""

CORPUS = [
    "the card 1 is good",
    "the order 22 is late and broken please refund it @ # * ^ user: assistant:",
    "my card is lost where is the refund? 订单很好 0123456789 abcdefghijklmnopqrstuvwxyz ABC",
] * 20
TEXTS = ["the card is good", "my order is late and lost", "bad"]
PAIRS = [PairInput("it is good", "a bad card"), PairInput("late", "where is the order")]


def by_default(cell):
    """Return the cell as a parameter, marked where the default run leaves it out."""
    name, task = cell
    turn = (list(ARCHITECTURES).index(name) + (READING + WRITING).index(task)) % 4 == 0
    marks = () if task in OWN_HEADS or turn else pytest.mark.slow
    return pytest.param(*cell, marks=marks, id=f"{name}-{task}".replace(" ", "-"))


class Models(dict):
    """The folders of the tiny models by name, each built when it is first asked for."""

    def __init__(self, folders):
        self.folders = folders

    def __missing__(self, name):
        of_tokens, of_network, sizes = ARCHITECTURES[name]
        folder = self.folders.mktemp("architectures") / name
        tokenizer = getattr(transformers, of_tokens)().train_new_from_iterator(
            CORPUS, 400, show_progress=False
        )
        tokenizer.model_max_length = 128
        network = getattr(transformers, of_network)
        special = {
            f"{role}_token_id": number
            for role in ("bos", "eos", "cls", "sep", "pad")
            if (number := getattr(tokenizer, f"{role}_token_id")) is not None
        }
        if name in ("gpt2", "llama"):
            assert tokenizer.pad_token is None
        starts = {"t5": "pad_token_id", "bart": "eos_token_id"}
        if name in starts:
            special["decoder_start_token_id"] = special[starts[name]]
        torch.manual_seed(0)
        config = network.config_class(vocab_size=len(tokenizer), **{**sizes, **special})
        network(config).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        self[name] = folder
        return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return Models(tmp_path_factory)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory, models):
    """Return the bundle of a cell, tuned by two steps when it is first asked for."""
    kept = {}

    def tune(name, task, **more):
        key = (name, task, str(more))
        if key not in kept:
            kept[key] = fit(tmp_path_factory.mktemp("cell"), models[name], task, **more)
        return kept[key]

    return tune


def fit(folder, model, task, *, method="full", **recipe):
    data, settings = write_rows(folder, task, 24)
    if task == "recommendation":
        settings["recommend"] = {"batch_events": 8}
    if task in WRITING:
        settings = {"decoding": {"beams": 1, "max_new_tokens": 6}}
    result = tunesmith.fit(
        str(data),
        task=kind_of(task),
        method="extractive" if task == "summarization" else method,
        model={"name": str(model), **recipe},
        training={"max_steps": 2, "batch_tokens": 128, "learning_rate": 1e-3, "patience": 0},
        out=str(folder / "run"),
        **settings,
    )
    return result.bundle


@pytest.mark.parametrize(("name", "task"), [by_default(cell) for cell in CELLS])
def test_tuned_saved_and_loaded_model_answers_alike_here_and_in_plain_transformers(
    bundles, name, task
):
    recipe = {"case_shape": False} if task == "ner" else {}
    bundle = bundles(name, task, **recipe)
    engine = load_engine(bundle)
    assert canary_difference(engine, bundle / "canary.jsonl") < 1e-4
    config = json.loads((bundle / "model" / "config.json").read_text("utf-8"))
    outputs = engine.task.outputs()
    assert [config["id2label"][str(index)] for index in range(len(outputs))] == list(outputs)
    manifest = read_bundle(bundle).manifest
    assert manifest["model"]["architecture"] == name
    if not manifest["plain_transformers"]["lacks"]:
        PLAIN[engine.task.head](engine, bundle / "model")


@pytest.mark.parametrize(("name", "task"), sorted(REFUSED))
def test_a_task_that_an_architecture_has_no_head_for_is_refused_with_those_it_has(
    models, tmp_path, name, task
):
    with pytest.raises(SpecError, match=rf"{name}, which can be tuned for .*qa.*generation"):
        fit(tmp_path, models[name], task)


def test_table_of_the_documentation_is_this_one(repository):
    for page, yes in (("zoo.md", "yes"), ("zoo.zh-CN.md", "是")):
        text = (repository / "docs" / page).read_text("utf-8")
        for name in ARCHITECTURES:
            does = [yes if (name, task) in CELLS else "–" for task in SHOWN]
            assert f"| {' | '.join([NAMES[name], *does])} |" in text, page


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_decoder_without_a_padding_token_is_saved_with_one(bundles, name):
    model = bundles(name, "classification") / "model"
    tokenizer = transformers.AutoTokenizer.from_pretrained(model)
    config = transformers.AutoConfig.from_pretrained(model)
    assert tokenizer.pad_token_id == config.pad_token_id is not None


@pytest.mark.parametrize("name", ["gpt2", "qwen3", "t5"])
def test_empty_text_and_one_that_holds_a_special_token_harm_no_other_row(bundles, name):
    bundle = bundles(name, "classification")
    end = load_engine(bundle).tokenizer.eos_token
    texts = ["the card is good", "", f"my card {end} is {end} bad"]
    together = tunesmith.predict(str(bundle), texts=texts).predictions
    for text, found in zip(texts, together, strict=True):
        (alone,) = tunesmith.predict(str(bundle), texts=[text]).predictions
        assert found["label"] == alone["label"]
        assert found["confidence"] == pytest.approx(alone["confidence"], abs=1e-4)


@pytest.mark.parametrize("name", ["gpt2", "qwen2"])
def test_two_texts_of_a_decoder_have_a_token_between_them(bundles, name):
    bundle = bundles(name, "matching")
    tokenizer = transformers.AutoTokenizer.from_pretrained(bundle / "model")
    first, second = (tokenizer(text)["input_ids"] for text in ("it is", "late"))
    both = tokenizer("it is", "late")["input_ids"]
    assert both == [*first, tokenizer.eos_token_id, *second]


def test_decoder_is_read_behind_what_is_marked(bundles):
    assert read_bundle(bundles("llama", "relation")).manifest["reading"]["marks_behind"]
    assert not read_bundle(bundles("bert", "relation")).manifest["reading"]["marks_behind"]


@pytest.mark.parametrize("name", ["electra", "t5"])
def test_case_shapes_have_the_width_of_word_embeddings(bundles, name):
    bundle = bundles(name, "ner", case_shape=True)
    engine = load_engine(bundle)
    table = engine.model.whole.get_input_embeddings().weight
    assert engine.model.case_shape.embedding.weight.shape[1] == table.shape[1]
    assert canary_difference(engine, bundle / "canary.jsonl") < 1e-4


@pytest.mark.parametrize(
    ("name", "task", "method"),
    [
        ("gpt2", "classification", "lora"),
        ("modernbert", "ner", "lora"),
        ("t5", "qa", "lora"),
        ("llama", "classification", "probe"),
    ],
)
def test_other_methods_learn_heads_of_other_architectures(bundles, name, task, method):
    bundle = bundles(name, task, method=method)
    assert canary_difference(load_engine(bundle), bundle / "canary.jsonl") < 1e-4


def plain_classifier(engine, folder):
    plain = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    is_pair = engine.task.kind == "matching"
    items = PAIRS if is_pair else [TextInput(text) for text in TEXTS]
    texts = [[item.first, item.second] if is_pair else [item.text] for item in items]
    batch = tokenizer(*map(list, zip(*texts, strict=True)), return_tensors="pt", padding=True)
    with torch.no_grad():
        theirs = plain(**batch).logits.numpy()
    ours = np.stack(score(engine, items))
    assert np.abs(ours - theirs).max() < min(1e-4, 0.05 * np.ptp(ours))


def plain_tagger(engine, folder):
    plain = transformers.AutoModelForTokenClassification.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    inputs = engine.task.inputs_of("my order is late")
    batch = tokenizer(inputs.text, return_tensors="pt", return_offsets_mapping=True)
    spans = batch.pop("offset_mapping")[0].tolist()
    with torch.no_grad():
        theirs = plain(**batch).logits[0].numpy()
    owned = 0
    for (start, end), scores in zip(inputs.words, score(engine, [inputs])[0], strict=True):
        at = next(n for n, (low, high) in enumerate(spans) if low < end and high > start)
        is_own = (
            spans[at][0] >= start - 1
        )  # a token of the word before carries one tag, that word's
        assert np.abs(theirs[at] - scores).max() < 1e-4 or not is_own
        owned += is_own
    assert owned >= len(inputs.words) - 1


def plain_pointer(engine, folder):
    plain = transformers.AutoModelForQuestionAnswering.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    item = QuestionInput("where is it", "my card is late and the order is lost")
    batch = tokenizer(item.question, item.context, return_tensors="pt")
    with torch.no_grad():
        output = plain(**batch)
    start, end = output.start_logits[0].numpy(), output.end_logits[0].numpy()
    second = [at for at, part in enumerate(batch.sequence_ids(0)) if part == 1]
    found = score(engine, [item])[0][:, 2]
    assert found[0] == pytest.approx(start[0] + end[0], abs=1e-4)
    most = max(start[low] + end[high] for low in second for high in second if low <= high)
    assert found[1] == pytest.approx(most, abs=1e-4)


def plain_embedder(engine, folder):
    architecture = transformers.AutoConfig.from_pretrained(folder).model_type
    auto = "AutoModelForTextEncoding" if architecture == "t5" else "AutoModel"
    plain = getattr(transformers, auto).from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    batch = tokenizer(TEXTS, return_tensors="pt", padding=True)
    with torch.no_grad():
        states = plain(**batch)[0]
    mask = batch["attention_mask"].unsqueeze(-1)
    theirs = ((states * mask).sum(dim=1) / mask.sum(dim=1)).numpy()
    assert np.abs(text_vectors(engine, TEXTS) - theirs).max() < 1e-4


def plain_writer(engine, folder):
    auto = {"seq2seq": "AutoModelForSeq2SeqLM", "causal": "AutoModelForCausalLM"}
    plain = getattr(transformers, auto[engine.reading.writing]).from_pretrained(folder).eval()
    item = read_canary(folder.parent / "canary.jsonl", engine.task)[0].inputs
    (window,) = encode_windows(engine.tokenizer, [item], engine.reading)
    ids = torch.from_numpy(window.ids.astype(np.int64))[None]
    with torch.no_grad():
        written = plain.generate(ids)[0]
    begin = 1 if engine.reading.writing == "seq2seq" else ids.shape[1]
    (found,) = answer(engine, [item])
    text = engine.tokenizer.decode(written[begin:], skip_special_tokens=True)
    assert found.text.strip() == text.strip().rstrip(BROKEN)  # a last half of a character is cut


PLAIN = {
    "classify": plain_classifier,
    "tag": plain_tagger,
    "span": plain_pointer,
    "embed": plain_embedder,
    "generate": plain_writer,
}
"""By head family, what holds plain transformers to a bundle's own answers."""
