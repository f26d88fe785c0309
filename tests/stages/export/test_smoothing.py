"""Evening out channels changes no product, and brings int8 nearer to its source."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from tunesmith.core.recipe import ModelRecipe
from tunesmith.model.backbones import load_backbone
from tunesmith.model.framing import Reading
from tunesmith.model.heads import new_head
from tunesmith.runtime.engine import Engine, score
from tunesmith.runtime.onnx_model import load_onnx_model
from tunesmith.stages.export.graph import build_graph
from tunesmith.stages.export.network import Network, read_network
from tunesmith.stages.export.smoothing import largest_channels, smooth
from tunesmith.tasks.classification import Classification

CALIBRATION = ["my card is lost", "where is the parcel I ordered", "I want my money back"]
TEXTS = ["the card was stolen", "refund me please", "is it late?", "how do I change my address"]


@pytest.fixture(scope="module")
def packaged() -> Engine:
    """Give the packaged model, whose channels behind norms are uneven, under a random head."""
    torch.manual_seed(3)
    task = Classification(labels=("a", "b", "c", "d"))
    backbone = load_backbone("minilm")
    model = new_head("classify", backbone, outputs=4, recipe=ModelRecipe(), case_shape=False)
    reading = Reading(max_length=64, stride=8, long_text="windows", case_shape=False)
    return Engine(model.eval(), backbone.tokenizer, task, reading, torch.device("cpu"))


def logits_of(engine: Engine, network: Network, precision: str) -> np.ndarray:
    graph = load_onnx_model(build_graph(network, precision=precision), threads=1)
    inputs = [engine.task.inputs_of(text) for text in TEXTS]
    exported = replace(engine, model=graph, device=None, precision=precision)
    return np.stack([np.ravel(row) for row in score(exported, inputs)])


@pytest.fixture(scope="module")
def networks(packaged) -> tuple[Network, Network]:
    network = read_network(packaged.model)
    inputs = [packaged.task.inputs_of(text) for text in CALIBRATION]
    return network, smooth(network, largest_channels(network, packaged, inputs))


def test_smoothed_network_computes_the_same_in_fp32(packaged, networks):
    plain, smoothed = (logits_of(packaged, network, "fp32") for network in networks)
    assert np.abs(plain - smoothed).max() < 1e-4
    assert smoothed.std() > 0.01


def test_smoothing_brings_int8_nearer_to_its_source(packaged, networks):
    source = logits_of(packaged, networks[0], "fp32")
    errors = [
        float(np.sqrt(((logits_of(packaged, network, "int8") - source) ** 2).mean()))
        for network in networks
    ]
    assert 0.0 < errors[1] < 0.8 * errors[0]


def test_smoothing_evens_out_channels_and_keeps_products(packaged, networks):
    plain, smoothed = networks
    inputs = [packaged.task.inputs_of(text) for text in CALIBRATION]
    largest = largest_channels(plain, packaged, inputs)
    assert len(largest) == 2 * len(plain.layers)
    before = largest["layer0.inner"]
    after = before / smoothed.layers[0].inner_scale
    assert before.max() / np.median(before) > 2 * after.max() / np.median(after)
    weight = smoothed.layers[0].inner.weight / smoothed.layers[0].inner_scale[:, None]
    np.testing.assert_allclose(weight, plain.layers[0].inner.weight, rtol=1e-5, atol=1e-7)


def test_channel_and_weights_of_zero_are_no_obstacle(networks):
    network = networks[0]
    largest = {
        f"layer{index}.{part}": np.zeros(network.words.shape[1], dtype=np.float32)
        for index in range(len(network.layers))
        for part in ("attention", "inner")
    }
    scales = smooth(network, largest).layers[0].inner_scale
    assert np.isfinite(scales).all()
    assert scales.min() > 0.0
