"""Models without their weights: the shape alone, from a configuration, to be counted and read by.

Nothing is allocated: every weight stands on torch's meta device.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoModel, AutoModelForCausalLM, AutoModelForSeq2SeqLM
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from tunesmith.core.errors import DataError, Problem
from tunesmith.model.backbones import (
    Backbone,
    load_config,
    load_tokenizer,
    read_card,
    translate_load_error,
    writing_of,
)
from tunesmith.model.known.entry import Entry, Kind, Source
from tunesmith.model.sources import ModelFolder

BUILDERS: dict[Kind, Any] = {
    "encoder": AutoModel,
    "seq2seq": AutoModelForSeq2SeqLM,
    "causal": AutoModelForCausalLM,
    "vision": AutoModel,
    "image-text": AutoModel,
}
"""What builds a model of each kind, so that its weights are those an entry counts."""

STANDARD = {
    "hidden_size": "hidden_size",
    "num_hidden_layers": "layers",
    "num_attention_heads": "heads",
    "intermediate_size": "feed_forward",
    "vocab_size": "vocabulary",
    "max_position_embeddings": "context",
}
"""transformers' standard names of sizes, and an entry's."""


def is_native(architecture: str) -> bool:
    """Tell whether transformers contains an architecture; else it needs code of its own."""
    return architecture in CONFIG_MAPPING


def config_of(entry: Entry) -> Any:
    """Return the transformers configuration that an entry's sizes and `config` describe."""
    kind = CONFIG_MAPPING[entry.architecture]
    fields = getattr(kind, "__dataclass_fields__", {})
    sizes = {}
    for standard, own in STANDARD.items():
        name, value = kind.attribute_map.get(standard, standard), getattr(entry, own)
        if value is not None and name in fields and "text_config" not in entry.config:
            sizes[name] = value
    return kind(**{**sizes, **entry.config})


def build_outline(config: Any, kind: Kind) -> Any:
    """Return a model of this configuration on the meta device."""
    with torch.device("meta"):
        return BUILDERS[kind].from_config(config)


def count_weights(model: Any) -> int:
    """Return the weights of a model, tied ones once."""
    return sum(weight.numel() for weight in model.parameters())


def load_outline(folder: ModelFolder) -> Backbone:
    """Return a backbone whose tokenizer is loaded and whose weights are not.

    Raises `DataError` where the folder's files do not make a model.
    """
    config = load_config(folder.path)
    tokenizer = load_tokenizer(folder.path)
    model = build_outline(config, kind_of(config))
    return Backbone(model, tokenizer, read_card(folder, model, tokenizer))


def kind_of(config: Any) -> Kind:
    """Return what a model of this configuration reads and gives."""
    if hasattr(config, "text_config") and hasattr(config, "vision_config"):
        return "image-text"
    if not hasattr(config, "vocab_size"):
        return "vision"
    writing = writing_of(config)
    if writing == "seq2seq":
        return "seq2seq"
    return "causal" if writing == "causal" else "encoder"


def describe_folder(
    folder: Path, *, identity: str, sources: tuple[Source, ...], terms: dict[str, Any]
) -> Entry:
    """Return the entry that a folder's `config.json` makes; weights are counted, not read.

    `terms` has `licence`, `commercial` and `languages`. Raises `DataError` where the configuration
    makes no model that transformers contains.
    """
    config = load_config(folder)
    kind = kind_of(config)
    try:
        parameters = count_weights(build_outline(config, kind))
    except Exception as error:  # noqa: BLE001 (a configuration may be broken in any way)
        raise translate_load_error(folder, error) from error
    text = getattr(config, "text_config", config)
    sizes = {own: getattr(text, name, None) for name, own in STANDARD.items()}
    if isinstance(widths := getattr(config, "hidden_sizes", None), list):
        sizes |= {"hidden_size": widths[-1], "layers": sum(config.depths)}
    lacking = [name for name in ("hidden_size", "layers") if not sizes[name]]
    if lacking:
        raise DataError(
            Problem(
                "a configuration must say the model's sizes",
                f"none for {', '.join(lacking)} in a {config.model_type}",
                str(folder / "config.json"),
            ),
            hint="tunesmith zoo list shows which architectures are known",
        )
    return Entry(
        id=identity,
        family=config.model_type,
        kind=kind,
        architecture=config.model_type,
        parameters=parameters,
        stored=_stored_format(config),
        sources=sources,
        facts=(f"{folder / 'config.json'}",),
        **{name: value for name, value in sizes.items() if isinstance(value, int)},
        **terms,
    )


def _stored_format(config: Any) -> Any:
    named = str(getattr(config, "dtype", None) or "float32").removeprefix("torch.")
    return named if named in ("float32", "float16", "bfloat16") else "float32"
