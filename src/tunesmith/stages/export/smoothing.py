"""Channels that are far larger than all others are made smaller before int8, and weights larger.

In a tuned encoder two or three channels behind each norm are ten times as large as the rest. One
step of int8 must span them, and leaves the rest a handful of steps. A channel divided by a scale,
with its row of the weights multiplied by it, changes no product but evens the sizes out.

Source: Xiao et al. 2023, SmoothQuant, equation 4, for the products that follow a norm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from tunesmith.core.examples import Inputs
from tunesmith.model.batching import Arrays
from tunesmith.runtime.engine import Engine, score
from tunesmith.runtime.onnx_model import OnnxModel, load_onnx_model
from tunesmith.stages.export.graph import build_graph
from tunesmith.stages.export.network import Layer, Linear, Network

MIGRATION = 0.6
"""How much of the unevenness goes to the weights; 0 is none and 1 all."""
SMALLEST = 1e-6
"""What a channel or a row of weights is taken for where it is nearly zero."""


def smooth(network: Network, largest: Mapping[str, np.ndarray]) -> Network:
    """Return the network whose channels behind norms are evened out.

    `largest` are the largest sizes of channels, (H,), by name: `layer0.attention`, `layer0.inner`.
    """
    layers = [
        _smooth_layer(layer, largest[f"layer{index}.attention"], largest[f"layer{index}.inner"])
        for index, layer in enumerate(network.layers)
    ]
    return replace(network, layers=tuple(layers))


def _smooth_layer(layer: Layer, attention: np.ndarray, inner: np.ndarray) -> Layer:
    attention_scale, inner_scale = (
        _scale(attention, layer.attention.weight),
        _scale(inner, layer.inner.weight),
    )
    return replace(
        layer,
        attention=_multiplied(layer.attention, attention_scale),
        attention_scale=attention_scale,
        inner=_multiplied(layer.inner, inner_scale),
        inner_scale=inner_scale,
    )


def _scale(largest: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return (in,) scales, of a geometric mean of 1: max|x|^a / max|w|^(1 - a)."""
    activations = np.maximum(largest, SMALLEST)
    weights = np.maximum(np.abs(weight).max(axis=1), SMALLEST)
    logarithms = MIGRATION * np.log(activations) - (1 - MIGRATION) * np.log(weights)
    return np.exp(logarithms - logarithms.mean()).astype(np.float32)


def _multiplied(linear: Linear, scale: np.ndarray) -> Linear:
    return replace(linear, weight=linear.weight * scale[:, None])


def largest_channels(
    network: Network, source: Engine, inputs: Sequence[Inputs]
) -> dict[str, np.ndarray]:
    """Return the largest size of each channel that a product behind a norm reads, over `inputs`.

    `source` says how inputs are read.
    """
    graph = load_onnx_model(build_graph(network, precision="fp32", is_watched=True))
    names = tuple(name for name in graph.sizes if name.endswith(_LARGEST))
    watched = _Watched(graph.session, graph.inputs, graph.sizes, names=names)
    score(replace(source, model=watched, device=None, precision="fp32"), inputs)
    return watched.largest


_LARGEST = ".largest"


@dataclass(frozen=True, slots=True)
class _Watched(OnnxModel):
    """A graph that keeps the largest channels of all it has computed, by the product's name."""

    names: tuple[str, ...] = ()
    largest: dict[str, np.ndarray] = field(default_factory=dict)

    def compute(self, arrays: Arrays, output: Literal["logits", "vectors", "both"]) -> np.ndarray:
        """Return one output, and keep what is watched."""
        feeds = {name: arrays[name] for name in self.inputs}
        wanted = self.names_of(output)
        found = self.session.run([*wanted, *self.names], feeds)
        for name, values in zip(self.names, found[len(wanted) :], strict=True):
            product = name.removesuffix(_LARGEST)
            self.largest[product] = np.maximum(self.largest.get(product, 0.0), values)
        return np.concatenate(found[: len(wanted)], axis=-1)
