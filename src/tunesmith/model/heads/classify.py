"""The classify family: one vector a text, one linear layer, one logit a label."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForSequenceClassification

from tunesmith.core.errors import SpecError
from tunesmith.model import averaging
from tunesmith.model.backbones import Backbone, load_whole, writing_of
from tunesmith.model.batching import Batch
from tunesmith.model.bert_family import BERT_FAMILY, is_bert_encoder
from tunesmith.model.heads.dropout import set_dropout
from tunesmith.model.heads.whole import Whole, new_whole, read_inputs, seen_by
from tunesmith.model.hidden import can_pack, has_decoder, hidden_states


class MeanClassifier(nn.Module):
    """Mean of the token vectors, layer norm, dropout, linear: the head for sentence encoders.

    Saved as a plain transformers model through `averaging.fold`, so nothing is lost outside
    Tunesmith.
    """

    pooling = "mean"
    lacks: tuple[str, ...] = ()

    def __init__(self, encoder: Any, outputs: int, *, dropout: float = 0.1) -> None:
        """Put a random head of `outputs` logits on an encoder without one."""
        super().__init__()
        encoder.pooler = (
            None  # reads the first token alone; unused weights would stall data-parallel training
        )
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(encoder.config.hidden_size, outputs)
        nn.init.normal_(self.linear.weight, std=encoder.config.initializer_range)
        nn.init.zeros_(self.linear.bias)

    def vectors(self, batch: Batch) -> torch.Tensor:
        """Return (B, H): the normalised mean of each window's tokens."""
        hidden = hidden_states(self.encoder, batch)
        return averaging.normalised_mean(hidden, batch["attention_mask"])

    def forward(self, batch: Batch) -> torch.Tensor:
        """Return (B, C) logits in float32."""
        return self.linear(self.dropout(self.vectors(batch)))

    def save(self, folder: Path, *, id2label: dict[int, str], problem: str) -> None:
        """Write a folder that `AutoModelForSequenceClassification` loads with equal answers."""
        averaging.fold(
            self.encoder, self.linear, id2label=id2label, problem=problem
        ).save_pretrained(folder)


class NativeClassifier(Whole):
    """The architecture's own sequence-classification head, as transformers defines it.

    Its last linear layer of C outputs is the head.
    """

    lacks: tuple[str, ...] = ()

    def vectors(self, batch: Batch) -> torch.Tensor:
        """Return (B, H): what the last linear layer is given."""
        with seen_by(self.linear) as seen:
            self.forward(batch)
        if seen[0].dim() != 2:  # noqa: PLR2004 (a head on every token, not on one vector a text)
            raise SpecError(
                f"a linear probe needs one vector a text; "
                f"{self.whole.config.model_type} makes one a token",
                hint="--method full",
            )
        return seen[0].float()

    def forward(self, batch: Batch) -> torch.Tensor:
        """Return (B, C) logits in float32.

        What reads from left to right is read at the last token alone, as transformers does, but
        without a look at which tokens pad: the text itself may hold one.
        """
        if can_pack(self.encoder):
            hidden = hidden_states(self.encoder, batch)
            if self.whole.config.model_type == "bert":  # its siblings pool in their classifier
                hidden = self.whole.dropout(self.whole.bert.pooler(hidden))
            return self.whole.classifier(hidden).float()
        head = self._head_of_last()
        if head is None:
            return self.whole(**read_inputs(self.whole, batch)).logits.float()
        hidden = hidden_states(self.encoder, batch)
        last = batch["attention_mask"].sum(dim=1) - 1
        return head(hidden[torch.arange(len(hidden), device=hidden.device), last]).float()

    def _head_of_last(self) -> Any:
        """Return what makes logits of the last token's state, where the architecture reads it."""
        if has_decoder(self.encoder):
            return getattr(self.whole, "classification_head", None)
        is_bare = "." not in self._path and writing_of(self.whole.config) == "causal"
        return self.linear if is_bare else None

    def save(self, folder: Path, *, id2label: dict[int, str], problem: str) -> None:
        """Write a folder that `AutoModelForSequenceClassification` loads."""
        _name_outputs(self.whole.config, id2label, problem)
        self.whole.save_pretrained(folder)


def new_classifier(
    backbone: Backbone, *, outputs: int, pooling: str, dropout: float | None
) -> MeanClassifier | NativeClassifier:
    """Return an untrained classifier on `backbone`.

    `pooling` "auto" takes the mean where the backbone's sentence vectors are means and the
    architecture can express it, else the native head. Raises `SpecError` where "mean" was asked of
    an architecture that cannot, and what `new_whole` does.
    """
    can_fold = is_bert_encoder(backbone.model.config)
    if pooling == "mean" and not can_fold:
        raise SpecError(
            f"`model.pooling` mean needs one of {', '.join(sorted(BERT_FAMILY))}; "
            f"got {backbone.model.config.model_type}",
            hint="--set model.pooling=native",
        )
    if pooling == "mean" or (
        pooling == "auto" and can_fold and backbone.card.sentence_pooling == "mean"
    ):
        set_dropout(backbone.model, dropout)
        return MeanClassifier(backbone.model, outputs, dropout=0.1 if dropout is None else dropout)
    whole = new_whole("classify", backbone, outputs=outputs)
    set_dropout(whole, dropout)
    return NativeClassifier(whole)


def load_classifier(folder: Path, *, pooling: str) -> MeanClassifier | NativeClassifier:
    """Return the classifier that `save` wrote into `folder`."""
    whole = load_whole(AutoModelForSequenceClassification, folder)
    if pooling != "mean":
        return NativeClassifier(whole)
    encoder, linear = averaging.unfold(whole)
    model = MeanClassifier(encoder, linear.out_features)
    model.linear = linear
    return model


def _name_outputs(config: Any, id2label: dict[int, str], problem: str) -> None:
    config.id2label = id2label
    config.label2id = {label: index for index, label in id2label.items()}
    config.problem_type = problem
