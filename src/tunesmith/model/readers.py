"""What reads a text where a task needs states and no head of transformers' own.

That is the bare model, but for an architecture whose encoder transformers loads alone (T5): there
the decoder is left out, which would read the text once more for nothing.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from transformers import AutoModel, AutoModelForTextEncoding
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_TEXT_ENCODING_MAPPING_NAMES,
)

from tunesmith.model.backbones import load_config, load_whole


def is_read_by_encoder(architecture: str) -> bool:
    """Tell whether the encoder of an encoder-decoder of this `model_type` is loaded alone."""
    return (
        architecture in MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES
        and architecture in MODEL_FOR_TEXT_ENCODING_MAPPING_NAMES
    )


def reader_of(model: Any) -> Any:
    """Return what reads a text of a bare model: itself, or a copy of its encoder."""
    if not is_read_by_encoder(model.config.model_type):
        return model
    config = copy.deepcopy(model.config)  # an encoder changes the one it is given
    reader = AutoModelForTextEncoding.from_config(config).float()
    reader.load_state_dict(model.state_dict(), strict=False)
    return reader


def load_reader(folder: Path) -> Any:
    """Return the bare model in a folder, or its encoder. Raises what `load_whole` does."""
    by_encoder = is_read_by_encoder(load_config(folder).model_type)
    return load_whole(AutoModelForTextEncoding if by_encoder else AutoModel, folder)
