"""Heads, one file a family.

Each maps a batch to logits, gives its vectors, and saves a plain transformers folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias

from torch import nn

from tunesmith.core.recipe import ModelRecipe
from tunesmith.model.backbones import Backbone
from tunesmith.model.framing import Reading
from tunesmith.model.heads.choose import Chooser, load_chooser, new_chooser
from tunesmith.model.heads.classify import (
    MeanClassifier,
    NativeClassifier,
    load_classifier,
    new_classifier,
)
from tunesmith.model.heads.embed import Embedder, load_embedder, new_embedder
from tunesmith.model.heads.extract import Extractor, load_extractor, new_extractor
from tunesmith.model.heads.generate import Writer, load_writer, new_writer
from tunesmith.model.heads.recommend import Recommender, load_recommender
from tunesmith.model.heads.relate import Relater, load_relater, new_relater
from tunesmith.model.heads.span import Pointer, load_pointer, new_pointer
from tunesmith.model.heads.tag import Tagger, load_tagger, new_tagger

HeadModel: TypeAlias = (
    MeanClassifier
    | NativeClassifier
    | Chooser
    | Tagger
    | Pointer
    | Embedder
    | Relater
    | Recommender
    | Extractor
    | Writer
)


def new_head(
    family: str, backbone: Backbone, *, outputs: int, recipe: ModelRecipe, case_shape: bool
) -> HeadModel:
    """Return an untrained model of the head family on `backbone`."""
    dropout = recipe.dropout
    match family:
        case "tag":
            return new_tagger(backbone, outputs=outputs, case_shape=case_shape, dropout=dropout)
        case "span":
            return new_pointer(backbone, dropout=dropout)
        case "embed":
            return new_embedder(backbone, dropout=dropout)
        case "choose" if recipe.pooling == "auto":
            return new_chooser(backbone, dropout=dropout)
        case "relate":
            return new_relater(backbone, outputs=outputs, dropout=dropout)
        case "extract":
            return new_extractor(backbone, dropout=dropout)
        case "generate":
            return new_writer(backbone, dropout=dropout)
    return new_classifier(backbone, outputs=outputs, pooling=recipe.pooling, dropout=dropout)


def load_head(family: str, folder: Path, *, pooling: str, reading: Reading) -> HeadModel:
    """Return the trained model that a bundle holds."""
    match family:
        case "tag":
            return load_tagger(folder, case_shape=reading.case_shape)
        case "span":
            return load_pointer(folder)
        case "embed":
            return load_embedder(folder)
        case "choose" if pooling == Chooser.pooling:
            return load_chooser(folder)
        case "relate":
            return load_relater(folder)
        case "recommend":
            return load_recommender(folder)
        case "extract":
            return load_extractor(folder)
        case "generate":
            return load_writer(folder)
    if pooling == "words":
        from tunesmith.model.heads.words import load_words_classifier  # noqa: PLC0415 (few need it)

        return load_words_classifier(folder)
    return load_classifier(folder, pooling=pooling)


def linear_of(model: HeadModel) -> nn.Linear:
    """Return the layer that makes the logits. Raises `TypeError` where a model gives vectors."""
    if isinstance(model, Embedder | Recommender):
        raise TypeError("a model that gives vectors has no layer for logits")
    return model.linear


def output_count(model: HeadModel) -> int | None:
    """Return how many logits a head gives at a time; None of what ranks, writes or compares."""
    if isinstance(model, Embedder | Recommender | Writer):
        return None
    return linear_of(model).out_features


def head_parameters(model: HeadModel) -> set[int]:
    """Return the ids of the parameters that neither the backbone brought nor a delta."""
    if isinstance(model, Writer):
        return set()
    beside: Any = getattr(model, "beside", None) or ()
    below: Any = {id(weight) for part in (model.encoder, *beside) for weight in part.parameters()}
    if (linear := getattr(model, "linear", None)) is not None:  # what is below may hold it itself
        below -= {id(weight) for weight in linear.parameters()}
    return {id(parameter) for parameter in model.parameters()} - below
