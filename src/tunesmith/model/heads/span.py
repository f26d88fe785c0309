"""The span family: where an answer begins and ends, one logit each at every token of a context."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForQuestionAnswering

from tunesmith.core.errors import SpecError
from tunesmith.model.backbones import Backbone, load_whole
from tunesmith.model.batching import Batch
from tunesmith.model.heads.dropout import set_dropout
from tunesmith.model.hidden import hidden_states


class Pointer(nn.Module):
    """A transformers question answerer read at the tokens that an answer may begin or end at.

    The first of them in each window is its first token, which stands for "no answer".
    """

    pooling = "native"
    lacks: tuple[str, ...] = ()

    def __init__(self, whole: Any) -> None:
        """Wrap a transformers question-answering model."""
        super().__init__()
        self.whole = whole

    @property
    def linear(self) -> nn.Linear:
        """The layer that makes the logits."""
        return self.whole.qa_outputs

    @property
    def encoder(self) -> Any:
        """The backbone below the head."""
        return self.whole.base_model

    def vectors(self, batch: Batch) -> torch.Tensor:
        """Return (W, H) float32: the last hidden state at each token that is answered for."""
        hidden = hidden_states(self.encoder, batch)
        return hidden[batch["word_rows"], batch["word_positions"]].float()

    def forward(self, batch: Batch) -> torch.Tensor:
        """Return (W, 2) logits in float32: of beginning and of ending there."""
        return self.linear(self.vectors(batch)).float()

    def save(self, folder: Path, *, id2label: dict[int, str], problem: str) -> None:  # noqa: ARG002
        """Write a folder that `AutoModelForQuestionAnswering` loads."""
        self.whole.config.id2label = id2label
        self.whole.config.label2id = {label: index for index, label in id2label.items()}
        self.whole.save_pretrained(folder)


def new_pointer(backbone: Backbone, *, dropout: float | None) -> Pointer:
    """Return an untrained question answerer on `backbone`.

    Raises `SpecError` where transformers has none for this architecture.
    """
    config = backbone.model.config
    config.num_labels = 2
    try:
        whole = AutoModelForQuestionAnswering.from_config(config).float()
    except ValueError as error:
        raise SpecError(
            f"`qa` needs an encoder that transformers can make a question answerer of; "
            f"got {config.model_type}",
            hint="--model minilm",
        ) from error
    whole.base_model.load_state_dict(backbone.model.state_dict(), strict=False)
    set_dropout(whole, dropout)
    return Pointer(whole)


def load_pointer(folder: Path) -> Pointer:
    """Return the question answerer that `save` wrote into `folder`."""
    whole = load_whole(AutoModelForQuestionAnswering, folder)
    return Pointer(whole)
