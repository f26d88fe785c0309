"""A graph answers as the torch model it was written from, for every head and architecture."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tokenizers.processors import TemplateProcessing
from transformers import (
    BertConfig,
    BertModel,
    DistilBertConfig,
    DistilBertModel,
    RobertaConfig,
    RobertaModel,
)

from tunesmith.core.errors import SpecError
from tunesmith.core.examples import ChoiceInput, MarkedInput, PairInput, QuestionInput
from tunesmith.core.recipe import ModelRecipe
from tunesmith.model.backbones import Backbone, load_backbone, load_tokenizer
from tunesmith.model.framing import Reading
from tunesmith.model.heads import new_head
from tunesmith.runtime.engine import Engine, encode_windows, score, window_vectors
from tunesmith.runtime.onnx_model import load_onnx_model
from tunesmith.stages.export.graph import build_graph
from tunesmith.stages.export.network import read_network, tells_types
from tunesmith.tasks.choice import Choice
from tunesmith.tasks.classification import Classification
from tunesmith.tasks.matching import Matching
from tunesmith.tasks.ner import Ner
from tunesmith.tasks.qa import Qa
from tunesmith.tasks.relation import Relation

TEXTS = ["the Order is good", "bad card", "", "i my refund " * 100, "订单很好", "it!"]
SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 128,
}
LABELS = {"labels": ("a", "b", "c")}
PAIRS = [PairInput(text, other) for text, other in zip(TEXTS, TEXTS[::-1], strict=True)]
CHOICES = [
    ChoiceInput(text, "to?", (*TEXTS[:2], "x")[: 2 + at % 2]) for at, text in enumerate(TEXTS)
]
MARKED = [
    MarkedInput(text, (0, 1), (2, 3), ("card", "") if at else ("", ""))
    for at, text in enumerate(TEXTS)
    if text
]
QUESTIONS = [QuestionInput("where is it?", text) for text in TEXTS]
KINDS = {
    "mean": (Classification(**LABELS), None),
    "native": (Classification(**LABELS), None),
    "roberta": (Classification(**LABELS), None),
    "tanh gelu": (Classification(**LABELS), None),
    "words": (Ner(labels=("X", "Y")), None),
    "words with case": (Ner(labels=("X", "Y")), None),
    "mean of pairs": (Matching(**LABELS), PAIRS),
    "native pairs": (Matching(scale=(0.0, 5.0), pairs="together"), PAIRS),
    "apart": (Matching(scale=(0.0, 5.0)), PAIRS),
    "parts": (Choice(), CHOICES),
    "parts of one type": (Choice(), CHOICES),
    "parts that no type tells": (Choice(), CHOICES),
    "marks": (Relation(**LABELS), MARKED),
    "roberta marks": (Relation(**LABELS), MARKED),
    "span": (Qa(labels=("answered", "unanswerable")), QUESTIONS),
}
"""What a head is given, by the task that asks for it and inputs of several parts."""


def encoder_of(kind: str, vocabulary: int):
    torch.manual_seed(5)
    if kind.startswith("roberta"):
        return RobertaModel(RobertaConfig(vocab_size=vocabulary, pad_token_id=0, **SIZES))
    settings = {"hidden_act": "gelu_new"} if kind == "tanh gelu" else {}
    if kind == "parts of one type":
        settings["type_vocab_size"] = 1
    return BertModel(BertConfig(vocab_size=vocabulary, **SIZES, **settings))


def tokenizer_of(kind: str, folder):
    """Return the tokenizer of a folder; of one kind it gives all tokens the same type."""
    tokenizer = load_tokenizer(folder)
    if kind == "parts that no type tells":
        tokens = [(token, tokenizer.convert_tokens_to_ids(token)) for token in ("[CLS]", "[SEP]")]
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
            single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=tokens
        )
    return tokenizer


@pytest.fixture(params=KINDS)
def kind(request) -> str:
    return request.param


@pytest.fixture
def engine(kind, tiny_model) -> Engine:
    """Return a torch engine of random weights of the size that tuned ones have."""
    task, _ = KINDS[kind]
    tokenizer = tokenizer_of(kind, tiny_model)
    backbone = Backbone(
        encoder_of(kind, len(tokenizer)), tokenizer, load_backbone(str(tiny_model)).card
    )
    has_case = kind == "words with case"
    pooling = "mean" if kind.startswith("mean") else "native"
    recipe = ModelRecipe(pooling="auto" if task.head == "choose" else pooling)
    outputs = len(task.outputs())
    model = new_head(task.head, backbone, outputs=outputs, recipe=recipe, case_shape=has_case)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    reading = Reading(
        max_length=40, stride=8, long_text="windows", case_shape=has_case, apart=kind == "apart"
    )
    return Engine(model.eval(), tokenizer, task, reading, torch.device("cpu"))


@pytest.fixture
def inputs(kind) -> list:
    task, own = KINDS[kind]
    return own or [task.inputs_of(text) for text in TEXTS]


def exported(engine: Engine, inputs: list, precision: str) -> Engine:
    network = read_network(engine.model, has_types=tells_types(engine, inputs))
    model = load_onnx_model(build_graph(network, precision=precision), threads=1)
    return replace(engine, model=model, device=None, precision=precision)


def has_stretches(scores: list[np.ndarray]) -> bool:
    return scores[0][..., :2].ravel()[:2].tolist() == [-1.0, -1.0]


def largest(ours: list[np.ndarray], theirs: list[np.ndarray]) -> float:
    """Return the largest difference; of stretches (n, 3), that of the scores of those in both."""
    pairs = list(zip(ours, theirs, strict=True))
    if has_stretches(ours):
        both = [[{tuple(row[:2]): row[2:] for row in side} for side in pair] for pair in pairs]
        pairs = [
            (np.array([one[key] for key in shared]), np.array([other[key] for key in shared]))
            for one, other in both
            if (shared := sorted(one.keys() & other.keys()))
        ]
        assert len(pairs) == len(both)
    assert all(one.shape == other.shape for one, other in pairs)
    return max(float(np.abs(one - other).max(initial=0.0)) for one, other in pairs)


def test_fp32_graph_gives_the_logits_and_vectors_of_the_model(engine, inputs):
    graph = exported(engine, inputs, "fp32")
    assert largest(score(engine, inputs), score(graph, inputs)) < 1e-4
    windows = list(encode_windows(engine.tokenizer, inputs, engine.reading))
    pair = window_vectors(engine, windows), window_vectors(graph, windows)
    assert largest([pair[0]], [pair[1]]) < 1e-4
    sizes = {"vectors": pair[0].shape[1], "logits": len(engine.task.outputs())}
    assert graph.model.sizes == {name: size for name, size in sizes.items() if size}


def test_int8_graph_is_near_the_model_and_not_the_same(engine, inputs):
    scores = score(engine, inputs)
    difference = largest(scores, score(exported(engine, inputs, "int8"), inputs))
    shown = [row[:, 2] if has_stretches(scores) else row for row in scores]
    spread = max(float(np.abs(row).max(initial=0.0)) for row in shown)
    assert 0.0 < difference < 0.2 * max(1.0, spread)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_graph_of_one_text_alone_answers_as_in_a_batch(engine, inputs, precision):
    graph = exported(engine, inputs, precision)
    assert graph.model.are_rows_apart
    together = score(graph, inputs)
    alone = [score(graph, [item])[0] for item in inputs]
    assert largest(together, alone) < 1e-4


@pytest.mark.parametrize("kind", ["native pairs", "parts"], indirect=True)
def test_graph_tells_second_texts_apart_as_its_model_does(engine, inputs):
    graph = exported(engine, inputs, "fp32")
    blind = exported(engine, [], "fp32")
    assert set(graph.model.inputs) - set(blind.model.inputs) == {"token_type_ids"}
    assert largest(score(engine, inputs), score(blind, inputs)) > 1e-2


def test_int8_file_of_the_packaged_model_is_below_30_percent_of_fp32():
    backbone = load_backbone("minilm")
    model = new_head("classify", backbone, outputs=5, recipe=ModelRecipe(), case_shape=False)
    network = read_network(model)
    sizes = {p: len(build_graph(network, precision=p)) for p in ("fp32", "int8")}
    assert sizes["int8"] <= 0.3 * sizes["fp32"]


def test_model_of_another_family_is_refused_by_its_name(tiny_model):
    tokenizer = load_tokenizer(tiny_model)
    config = DistilBertConfig(vocab_size=len(tokenizer), dim=32, n_layers=1, n_heads=4)
    backbone = Backbone(DistilBertModel(config), tokenizer, load_backbone(str(tiny_model)).card)
    recipe = ModelRecipe(pooling="native")
    model = new_head("classify", backbone, outputs=2, recipe=recipe, case_shape=False)
    with pytest.raises(SpecError, match="got distilbert"):
        read_network(model)
