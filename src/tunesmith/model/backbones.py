"""Loading a pretrained model with its tokenizer. Foreign errors end here.

A backbone is a plain record; the functions that work on it take it first.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
)
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
)
from transformers.utils import logging as transformers_logging

from tunesmith.core.errors import DataError, ForeignError, SpecError
from tunesmith.model.bert_family import BERT_FAMILY, first_position
from tunesmith.model.sources import ModelFolder, find_model

transformers_logging.set_verbosity_error()
transformers_logging.disable_progress_bar()

LONGEST_CONTEXT = 8192
WRITERS: dict[str, Any] = {"seq2seq": AutoModelForSeq2SeqLM, "causal": AutoModelForCausalLM}
"""What loads a model with its output layer, by how it writes."""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What is known of a backbone: where it came from and what it can read.

    `context` is the longest input in tokens, special tokens included; `sentence_pooling` is how its
    makers say one vector is made ("mean", "cls" or None where they do not say).
    """

    name: str
    source: str
    revision: str | None
    sha256: str
    architecture: str
    parameters: int
    hidden_size: int
    context: int
    uncased: bool
    sentence_pooling: str | None

    def to_json(self) -> dict[str, Any]:
        """Return the fields under their own names."""
        return {field: getattr(self, field) for field in self.__slots__}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> ModelCard:
        """Read what `to_json` wrote."""
        return cls(**fields)


@dataclass(frozen=True, slots=True)
class Backbone:
    """A loaded pretrained model with its tokenizer and card; what writes has its output layer."""

    model: Any
    tokenizer: Any
    card: ModelCard


def load_backbone(name: str, *, revision: str | None = None, writes: bool = False) -> Backbone:
    """Return the backbone of a packaged model, local folder or hub id, in float32 on the CPU.

    One that `writes` has its output layer. Raises what `find_model` raises, `DataError` where the
    folder's files do not make a model, and `SpecError` where what should write is an encoder.
    """
    folder = find_model(name, revision=revision)
    auto: Any = AutoModel
    if writes:
        config = load_config(folder.path)
        auto = WRITERS.get(writing_of(config))
        if auto is None:
            raise SpecError(
                "`model.name` must be a model that writes (an encoder-decoder or a decoder); "
                f"`{name}` is an encoder ({config.model_type})",
                hint="make one with `tunesmith pretrain TEXT --objective seq2seq --out runs/writer`"
                ", then --model runs/writer/backbone",
            )
    tokenizer = load_tokenizer(folder.path)
    model = load_whole(auto, folder.path)
    return Backbone(model, tokenizer, read_card(folder, model, tokenizer))


def writing_of(config: Any) -> str:
    """Return how a model of this config writes: "seq2seq", "causal", or "" where it only reads."""
    if config.is_encoder_decoder:
        return "seq2seq"
    reads_both_sides = config.model_type in MODEL_FOR_MASKED_LM_MAPPING_NAMES
    writes = config.model_type in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    return "causal" if writes and not reads_both_sides else ""


def find_writing(name: str, *, revision: str | None = None) -> str:
    """Return how the model of this name writes, as `writing_of` does; no weights are loaded."""
    return writing_of(load_config(find_model(name, revision=revision).path))


def load_whole(auto: Any, folder: Path) -> Any:
    """Return the model in a folder by one of transformers' `AutoModel…` classes, in float32.

    Raises `DataError` where the folder's files do not make a model, `ForeignError` where the
    library fails for another reason.
    """
    try:
        return auto.from_pretrained(folder, dtype=torch.float32, trust_remote_code=False)
    except Exception as error:  # noqa: BLE001 (any file may be broken in any way; all become one error)
        raise translate_load_error(folder, error) from error


def import_architecture(folder: Path) -> None:
    """Import the code of the model in a folder. No weight is read and none is held."""
    with torch.device("meta"):
        AutoModel.from_config(load_config(folder), trust_remote_code=False)


def load_tokenizer(folder: Path) -> Any:
    """Return the tokenizer of a model folder; it must give character offsets (a fast tokenizer)."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except Exception as error:  # noqa: BLE001
        raise translate_load_error(folder, error) from error
    if not tokenizer.is_fast:
        raise DataError(
            f"a tokenizer must give character offsets (tokenizer.json); {folder} holds a slow one",
            hint="convert it with transformers' `convert_slow_tokenizer` and "
            "save it as tokenizer.json",
        )
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    return tokenizer


def load_config(folder: Path) -> Any:
    """Return the transformers configuration of a model folder."""
    try:
        return AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except Exception as error:  # noqa: BLE001
        raise translate_load_error(folder, error) from error


def read_card(folder: ModelFolder, model: Any, tokenizer: Any) -> ModelCard:
    """Return the card of a loaded model."""
    return ModelCard(
        name=folder.name,
        source=folder.source,
        revision=folder.revision,
        sha256=folder.sha256,
        architecture=model.config.model_type,
        parameters=sum(weight.numel() for weight in model.parameters()),
        hidden_size=model.config.hidden_size,
        context=_context(model.config, tokenizer),
        uncased=_is_uncased(tokenizer),
        sentence_pooling=_sentence_pooling(folder.path),
    )


def longest_context(folder: Path, tokenizer: Any) -> int:
    """Return the longest input in tokens that the model in a folder reads, without loading it."""
    return _context(load_config(folder), tokenizer)


def translate_load_error(folder: Path, error: Exception) -> DataError | ForeignError:
    """Return our error for whatever a foreign library raised while reading a model folder.

    transformers, tokenizers and safetensors raise many kinds. What the files cause becomes
    `DataError`, all else `ForeignError`.
    """
    first = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
    if isinstance(error, KeyError):
        first = f"no entry {first}"
    if "ignore_mismatched_sizes" in str(error):
        return DataError(
            f"a model's weights must have the sizes of its config; those in {folder} have others",
            hint=f"python -m json.tool {shlex.quote(str(folder / 'config.json'))}",
        )
    if "trust_remote_code" in str(error):
        return DataError(
            f"a model must run without code of its own; {folder} asks to run some",
            hint="--model with an architecture that transformers contains",
        )
    if isinstance(error, OSError | ValueError | KeyError) or "Safetensor" in type(error).__name__:
        return DataError(
            f"a model folder must hold a config, weights and tokenizer that fit together; "
            f"{folder}: {first}",
            hint="download the model again, or check it with "
            f"`python -m json.tool {shlex.quote(str(folder / 'config.json'))}`",
        )
    return ForeignError(
        f"reading the model in {folder} failed: {type(error).__name__}: {first}", hint="--debug"
    )


def _context(config: Any, tokenizer: Any) -> int:
    positions = getattr(config, "max_position_embeddings", None) or LONGEST_CONTEXT
    if config.model_type in BERT_FAMILY:
        positions -= first_position(config)
    stated = tokenizer.model_max_length or positions
    return int(min(positions, stated, LONGEST_CONTEXT))


def _is_uncased(tokenizer: Any) -> bool:
    """Tell whether the vocabulary cannot tell `Apple` from `apple`."""
    sample = "Apple McDonald NASA"
    return tokenizer(sample)["input_ids"] == tokenizer(sample.lower())["input_ids"]


def _sentence_pooling(folder: Path) -> str | None:
    """Read sentence-transformers' pooling settings, the de-facto standard for sentence encoders."""
    settings = folder / "1_Pooling" / "config.json"
    try:
        fields = json.loads(settings.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if fields.get("pooling_mode_mean_tokens"):
        return "mean"
    return "cls" if fields.get("pooling_mode_cls_token") else None
