"""The speak family: a language model that is asked how probable given words are.

It is one of three kinds: `causal` goes on with a text, `seq2seq` answers it, `masked` fills its
gaps. Nothing is added to what transformers loads, and nothing is trained here.
"""

from __future__ import annotations

import copy
import inspect
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, cast

import torch
from transformers import AutoModelForMaskedLM
from transformers.cache_utils import DynamicCache
from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

from tunesmith.core.errors import DataError, SpecError
from tunesmith.model.backbones import (
    WRITERS,
    Backbone,
    load_config,
    load_tokenizer,
    load_whole,
    read_card,
    writing_of,
)
from tunesmith.model.batching import Batch
from tunesmith.model.heads.generate import Writer, only_at
from tunesmith.model.sources import find_model

Speaking = Literal["causal", "seq2seq", "masked", ""]

SPEAKERS: dict[str, Any] = {**WRITERS, "masked": AutoModelForMaskedLM}
"""What loads a model with the layer that guesses words, by how it speaks."""

MASKED_ENDINGS = ("ForMaskedLM", "ForPreTraining", "WithLMHeadModel")
"""How the saved classes of encoders end that keep the layer that guesses words."""


class Speaker(Writer):
    """A language model with its output layer, of any of the three kinds."""

    @property
    def speaking(self) -> Speaking:
        """How it speaks: "causal", "seq2seq" or "masked"."""
        return cast(Speaking, self.writing or "masked")

    @cached_property
    def takes_positions(self) -> bool:
        """Whether its forward pass can be told where each token stands."""
        return "position_ids" in inspect.signature(self.whole.forward).parameters

    def vectors(self, batch: Batch) -> torch.Tensor:
        """Return (B, H) float32: the mean of the last states of each window's tokens."""
        part = self.whole.get_encoder() if self.speaking == "seq2seq" else self.encoder
        mask = batch["attention_mask"]
        hidden = part(input_ids=batch["input_ids"], attention_mask=mask)[0].float()
        weights = mask.unsqueeze(-1).to(hidden.dtype)
        return (hidden * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1.0)

    def gaps(self, batch: Batch, places: torch.Tensor) -> torch.Tensor:
        """Return (N, V) float32 logits at `places` of the flattened (B * T) tokens (masked)."""
        mask = batch["attention_mask"]
        with only_at(self.linear, places):
            logits = self.whole(input_ids=batch["input_ids"], attention_mask=mask)[0]
        return logits.reshape(-1, logits.shape[-1]).float()

    def remember(self, ids: torch.Tensor) -> DynamicCache | None:
        """Return keys and values of (1, P) ids; None where the architecture keeps no such cache."""
        if self.speaking != "causal" or not self.takes_positions:
            return None
        found = self.whole(input_ids=ids, use_cache=True, logits_to_keep=1).get("past_key_values")
        is_plain = type(found) is DynamicCache and not any((*found.is_linear, *found.is_sliding))
        return found if is_plain else None

    def save(self, folder: Path, *, id2label: dict[int, str], problem: str) -> None:  # noqa: ARG002
        """Write a folder that transformers' class for such language models loads."""
        self.whole.config.id2label = id2label
        self.whole.config.label2id = {label: number for number, label in id2label.items()}
        self.whole.save_pretrained(folder)


def speaking_of(config: Any) -> Speaking:
    """Return how the saved model of a config speaks; "" where it has no layer that guesses words.

    An encoder's folder says by its class whether that layer was saved.
    """
    if writing := writing_of(config):
        return cast(Speaking, writing)
    names = getattr(config, "architectures", None) or []
    is_known = config.model_type in MODEL_FOR_MASKED_LM_MAPPING_NAMES
    is_kept = any(name.endswith(MASKED_ENDINGS) for name in names)
    return "masked" if is_known and is_kept else ""


def find_speaking(name: str, *, revision: str | None = None) -> Speaking:
    """Return how the model of this name speaks, as `speaking_of` does; no weights are loaded."""
    return speaking_of(load_config(find_model(name, revision=revision).path))


def load_speaking_backbone(name: str, *, revision: str | None = None) -> Backbone:
    """Return a language model with its output layer, in float32 on the CPU.

    Raises what `find_model` raises, `DataError` where the files do not make a model, and
    `SpecError` where it has no layer that guesses words.
    """
    folder = find_model(name, revision=revision)
    config = load_config(folder.path)
    speaking = speaking_of(config)
    if not speaking:
        raise SpecError(
            "`model.name` must be a model that guesses words (masked, causal or seq2seq); "
            f"`{name}` is none of them ({config.model_type}: "
            f"{', '.join(config.architectures or ['no class named'])})",
            hint="--set method.by=vectors, or make one with "
            "`tunesmith pretrain TEXT --objective causal --out runs/lm`, then "
            "--model runs/lm/backbone",
        )
    tokenizer = load_tokenizer(folder.path)
    model = load_whole(SPEAKERS[speaking], folder.path)
    if speaking == "masked" and tokenizer.mask_token_id is None:
        raise DataError(
            f"a model that fills gaps must have a mask token; the tokenizer of `{name}` has none",
            hint="take another --model",
        )
    return Backbone(model, tokenizer, read_card(folder, model, tokenizer))


def load_speaker(folder: Path) -> Speaker:
    """Return the model that `Speaker.save` wrote into `folder`."""
    speaking = speaking_of(load_config(folder))
    return Speaker(load_whole(SPEAKERS[speaking or "masked"], folder))


def repeat_cache(cache: DynamicCache, count: int) -> DynamicCache:
    """Return a copy of the cache of one row for `count` rows."""
    own = copy.deepcopy(cache)
    own.batch_repeat_interleave(count)
    return own


def take_cache(cache: DynamicCache, rows: torch.Tensor) -> DynamicCache:
    """Return a copy of a cache with these of its rows, each as often as it is named."""
    own = copy.deepcopy(cache)
    own.batch_select_indices(rows)
    return own
