"""The tag family: one vector a word (its first token's), one linear layer, one logit a tag."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoModelForTokenClassification

from tunesmith.core.errors import DataError
from tunesmith.model.backbones import Backbone, load_whole
from tunesmith.model.batching import Batch
from tunesmith.model.case_shape import CaseShape
from tunesmith.model.heads.dropout import set_dropout
from tunesmith.model.hidden import hidden_states

CASE_SHAPE_FILE = "case_shape.safetensors"


class Tagger(nn.Module):
    """A transformers token classifier read at the first token of each word.

    With `case_shape`, the embedding of each word's case shape is added to the input embeddings.
    """

    pooling = "native"

    def __init__(self, whole: Any, case_shape: CaseShape | None) -> None:
        """Wrap a transformers token-classification model."""
        super().__init__()
        self.whole = whole
        self.case_shape = case_shape

    @property
    def lacks(self) -> tuple[str, ...]:
        """What a plain transformers load of the saved folder is without."""
        return (CASE_SHAPE_FILE,) if self.case_shape is not None else ()

    @property
    def linear(self) -> nn.Linear:
        """The layer that makes the logits."""
        return self.whole.classifier

    @property
    def encoder(self) -> Any:
        """The backbone below the head."""
        return self.whole.base_model

    def vectors(self, batch: Batch) -> torch.Tensor:
        """Return (W, H) float32: the last hidden state at each word's first token."""
        added = None if self.case_shape is None else self.case_shape(batch["shapes"])
        hidden = hidden_states(self.encoder, batch, added=added)
        return hidden[batch["word_rows"], batch["word_positions"]].float()

    def forward(self, batch: Batch) -> torch.Tensor:
        """Return (W, C) logits in float32, one row a word of the batch."""
        dropout = getattr(self.whole, "dropout", None)
        vectors = self.vectors(batch)
        return self.linear(dropout(vectors) if dropout is not None else vectors).float()

    def save(self, folder: Path, *, id2label: dict[int, str], problem: str) -> None:  # noqa: ARG002
        """Write a folder that `AutoModelForTokenClassification` loads.

        Case shapes lie beside the weights, in a file of their own that transformers ignores.
        """
        self.whole.config.id2label = id2label
        self.whole.config.label2id = {label: index for index, label in id2label.items()}
        self.whole.save_pretrained(folder)
        if self.case_shape is not None:
            save_file(self.case_shape.state_dict(), folder / CASE_SHAPE_FILE)


def new_tagger(
    backbone: Backbone, *, outputs: int, case_shape: bool, dropout: float | None
) -> Tagger:
    """Return an untrained tagger of `outputs` tags on `backbone`."""
    config = backbone.model.config
    config.num_labels = outputs
    whole = AutoModelForTokenClassification.from_config(config).float()
    whole.base_model.load_state_dict(backbone.model.state_dict(), strict=False)
    set_dropout(whole, dropout)
    return Tagger(whole, CaseShape(config.hidden_size) if case_shape else None)


def load_tagger(folder: Path, *, case_shape: bool) -> Tagger:
    """Return the tagger that `save` wrote into `folder`."""
    whole = load_whole(AutoModelForTokenClassification, folder)
    if not case_shape:
        return Tagger(whole, None)
    shapes = CaseShape(whole.config.hidden_size)
    try:
        shapes.load_state_dict(load_file(folder / CASE_SHAPE_FILE))
    except Exception as error:  # noqa: BLE001
        raise DataError(
            f"`model/{CASE_SHAPE_FILE}` must hold the case shapes; {error}", hint="tune again"
        ) from error
    return Tagger(whole, shapes)
