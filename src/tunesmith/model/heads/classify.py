"""The classify family: one vector a text, one linear layer, one logit a label."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForSequenceClassification

from tunesmith.core.errors import SpecError
from tunesmith.model import averaging
from tunesmith.model.backbones import Backbone, load_whole
from tunesmith.model.batching import Batch
from tunesmith.model.bert_family import BERT_FAMILY, is_bert_encoder
from tunesmith.model.heads.dropout import set_dropout
from tunesmith.model.hidden import can_pack, hidden_states, type_inputs


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


class NativeClassifier(nn.Module):
    """The architecture's own sequence-classification head, as transformers defines it."""

    pooling = "native"
    lacks: tuple[str, ...] = ()

    def __init__(self, whole: Any) -> None:
        """Wrap a transformers sequence-classification model.

        Its last linear layer of C outputs is the head.
        """
        super().__init__()
        self.whole = whole
        layers = [
            m
            for m in whole.modules()
            if isinstance(m, nn.Linear) and m.out_features == whole.num_labels
        ]
        self.linear_holder = [layers[-1]]

    @property
    def linear(self) -> nn.Linear:
        """The layer that makes the logits."""
        return self.linear_holder[0]

    @property
    def encoder(self) -> nn.Module:
        """The backbone below the head."""
        return self.whole.base_model

    def vectors(self, batch: Batch) -> torch.Tensor:
        """Return (B, H): what the last linear layer is given."""
        caught: list[torch.Tensor] = []
        handle = self.linear.register_forward_pre_hook(lambda _, inputs: caught.append(inputs[0]))
        try:
            self.forward(batch)
        finally:
            handle.remove()
        if caught[0].dim() != 2:  # noqa: PLR2004 (a head on every token, not on one vector a text)
            raise SpecError(
                f"a linear probe needs one vector a text; "
                f"{self.whole.config.model_type} makes one a token",
                hint="--method full",
            )
        return caught[0].float()

    def forward(self, batch: Batch) -> torch.Tensor:
        """Return (B, C) logits in float32."""
        if not can_pack(self.encoder):
            inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
            return self.whole(**inputs, **type_inputs(self.encoder, batch)).logits.float()
        hidden = hidden_states(self.encoder, batch)
        if self.whole.config.model_type == "bert":  # its siblings pool inside their classifier
            hidden = self.whole.dropout(self.whole.bert.pooler(hidden))
        return self.whole.classifier(hidden).float()

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
    an architecture that cannot.
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
    config = backbone.model.config
    config.num_labels = outputs
    whole = AutoModelForSequenceClassification.from_config(config).float()
    state = backbone.model.state_dict()
    missing = whole.base_model.load_state_dict(state, strict=False)
    if missing.missing_keys:
        raise SpecError(
            f"`{backbone.card.name}` must have the weights of a {config.model_type}; "
            f"{len(missing.missing_keys)} are missing, such as {missing.missing_keys[0]}",
            hint="--model minilm",
        )
    whole.config.pad_token_id = backbone.tokenizer.pad_token_id
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
