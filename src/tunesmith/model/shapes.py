"""A few layers of an entry's shape with random weights, to be timed before the model is here.

What a text costs does not ask what the weights are, nor how many tokens there are beside its own:
the vocabulary is small. Nothing is fetched and no file is read.
"""

from __future__ import annotations

from typing import Any

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.processors import TemplateProcessing
from transformers import AutoModel, PreTrainedTokenizerFast

from tunesmith.core.errors import ForeignError
from tunesmith.model.backbones import LONGEST_CONTEXT, Backbone, ModelCard
from tunesmith.model.known.entry import Entry
from tunesmith.model.outlines import config_of, count_weights

SPECIAL = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
FRAMING = 2
"""Special tokens around a text."""

WORDS = 1000
VOCABULARY = len(SPECIAL) + WORDS
OWN_DEPTHS = ("encoder_layers", "decoder_layers")
"""Where an entry's `config` counts the layers of each side by itself."""


def shape_config(entry: Entry, *, layers: int) -> Any:
    """Return the configuration of an entry cut to so many layers and a small vocabulary.

    A special token that the small vocabulary does not hold is its first.
    """
    depths = {name: layers for name in OWN_DEPTHS if name in entry.config}
    sizes = {"layers": layers, "vocabulary": VOCABULARY, "config": {**entry.config, **depths}}
    config = config_of(entry.model_copy(update=sizes))
    for name, value in list(vars(config).items()):
        if name.endswith("_token_id") and isinstance(value, int) and value >= VOCABULARY:
            setattr(config, name, 0)
    return config


def shape_bytes(entry: Entry, *, layers: int) -> int:
    """Return what the weights of `build_shape` take; none is made. Raises what that raises."""
    with torch.device("meta"):
        model = _build(entry, layers)
    return count_weights(model) * torch.float32.itemsize


def build_shape(entry: Entry, *, layers: int) -> Backbone:
    """Return so many layers of an entry's shape, in float32, with a tokenizer for `shape_text`.

    Of an encoder-decoder each side has so many. The weights are the same every time. Raises
    `ForeignError` where transformers cannot build it.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = _build(entry, layers)
    context = entry.context or LONGEST_CONTEXT
    card = ModelCard(
        name=entry.id,
        source="shape",
        revision=None,
        sha256="",
        architecture=entry.architecture,
        parameters=count_weights(model),
        hidden_size=entry.hidden_size,
        context=context,
        uncased=False,
        sentence_pooling=None,
    )
    return Backbone(model, _tokenizer(context), card)


def shape_text(tokens: int) -> str:
    """Return a text that a shape's tokenizer reads as `tokens` tokens, special ones included."""
    return " ".join(_word(number % WORDS) for number in range(tokens - FRAMING))


def _build(entry: Entry, layers: int) -> Any:
    try:
        return AutoModel.from_config(shape_config(entry, layers=layers), trust_remote_code=False)
    except Exception as error:  # noqa: BLE001 (a user's entry may be wrong in any way)
        first = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
        raise ForeignError(
            f"building `{entry.id}` from its sizes failed: {first}",
            hint=f"tunesmith zoo show {entry.id}",
        ) from error


def _tokenizer(context: int) -> Any:
    words = [*SPECIAL.values(), *map(_word, range(WORDS))]
    ids = {word: number for number, word in enumerate(words)}
    tokenizer = Tokenizer(WordLevel(ids, unk_token=SPECIAL["unk_token"]))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    begin, end = SPECIAL["cls_token"], SPECIAL["sep_token"]
    tokenizer.post_processor = TemplateProcessing(
        single=f"{begin} $A {end}",
        pair=f"{begin} $A {end} $B:1 {end}:1",
        special_tokens=[(begin, ids[begin]), (end, ids[end])],
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=context, **SPECIAL)


def _word(number: int) -> str:
    return f"w{number}"
