"""The weights of a tuned model of the BERT family, as plain arrays under plain names.

Matrices are (in, out). Nothing here knows ONNX.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from tunesmith.core.errors import SpecError
from tunesmith.core.examples import Inputs
from tunesmith.model.bert_family import BERT_FAMILY, first_position
from tunesmith.model.encoding import encode_windows
from tunesmith.model.heads import HeadModel, linear_of
from tunesmith.model.heads.choose import Chooser
from tunesmith.model.heads.classify import MeanClassifier
from tunesmith.model.heads.embed import Embedder
from tunesmith.model.heads.relate import Relater
from tunesmith.model.heads.whole import WholeAtWords
from tunesmith.runtime.engine import Engine

ACTIVATIONS = {
    "gelu": "Gelu",
    "gelu_new": "FastGelu",
    "gelu_pytorch_tanh": "FastGelu",
    "relu": "Relu",
}
"""Graph operators by the names that transformers gives the activations."""

Reads: TypeAlias = Literal["mean", "first", "words", "texts", "parts", "marks"]


@dataclass(frozen=True, slots=True)
class Linear:
    """x @ weight + bias; weight (in, out), bias (out,)."""

    weight: np.ndarray
    bias: np.ndarray


@dataclass(frozen=True, slots=True)
class Norm:
    """Layer normalisation with its scale and shift, each (H,)."""

    scale: np.ndarray
    shift: np.ndarray


@dataclass(frozen=True, slots=True)
class Layer:
    """One Transformer layer; `attention` makes queries, keys and values at once, (H, 3H).

    `attention_scale` and `inner_scale`, each (H,), divide what the two products read that follow a
    norm; their weights are multiplied by it already. None is a scale of one.
    """

    attention: Linear
    attended: Linear
    attended_norm: Norm
    inner: Linear
    outer: Linear
    outer_norm: Norm
    attention_scale: np.ndarray | None = None
    inner_scale: np.ndarray | None = None


@dataclass(frozen=True, slots=True)
class Network:
    """A whole model.

    `words` (V, H); `positions` (P, H) with the first token type added; `types` (2, H) what each
    token type adds to that, where second texts are told apart; `shapes` (S, H) of the case shapes,
    where the model reads them. `reads` is what the head is given: the normalised `mean` of the
    tokens, the `first` token, the tokens of `words`, the bare mean of the tokens (`texts`), the
    normalised means of two `parts` and how they meet, or the tokens at two `marks`. `dense` stands
    before the last layer, with tanh, where the architecture has one. `linear` makes the logits; a
    model that gives vectors has none.
    """

    words: np.ndarray
    positions: np.ndarray
    types: np.ndarray | None
    shapes: np.ndarray | None
    embedding_norm: Norm
    layers: tuple[Layer, ...]
    heads: int
    epsilon: float
    activation: str
    reads: Reads
    dense: Linear | None
    linear: Linear | None

    @property
    def widths(self) -> int:
        """How many widths of the encoder the head is given."""
        return {"parts": 4, "marks": 2}.get(self.reads, 1)


def read_network(model: HeadModel, *, has_types: bool = False) -> Network:
    """Return the weights of a tuned model.

    `has_types` says that batches tell second texts apart, see `tells_types`. Raises `SpecError`
    where the architecture is none of the BERT family.
    """
    encoder: Any = model.encoder
    config = encoder.config
    _require_known(config)
    state = {name: tensor.float().cpu().numpy() for name, tensor in encoder.state_dict().items()}
    positions = state["embeddings.position_embeddings.weight"][first_position(config) :]
    shape = getattr(model, "case_shape", None)
    reads = _reads(model)
    return Network(
        words=state["embeddings.word_embeddings.weight"],
        positions=positions + state["embeddings.token_type_embeddings.weight"][0],
        types=_types(state) if has_types else None,
        shapes=None if shape is None else shape.embedding.weight.detach().cpu().numpy(),
        embedding_norm=_norm(state, "embeddings.LayerNorm"),
        layers=tuple(
            _layer(state, f"encoder.layer.{index}") for index in range(config.num_hidden_layers)
        ),
        heads=config.num_attention_heads,
        epsilon=config.layer_norm_eps,
        activation=ACTIVATIONS[config.hidden_act],
        reads=reads,
        dense=_dense(model) if reads == "first" else None,
        linear=None if isinstance(model, Embedder) else _linear_of(linear_of(model)),
    )


def tells_types(engine: Engine, inputs: Sequence[Inputs]) -> bool:
    """Tell whether an engine gives the tokens of second texts a type: for all rows, or for none."""
    windows = encode_windows(engine.tokenizer, inputs, engine.reading)
    return any(window.second for window in windows)


def _reads(model: HeadModel) -> Reads:
    match model:
        case MeanClassifier():
            return "mean"
        case Embedder():
            return "texts"
        case Chooser():
            return "parts"
        case Relater():
            return "marks"
        case WholeAtWords():
            return "words"
    return "first"


def _types(state: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return (2, H); zeros where the architecture knows one type alone."""
    table = state["embeddings.token_type_embeddings.weight"]
    return table[:2] - table[0] if len(table) > 1 else np.zeros_like(table[[0, 0]])


def _require_known(config: Any) -> None:
    problems = []
    if config.model_type not in BERT_FAMILY:
        problems.append(
            f"the model to export must be one of {', '.join(sorted(BERT_FAMILY))}; "
            f"got {config.model_type}"
        )
    elif config.hidden_act not in ACTIVATIONS:
        problems.append(
            f"the model's activation must be one of {', '.join(ACTIVATIONS)}; "
            f"got {config.hidden_act}"
        )
    if getattr(config, "position_embedding_type", "absolute") != "absolute":
        problems.append(
            f"the model's positions must be absolute; got {config.position_embedding_type}"
        )
    if problems:
        raise SpecError(problems, hint="tunesmith predict BUNDLE --engine torch")


def _dense(model: Any) -> Linear:
    """Return the layer before tanh of the architecture's own classifier."""
    if model.encoder.config.model_type == "bert":
        return _linear_of(model.encoder.pooler.dense)
    return _linear_of(model.whole.classifier.dense)


def _layer(state: Mapping[str, np.ndarray], name: str) -> Layer:
    parts = [_linear(state, f"{name}.attention.self.{part}") for part in ("query", "key", "value")]
    return Layer(
        attention=Linear(
            np.concatenate([part.weight for part in parts], axis=1),
            np.concatenate([part.bias for part in parts]),
        ),
        attended=_linear(state, f"{name}.attention.output.dense"),
        attended_norm=_norm(state, f"{name}.attention.output.LayerNorm"),
        inner=_linear(state, f"{name}.intermediate.dense"),
        outer=_linear(state, f"{name}.output.dense"),
        outer_norm=_norm(state, f"{name}.output.LayerNorm"),
    )


def _linear(state: Mapping[str, np.ndarray], name: str) -> Linear:
    return Linear(state[f"{name}.weight"].T, state[f"{name}.bias"])


def _linear_of(layer: Any) -> Linear:
    return Linear(
        layer.weight.detach().float().cpu().numpy().T, layer.bias.detach().float().cpu().numpy()
    )


def _norm(state: Mapping[str, np.ndarray], name: str) -> Norm:
    return Norm(state[f"{name}.weight"], state[f"{name}.bias"])
