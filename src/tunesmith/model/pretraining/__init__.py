"""What is made from scratch: vocabularies, networks by size, and the four that learn from text.

Each network maps a batch to logits (N, C) beside `targets` (N,), as a head does, so that the one
loop and its objectives serve it too.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeAlias

from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

from tunesmith.core.errors import SpecError
from tunesmith.core.pretraining import (
    CausalText,
    ContrastedText,
    DenoisedText,
    MaskedText,
    PretrainingObjective,
)
from tunesmith.model.backbones import load_config
from tunesmith.model.pretraining.contrastive import (
    ContrastiveModel,
    load_contrastive,
    new_contrastive,
)
from tunesmith.model.pretraining.masked import MaskedModel, load_masked, new_masked
from tunesmith.model.pretraining.presets import Shape
from tunesmith.model.pretraining.vocabulary import Vocabulary
from tunesmith.model.pretraining.writers import (
    CausalModel,
    DenoisingModel,
    load_causal,
    load_denoising,
    new_causal,
    new_denoising,
)
from tunesmith.model.sharing import share_encoder

TextModel: TypeAlias = MaskedModel | CausalModel | DenoisingModel | ContrastiveModel


def new_text_model(
    objective: PretrainingObjective, shape: Shape, vocabulary: Vocabulary, *, window_tokens: int
) -> TextModel:
    """Return a network with random weights that reads windows of so many tokens."""
    match objective:
        case MaskedText():
            return new_masked(shape, vocabulary, window_tokens=window_tokens)
        case CausalText():
            return new_causal(shape, vocabulary, window_tokens=window_tokens)
        case DenoisedText():
            return new_denoising(shape, vocabulary, window_tokens=window_tokens)
        case ContrastedText():
            return new_contrastive(
                shape,
                vocabulary,
                window_tokens=window_tokens,
                temperature=objective.temperature,
            )


def load_text_model(objective: PretrainingObjective, folder: Path) -> TextModel:
    """Return a pretrained network to go on with; what the objective needs on top is new.

    Raises `SpecError` where the architecture cannot learn by the objective, and `DataError` where
    the folder's files do not make a model.
    """
    config = load_config(folder)
    has_two_sides = bool(config.is_encoder_decoder)
    fills = _fills(config)
    fits = {
        "mlm": fills,
        "contrastive": fills,
        "seq2seq": has_two_sides,
        "causal": not fills and not has_two_sides,
    }
    if not fits[objective.name]:
        able = next(name for name in ("mlm", "seq2seq", "causal") if fits[name])
        raise SpecError(
            f"`--objective {objective.name}` needs another architecture; "
            f"{folder} holds a {config.model_type}",
            hint=f"--objective {able}, or leave out --model to begin from scratch",
        )
    match objective:
        case MaskedText():
            return load_masked(folder)
        case CausalText():
            return load_causal(folder)
        case DenoisedText():
            return load_denoising(folder)
        case ContrastedText():
            return load_contrastive(folder, temperature=objective.temperature)


def text_model_on(
    encoder: Any, objective: MaskedText | ContrastedText, folder: Path
) -> MaskedModel | ContrastiveModel:
    """Return what learns by the objective on the very encoder that another head stands on.

    `folder` is where that encoder was loaded from: a masked head is the pretrained one, where there
    is one, and its output layer is tied to the embeddings of `encoder`. Raises `SpecError` where
    the architecture cannot fill in words.
    """
    if not _fills(encoder.config):
        raise SpecError(
            f"`joint.objective` {objective.name} needs an encoder that hidden words can be guessed "
            f"by; got {encoder.config.model_type}",
            hint="--model minilm",
        )
    match objective:
        case MaskedText():
            masked = load_masked(folder)
            share_encoder(encoder, masked.encoder)
            masked.whole.tie_weights()
            return masked
        case ContrastedText():
            contrastive = load_contrastive(folder, temperature=objective.temperature)
            share_encoder(encoder, contrastive.encoder)
            return contrastive


def _fills(config: Any) -> bool:
    """Tell whether an architecture reads from both sides and can guess hidden words."""
    is_one_sided = not config.is_encoder_decoder
    return is_one_sided and config.model_type in MODEL_FOR_MASKED_LM_MAPPING_NAMES


def count_parameters(model: TextModel) -> int:
    """Return the number of weights, tied ones once."""
    return sum(weight.numel() for weight in model.parameters())


def pooling_settings(model: TextModel) -> str | None:
    """Return sentence-transformers' pooling settings as JSON: encoders mean their token vectors.

    None for what writes. The first token of a masked model is never trained to stand for a text.
    """
    if isinstance(model, CausalModel | DenoisingModel):
        return None
    size = model.encoder.config.hidden_size
    fields = {"word_embedding_dimension": size, "pooling_mode_mean_tokens": True}
    return json.dumps(fields, indent=2)
