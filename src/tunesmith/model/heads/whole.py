"""transformers' own heads, whatever each architecture calls its parts.

Which classes there are, transformers' tables say; the layer that makes the logits is the last
linear one of so many outputs, and what it reads is what the architecture lets it read.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import (
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
)
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_QUESTION_ANSWERING_MAPPING_NAMES,
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
    MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING_NAMES,
)

from tunesmith.core.data_spec import TaskKind
from tunesmith.core.errors import Problem, SpecError
from tunesmith.model.backbones import Backbone, writing_of
from tunesmith.model.batching import Batch
from tunesmith.model.hidden import can_pack, hidden_states, type_inputs

AUTO: dict[str, tuple[Any, Any]] = {
    "classify": (
        AutoModelForSequenceClassification,
        MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
    ),
    "tag": (AutoModelForTokenClassification, MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING_NAMES),
    "span": (AutoModelForQuestionAnswering, MODEL_FOR_QUESTION_ANSWERING_MAPPING_NAMES),
}
"""By head family, what makes such a model and the architectures it can make one of."""

NEEDED: dict[TaskKind, str] = {
    "classification": "classify",
    "multilabel": "classify",
    "ner": "tag",
    "matching": "classify",
    "relation": "",
    "qa": "span",
    "choice": "",
    "recommendation": "",
    "summarization": "",
    "translation": "write",
    "generation": "write",
}
"""The class of transformers' own that each task needs; "" where the bare model is enough."""


def tasks_of(config: Any) -> tuple[TaskKind, ...]:
    """Return the tasks that a model of this configuration can be tuned for."""
    able = {""} | {name for name, (_, known) in AUTO.items() if config.model_type in known}
    able |= {"write"} if writing_of(config) else set()
    return tuple(task for task, needed in NEEDED.items() if needed in able)


def new_whole(family: str, backbone: Backbone, *, outputs: int) -> Any:
    """Return transformers' own model of a head family, its head untrained, on `backbone`.

    Raises `SpecError` where transformers has none for the architecture, or where the backbone lacks
    some of the weights below the head.
    """
    config = copy.deepcopy(backbone.model.config)  # T5's encoder changes the one it is given
    auto, known = AUTO[family]
    if config.model_type not in known:
        able = tasks_of(config)
        raise SpecError(
            Problem(
                f"`model.name` must be a model that transformers has a `{auto.__name__}` for",
                f"{config.model_type}, which can be tuned for {', '.join(able)}",
            ),
            hint="--model minilm",
        )
    config.num_labels, config.use_cache = outputs, False
    whole = auto.from_config(config).float()
    base = whole.base_model
    missing = base.load_state_dict(backbone.model.state_dict(), strict=False).missing_keys
    if base is whole:
        missing = [name for name in missing if not name.startswith(last_linear(whole))]
    if missing and (family == "classify" or base is whole):
        raise SpecError(
            f"`{backbone.card.name}` must have the weights of a {config.model_type}; "
            f"{len(missing)} are missing, such as {missing[0]}",
            hint="--model minilm",
        )
    whole.config.pad_token_id = backbone.tokenizer.pad_token_id
    return whole


def last_linear(whole: Any) -> str:
    """Return the path of the layer that makes the logits of a transformers model with a head.

    Raises `SpecError` where there is none.
    """
    outputs = whole.config.num_labels
    paths = [
        path
        for path, module in whole.named_modules()
        if isinstance(module, nn.Linear) and module.out_features == outputs
    ]
    if not paths:
        raise SpecError(
            f"a head must end in a linear layer of {outputs} outputs; that of a "
            f"{whole.config.model_type} has none",
            hint="--model minilm",
        )
    return paths[-1]


def read_inputs(whole: Any, batch: Batch, *, added: torch.Tensor | None = None) -> dict[str, Any]:
    """Return what the forward pass of a transformers model is given for a batch.

    `added` (B, T, E) joins the word embeddings.
    """
    inputs: dict[str, Any] = {"attention_mask": batch["attention_mask"]}
    if added is None:
        inputs["input_ids"] = batch["input_ids"]
    else:
        words = whole.get_input_embeddings()(batch["input_ids"])
        inputs["inputs_embeds"] = words + added.to(words.dtype)
    return inputs | type_inputs(whole.base_model, batch)


class Whole(nn.Module):
    """A transformers model with a head of its own, whose last linear layer makes the logits."""

    pooling = "native"

    def __init__(self, whole: Any) -> None:
        """Wrap it."""
        super().__init__()
        self.whole = whole
        self._path = last_linear(whole)

    @property
    def linear(self) -> nn.Linear:
        """The layer that makes the logits."""
        return self.whole.get_submodule(self._path)

    @property
    def encoder(self) -> Any:
        """The backbone below the head."""
        return self.whole.base_model


class WholeAtWords(Whole):
    """A transformers model with a head on every token, read at the words of a batch alone."""

    def added(self, batch: Batch) -> torch.Tensor | None:  # noqa: ARG002
        """Return (B, T, E) what joins the word embeddings, if anything does."""
        return None

    def vectors(self, batch: Batch) -> torch.Tensor:
        """Return (W, H) float32: what the last layer reads at each word."""
        if can_pack(self.encoder):
            hidden = hidden_states(self.encoder, batch, added=self.added(batch))
            places = batch["word_rows"] * hidden.shape[1] + batch["word_positions"]
            return hidden.flatten(0, 1).index_select(0, places).float()
        with seen_by(self.linear) as seen:
            self.forward(batch)
        return seen[0].float()

    def forward(self, batch: Batch) -> torch.Tensor:
        """Return (W, C) logits in float32, one row a word of the batch."""
        if can_pack(self.encoder):
            dropout = getattr(self.whole, "dropout", None)
            vectors = self.vectors(batch)
            return self.linear(dropout(vectors) if dropout is not None else vectors).float()
        with only_words(self.linear, batch) as made:
            self.whole(**read_inputs(self.whole, batch, added=self.added(batch)))
        return made[0].float()

    def save(self, folder: Path, *, id2label: dict[int, str], problem: str) -> None:  # noqa: ARG002
        """Write a folder that transformers' class for such models loads."""
        self.whole.config.id2label = id2label
        self.whole.config.label2id = {label: index for index, label in id2label.items()}
        self.whole.save_pretrained(folder)


@contextlib.contextmanager
def only_words(layer: nn.Module, batch: Batch) -> Iterator[list[torch.Tensor]]:
    """Let a layer see (W, H), the states at a batch's words, and no other; give what it makes.

    Who watches or changes what the layer reads comes after this.
    """
    made: list[torch.Tensor] = []
    rows, positions = batch["word_rows"], batch["word_positions"]
    handles = (
        layer.register_forward_pre_hook(
            lambda _, inputs: (inputs[0][rows, positions], *inputs[1:]), prepend=True
        ),
        layer.register_forward_hook(lambda _, __, output: made.append(output)),
    )
    try:
        yield made
    finally:
        for handle in handles:
            handle.remove()


@contextlib.contextmanager
def seen_by(layer: nn.Module) -> Iterator[list[torch.Tensor]]:
    """Give what a layer reads in a forward pass."""
    seen: list[torch.Tensor] = []
    handle = layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    try:
        yield seen
    finally:
        handle.remove()
