"""What the BERT family has in common, and where its members differ: said once, for all who ask."""

from __future__ import annotations

from typing import Any

BERT_FAMILY = frozenset({"bert", "roberta", "xlm-roberta", "camembert"})
"""Architectures with BERT's layers, by the `model_type` of their configuration."""


def is_bert_encoder(config: Any) -> bool:
    """Tell whether a configuration is that of an encoder of the family."""
    return config.model_type in BERT_FAMILY and not getattr(config, "is_decoder", False)


def first_position(config: Any) -> int:
    """Return the position embedding of a text's first token: 0, or the one behind padding's."""
    return 0 if config.model_type == "bert" else config.pad_token_id + 1
