"""Smaller models from tuned ones: a vocabulary cut to what is used, and fewer layers.

Nothing is measured here; who prunes says what it cost.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tunesmith.core.errors import SpecError
from tunesmith.model.heads import HeadModel
from tunesmith.model.tokenizers import TOKENIZER_FILE, FileTokenizer

ENCODE_TEXTS = 1024


def used_tokens(tokenizer: FileTokenizer, texts: Sequence[str]) -> set[int]:
    """Return the ids that the texts are made of."""
    used: set[int] = set()
    for start in range(0, len(texts), ENCODE_TEXTS):
        used.update(*tokenizer.encode(texts[start : start + ENCODE_TEXTS])[0])
    return used


def trim_tokenizer(folder: Path, used: Iterable[int]) -> tuple[str, list[int]]:
    """Return a folder's `tokenizer.json` with fewer tokens, and the old id of each that stays.

    Special tokens and pieces of one character stay too, so no script that was readable becomes
    unreadable. A text made of `used` tokens alone keeps its tokens: the longest piece that fits is
    the longest still. Raises `SpecError` where the tokenizer does not work that way (WordPiece).
    """
    fields = json.loads((folder / TOKENIZER_FILE).read_text(encoding="utf-8"))
    model = fields["model"]
    if model.get("type") != "WordPiece":
        raise SpecError(
            f"a vocabulary to trim must be WordPiece; got {model.get('type')}",
            hint="leave out --trim-vocabulary",
        )
    prefix, vocabulary = model["continuing_subword_prefix"], model["vocab"]
    kept = {*used, *(token["id"] for token in fields["added_tokens"])}
    kept.add(vocabulary[model["unk_token"]])
    kept |= {number for token, number in vocabulary.items() if len(token.removeprefix(prefix)) == 1}
    order = sorted(kept)
    place = {old: new for new, old in enumerate(order)}
    model["vocab"] = {
        token: place[number]
        for token, number in sorted(vocabulary.items(), key=lambda pair: pair[1])
        if number in place
    }
    for token in fields["added_tokens"]:
        token["id"] = place[token["id"]]
    _renumber(fields["post_processor"], place)
    fields["padding"] = fields["truncation"] = None
    return json.dumps(fields, ensure_ascii=False), order


def trim_embeddings(model: HeadModel, kept: Sequence[int]) -> None:
    """Leave the model the word embeddings of the old ids `kept`, in their order."""
    encoder: Any = model.encoder
    old = encoder.get_input_embeddings()
    place = {number: new for new, number in enumerate(kept)}
    fresh = nn.Embedding(len(kept), old.embedding_dim, padding_idx=place.get(old.padding_idx))
    with torch.no_grad():
        fresh.weight.copy_(old.weight[torch.tensor(kept)])
    encoder.set_input_embeddings(fresh)
    whole = getattr(model, "whole", encoder)
    for config in (encoder.config, whole.config):
        config.vocab_size = len(kept)
        config.pad_token_id = place.get(old.padding_idx, config.pad_token_id)


def drop_layers(model: HeadModel, count: int) -> int:
    """Take the top `count` layers off a model; return how many it has left.

    Source: top-layer dropping (Sajjad et al. 2020). Raises `SpecError` where no layer would be
    left.
    """
    encoder: Any = model.encoder
    left = encoder.config.num_hidden_layers - count
    if left < 1:
        raise SpecError(
            f"`drop_layers` must leave a layer; got {count} of {encoder.config.num_hidden_layers}",
            hint=f"--drop-layers {max(1, encoder.config.num_hidden_layers // 2)}",
        )
    encoder.encoder.layer = encoder.encoder.layer[:left]
    encoder.config.num_hidden_layers = left
    return left


def _renumber(processor: Mapping[str, Any] | None, place: Mapping[int, int]) -> None:
    """Give the special tokens of a post-processor their new ids."""
    if processor is None:
        return
    for part in processor.get("processors", ()):
        _renumber(part, place)
    for token in processor.get("special_tokens", {}).values():
        token["ids"] = [place[number] for number in token["ids"]]
    for name in ("sep", "cls"):
        if name in processor:
            processor[name][1] = place[processor[name][1]]
