"""Heads, one file a family.

Each maps a batch to logits, gives its vectors, and saves a plain transformers folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias

from tunesmith.core.recipe import ModelRecipe
from tunesmith.model.backbones import Backbone
from tunesmith.model.encoding import Reading
from tunesmith.model.heads.classify import (
    MeanClassifier,
    NativeClassifier,
    load_classifier,
    new_classifier,
)
from tunesmith.model.heads.tag import Tagger, load_tagger, new_tagger

HeadModel: TypeAlias = MeanClassifier | NativeClassifier | Tagger


def new_head(
    family: str, backbone: Backbone, *, outputs: int, recipe: ModelRecipe, case_shape: bool
) -> HeadModel:
    """Return an untrained model of the head family on `backbone`."""
    if family == "tag":
        return new_tagger(backbone, outputs=outputs, case_shape=case_shape, dropout=recipe.dropout)
    return new_classifier(backbone, outputs=outputs, pooling=recipe.pooling, dropout=recipe.dropout)


def load_head(family: str, folder: Path, *, pooling: str, reading: Reading) -> HeadModel:
    """Return the trained model that a bundle holds."""
    if family == "tag":
        return load_tagger(folder, case_shape=reading.case_shape)
    return load_classifier(folder, pooling=pooling)


def head_parameters(model: HeadModel) -> set[int]:
    """Return the ids of the parameters that the backbone did not bring."""
    below: Any = {id(parameter) for parameter in model.encoder.parameters()}
    return {id(parameter) for parameter in model.parameters()} - below
