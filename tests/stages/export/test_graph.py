"""A graph answers as the torch model it was written from, for every head and architecture."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import (
    BertConfig,
    BertModel,
    DistilBertConfig,
    DistilBertModel,
    RobertaConfig,
    RobertaModel,
)

from tunesmith.core.errors import SpecError
from tunesmith.core.recipe import ModelRecipe
from tunesmith.model.backbones import Backbone, load_backbone, load_tokenizer
from tunesmith.model.framing import Reading
from tunesmith.model.heads import new_head
from tunesmith.runtime.engine import Engine, encode_windows, score, window_vectors
from tunesmith.runtime.onnx_model import load_onnx_model
from tunesmith.stages.export.graph import build_graph
from tunesmith.stages.export.network import read_network
from tunesmith.tasks.classification import Classification
from tunesmith.tasks.ner import Ner

TEXTS = ["the Order is good", "bad card", "", "i my refund " * 100, "订单很好", "it!"]
SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 128,
}
KINDS = ["mean", "native", "words", "words with case", "roberta", "tanh gelu"]


def encoder_of(kind: str, vocabulary: int):
    torch.manual_seed(5)
    if kind == "roberta":
        return RobertaModel(RobertaConfig(vocab_size=vocabulary, pad_token_id=0, **SIZES))
    settings = {"hidden_act": "gelu_new"} if kind == "tanh gelu" else {}
    return BertModel(BertConfig(vocab_size=vocabulary, **SIZES, **settings))


@pytest.fixture(params=KINDS)
def engine(request, tiny_model) -> Engine:
    """Return a torch engine of random weights of the size that tuned ones have."""
    kind = request.param
    tokenizer = load_tokenizer(tiny_model)
    backbone = Backbone(
        encoder_of(kind, len(tokenizer)), tokenizer, load_backbone(str(tiny_model)).card
    )
    task = (
        Ner(labels=("X", "Y"))
        if kind.startswith("words")
        else Classification(labels=("a", "b", "c"))
    )
    has_case = kind == "words with case"
    pooling = "mean" if kind == "mean" else "native"
    recipe = ModelRecipe(pooling=pooling)
    outputs = len(task.outputs())
    model = new_head(task.head, backbone, outputs=outputs, recipe=recipe, case_shape=has_case)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    reading = Reading(max_length=40, stride=8, long_text="windows", case_shape=has_case)
    return Engine(model.eval(), tokenizer, task, reading, torch.device("cpu"))


def exported(engine: Engine, precision: str) -> Engine:
    content = build_graph(read_network(engine.model), precision=precision)
    model = load_onnx_model(content, threads=1)
    return Engine(model, engine.tokenizer, engine.task, engine.reading, None, precision)


def largest(ours: list[np.ndarray], theirs: list[np.ndarray]) -> float:
    pairs = list(zip(ours, theirs, strict=True))
    assert all(one.shape == other.shape for one, other in pairs)
    return max(float(np.abs(one - other).max(initial=0.0)) for one, other in pairs)


def test_fp32_graph_gives_the_logits_and_vectors_of_the_model(engine):
    inputs = [engine.task.inputs_of(text) for text in TEXTS]
    graph = exported(engine, "fp32")
    assert largest(score(engine, inputs), score(graph, inputs)) < 1e-4
    windows = list(encode_windows(engine.tokenizer, inputs, engine.reading))
    pair = window_vectors(engine, windows), window_vectors(graph, windows)
    assert largest([pair[0]], [pair[1]]) < 1e-4


def test_int8_graph_is_near_the_model_and_not_the_same(engine):
    inputs = [engine.task.inputs_of(text) for text in TEXTS]
    scores = score(engine, inputs)
    difference = largest(scores, score(exported(engine, "int8"), inputs))
    spread = max(float(np.abs(row).max(initial=0.0)) for row in scores)
    assert 0.0 < difference < 0.2 * max(1.0, spread)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_graph_of_one_text_alone_answers_as_in_a_batch(engine, precision):
    inputs = [engine.task.inputs_of(text) for text in TEXTS]
    graph = exported(engine, precision)
    assert graph.model.are_rows_apart
    together = score(graph, inputs)
    alone = [score(graph, [item])[0] for item in inputs]
    assert largest(together, alone) < 1e-4


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
