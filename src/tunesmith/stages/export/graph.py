"""A network as an ONNX graph, written node by node in the form that ONNX Runtime computes fastest.

An exporter's trace would have to be recognised and fused afterwards; here nothing is left to that.
All tokens of a batch stand in one (B·T, H) matrix, so that each linear layer is one product; only
attention sees rows. Decision record 0010 has the measurements.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np

from tunesmith.core.errors import MissingExtraError
from tunesmith.runtime.onnx_model import ROWS_APART
from tunesmith.stages.export.network import Layer, Linear, Network, Norm

OPSET = 20
IR_VERSION = 10
RUNTIME_DOMAIN = "com.microsoft"
RUNTIME_OPERATORS = frozenset({"MultiHeadAttention", "MatMulIntegerToFloat", "FastGelu"})
LARGEST_INT8 = 127
ACTIVATION_STEPS = 254
"""From the lowest value of an activation to its largest: zero is one of them."""
LOWEST_ACTIVATION = -0.17
"""How far below zero a GELU can go, which most tokens' largest activation is 1 or more above."""
SMALLEST_LARGEST = 1e-6
"""What a token's largest value is taken for where all its values are nearly zero."""
HEAD_EPSILON = 1e-12
"""That of `averaging.normalised_mean`."""

Precision: TypeAlias = Literal["fp32", "int8"]


def build_graph(network: Network, *, precision: Precision, is_watched: bool = False) -> bytes:
    """Return a graph with outputs `logits` and `vectors`, as the bytes of an ONNX file.

    Inputs are those of `collate_arrays` that the model reads; one that gives vectors has no
    `logits`. In int8 the matrices of the layers have a scale a column and the word embeddings one a
    row, all symmetric; what a product reads has a scale a token, so that no text's answer depends
    on its neighbours. Head, positions, token types and norms stay float32.
    A watched graph also gives, for each product that follows a norm, the largest size of each
    channel that it reads, (H,), as `layer0.attention.largest` and `layer0.inner.largest`.
    Raises `MissingExtraError` where the package onnx is not installed.
    """
    try:
        import onnx  # noqa: PLC0415 (an extra)
    except ImportError as error:
        raise MissingExtraError(
            "an export needs the packages onnx and onnxruntime, which are not installed",
            hint="pip install 'tunesmith[onnx]'",
        ) from error
    return _Writer(onnx, network, precision, is_watched=is_watched).write()


class _Writer:
    """The nodes and constants of one graph as it grows."""

    def __init__(
        self, onnx: Any, network: Network, precision: Precision, *, is_watched: bool
    ) -> None:
        self._onnx = onnx
        self._network = network
        self._precision = precision
        self._is_watched = is_watched
        self._watched: list[str] = []
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}
        self._hidden = network.words.shape[1]

    def write(self) -> bytes:
        """Return the finished file."""
        shape = self._add("Shape", "input_ids")  # (B, T)
        length = self._add("Slice", shape, self._integers("one", 1), self._integers("two", 2))
        tokens = self._embed(length)
        counts = self._add("ReduceSum", "attention_mask", self._integers("one", 1), keepdims=0)
        lengths = self._add("Cast", counts, to=self._onnx.TensorProto.INT32)
        rows = self._join(shape, self._integers("triple", 3 * self._hidden))
        for number, layer in enumerate(self._network.layers):
            tokens = self._layer(f"layer{number}", layer, tokens, (rows, lengths))
        vectors = self._read(tokens, shape, counts)
        if self._network.dense is not None:
            vectors = self._add("Tanh", self._product("dense", self._network.dense, vectors))
        self._add("Identity", vectors, name="vectors")
        if self._network.linear is not None:
            logits = self._product("head", self._network.linear, vectors)
            self._add("Identity", logits, name="logits")
        return self._file()

    def _embed(self, length: str) -> str:
        """Return (B·T, H): words, positions, token types and case shapes, normalised."""
        network = self._network
        if self._precision == "int8":
            words, scales = _quantised(network.words, axis=1)
            found = self._add("Gather", self._constant("words", words), "input_ids")
            found = self._add("Cast", found, to=self._onnx.TensorProto.FLOAT)
            scale = self._add("Gather", self._constant("word_scales", scales), "input_ids")
            tokens = self._add("Mul", found, scale)
        else:
            tokens = self._add("Gather", self._constant("words", network.words), "input_ids")
        places = self._add(
            "Slice",
            self._constant("positions", network.positions),
            self._integers("zero", 0),
            length,
        )
        tokens = self._add("Add", tokens, places)
        if network.types is not None:
            vectors = self._constant("type_vectors", network.types)
            types = self._add("Gather", vectors, "token_type_ids")
            tokens = self._add("Add", tokens, types)
        if network.shapes is not None:
            shapes = self._add("Gather", self._constant("shape_vectors", network.shapes), "shapes")
            tokens = self._add("Add", tokens, shapes)
        return self._norm("embeddings", network.embedding_norm, self._flat(tokens))

    def _layer(self, name: str, layer: Layer, tokens: str, layout: tuple[str, str]) -> str:
        """Return (B·T, H) after one layer; `layout` is the shape of its rows and their lengths."""
        rows, lengths = layout
        made = self._normed_product(
            f"{name}.attention", layer.attention, tokens, scale=layer.attention_scale
        )
        parts = self._split(self._add("Reshape", made, rows))
        attended = self._add(
            "MultiHeadAttention", *parts, "", lengths, num_heads=self._network.heads
        )
        attended = self._layer_product(f"{name}.attended", layer.attended, self._flat(attended))
        tokens = self._norm(
            f"{name}.attended_norm", layer.attended_norm, self._add("Add", attended, tokens)
        )
        inner = self._normed_product(f"{name}.inner", layer.inner, tokens, scale=layer.inner_scale)
        inner = self._add(self._network.activation, inner)
        outer = self._layer_product(
            f"{name}.outer", layer.outer, inner, lowest_value=LOWEST_ACTIVATION
        )
        return self._norm(f"{name}.outer_norm", layer.outer_norm, self._add("Add", outer, tokens))

    def _read(self, tokens: str, shape: str, counts: str) -> str:
        """Return what the head is given: (B, widths * H), or (W, H) for words."""
        reads = self._network.reads
        if reads == "words":
            one = self._integers("one", 1)
            length = self._add("Slice", shape, one, self._integers("two", 2))
            places = self._add("Add", self._add("Mul", "word_rows", length), "word_positions")
            return self._add("Gather", tokens, places, axis=0)
        rows = self._add(
            "Reshape", tokens, self._join(shape, self._integers("width", self._hidden))
        )
        match reads:
            case "first":
                return self._add("Gather", rows, self._constant("first", np.int64(0)), axis=1)
            case "marks":
                places = self._add("Unsqueeze", "marks", self._integers("two", 2))
                found = self._add("GatherND", rows, places, batch_dims=1)  # (B, 2, H)
                return self._add(
                    "Reshape", found, self._constant("both", np.array([-1, 2 * self._hidden]))
                )
            case "parts":
                return self._compare_parts(rows)
            case "texts":
                return self._mean(rows, "attention_mask", counts)
        return self._plain_norm(self._mean(rows, "attention_mask", counts))

    def _compare_parts(self, rows: str) -> str:
        """Return (B, 4H): the normalised means of both texts, and how they meet.

        Where nothing tells the second text apart all tokens are its own, and the first mean is 0.
        """
        second = "attention_mask" if self._network.types is None else "token_type_ids"
        means = []
        for mask in (self._add("Sub", "attention_mask", second), second):
            counts = self._add("ReduceSum", mask, self._integers("one", 1), keepdims=0)
            counts = self._add("Max", counts, self._integers("one", 1))
            means.append(self._plain_norm(self._mean(rows, mask, counts)))
        apart = self._add("Abs", self._add("Sub", *means))
        return self._add("Concat", *means, apart, self._add("Mul", *means), axis=1)

    def _mean(self, rows: str, mask: str, counts: str) -> str:
        """Return (B, H) of (B, T, H): the mean of the `counts` (B,) tokens of a (B, T) mask."""
        one = self._integers("one", 1)
        kind = self._onnx.TensorProto.FLOAT
        there = self._add("Cast", mask, to=kind)
        weights = self._add(
            "Div", there, self._add("Unsqueeze", self._add("Cast", counts, to=kind), one)
        )
        mean = self._add("MatMul", self._add("Unsqueeze", weights, one), rows)
        return self._add("Squeeze", mean, one)

    def _plain_norm(self, vectors: str) -> str:
        """Return (B, H) normalised without weights, as `averaging.normalised_mean` does."""
        plain = Norm(
            np.ones(self._hidden, dtype=np.float32), np.zeros(self._hidden, dtype=np.float32)
        )
        return self._norm("mean", plain, vectors, epsilon=HEAD_EPSILON)

    def _product(self, name: str, linear: Linear, tokens: str) -> str:
        """Return (N, out) of (N, in), in float32."""
        weight = self._constant(f"{name}.weight", linear.weight)
        return self._add("Gemm", tokens, weight, self._constant(f"{name}.bias", linear.bias))

    def _normed_product(
        self, name: str, linear: Linear, tokens: str, *, scale: np.ndarray | None
    ) -> str:
        """Return (N, out) of what a norm gives, (N, in), divided by the product's own scale."""
        if self._is_watched:
            largest = self._add("ReduceMax", self._add("Abs", tokens), self._integers("zero", 0))
            squeezed = self._add("Squeeze", largest, self._integers("zero", 0))
            self._add("Identity", squeezed, name=f"{name}.largest")
            self._watched.append(f"{name}.largest")
        if scale is not None:
            tokens = self._add("Mul", tokens, self._constant(f"{name}.scale", 1.0 / scale))
        return self._layer_product(name, linear, tokens)

    def _layer_product(
        self, name: str, linear: Linear, tokens: str, *, lowest_value: float = -1.0
    ) -> str:
        """Return (N, out) of (N, in); in int8, of tokens that are first divided by one value each.

        They then lie between `lowest_value` and 1, and one scale fits all. Few tokens dwarf the
        others: with a scale for the whole batch those would be left with a handful of steps, and
        would depend on what shares the batch.
        """
        if self._precision != "int8":
            return self._product(name, linear, tokens)
        ends = f"from {lowest_value:g}"
        step = np.float32((1.0 - lowest_value) / ACTIVATION_STEPS)
        scale = self._constant(f"scale {ends}", step)
        zero = self._constant(f"zero {ends}", np.uint8(round(-lowest_value / float(step))))
        largest = self._largest(tokens, lowest_value=lowest_value)
        whole = self._add("QuantizeLinear", self._add("Div", tokens, largest), scale, zero)
        weight, scales = _quantised(linear.weight, axis=0)
        product = self._add(
            "MatMulIntegerToFloat",
            whole,
            self._constant(f"{name}.weight", weight),
            scale,
            self._constant(f"{name}.scales", scales[0]),
            zero,
            self._constant(f"{name}.zeros", np.zeros(weight.shape[1], dtype=np.int8)),
        )
        product = self._add("Mul", product, largest)
        return self._add("Add", product, self._constant(f"{name}.bias", linear.bias))

    def _largest(self, tokens: str, *, lowest_value: float) -> str:
        """Return (N, 1), by which each token divided lies between `lowest_value` and 1."""
        one = self._integers("one", 1)
        lowest = self._add("ReduceMin", tokens, one, keepdims=1)
        share = self._constant(f"share {lowest_value:g}", np.float32(1.0 / lowest_value))
        least = self._constant("least", np.float32(SMALLEST_LARGEST))
        highest = self._add("ReduceMax", tokens, one, keepdims=1)
        return self._add("Max", highest, self._add("Mul", lowest, share), least)

    def _norm(self, name: str, norm: Norm, tokens: str, *, epsilon: float | None = None) -> str:
        return self._add(
            "LayerNormalization",
            tokens,
            self._constant(f"{name}.scale", norm.scale),
            self._constant(f"{name}.shift", norm.shift),
            epsilon=self._network.epsilon if epsilon is None else epsilon,
        )

    def _flat(self, tokens: str) -> str:
        return self._add("Reshape", tokens, self._constant("flat", np.array([-1, self._hidden])))

    def _join(self, shape: str, width: str) -> str:
        return self._add("Concat", shape, width, axis=0)

    def _split(self, tokens: str) -> list[str]:
        """Return queries, keys and values, each (B, T, H)."""
        names = [f"{tokens}.{part}" for part in ("query", "key", "value")]
        node = self._onnx.helper.make_node("Split", [tokens], names, axis=2, num_outputs=3)
        self._nodes.append(node)
        return names

    def _add(self, operator: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """Append a node and return the name of its output."""
        output = name or f"{operator}{len(self._nodes)}"
        domain = RUNTIME_DOMAIN if operator in RUNTIME_OPERATORS else ""
        node = self._onnx.helper.make_node(
            operator, list(inputs), [output], domain=domain, **attributes
        )
        self._nodes.append(node)
        return output

    def _constant(self, name: str, value: np.ndarray | np.generic) -> str:
        if name not in self._constants:
            array = np.ascontiguousarray(value) if np.ndim(value) else np.asarray(value)
            self._constants[name] = self._onnx.numpy_helper.from_array(array, name)
        return name

    def _integers(self, name: str, value: int) -> str:
        return self._constant(name, np.array([value], dtype=np.int64))

    def _file(self) -> bytes:
        helper, kinds = self._onnx.helper, self._onnx.TensorProto
        text: list[Any] = ["batch", "tokens"]
        words: list[Any] = ["words"]
        inputs: dict[str, list[Any]] = {"input_ids": text, "attention_mask": text}
        rows: list[Any] = ["batch"]
        if self._network.reads == "words":
            rows = words
            inputs |= {"word_rows": words, "word_positions": words}
            if self._network.shapes is not None:
                inputs["shapes"] = text
        if self._network.types is not None:
            inputs["token_type_ids"] = text
        if self._network.reads == "marks":
            inputs["marks"] = ["batch", 2]
        sizes = {"vectors": self._network.widths * self._hidden}
        if self._network.linear is not None:
            sizes = {"logits": len(self._network.linear.bias), **sizes}
        graph = helper.make_graph(
            self._nodes,
            "tunesmith",
            [helper.make_tensor_value_info(n, kinds.INT64, shape) for n, shape in inputs.items()],
            [
                helper.make_tensor_value_info(name, kinds.FLOAT, [*rows, size])
                for name, size in sizes.items()
            ]
            + [
                helper.make_tensor_value_info(name, kinds.FLOAT, [self._hidden])
                for name in self._watched
            ],
            list(self._constants.values()),
        )
        domains = [helper.make_opsetid("", OPSET), helper.make_opsetid(RUNTIME_DOMAIN, 1)]
        model = helper.make_model(
            graph, opset_imports=domains, ir_version=IR_VERSION, producer_name="tunesmith"
        )
        helper.set_model_props(model, {ROWS_APART: "true"})
        return model.SerializeToString()


def _quantised(matrix: np.ndarray, *, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (int8, float32 scales) of a matrix, one scale for all that differs only in `axis`.

    The scales keep that axis, of size 1.
    """
    scales = np.abs(matrix).max(axis=axis, keepdims=True) / LARGEST_INT8
    scales = np.where(scales == 0.0, 1.0, scales).astype(np.float32)
    return np.round(matrix / scales).astype(np.int8), scales
