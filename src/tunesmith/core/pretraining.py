"""The parts of a pretraining: what is learned from text, how it is read, and by which tokens.

They hold settings only; `stages/tune/pretraining/` is the one place that matches on them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from tunesmith.core.methods import named
from tunesmith.core.recipe import TrainingRecipe
from tunesmith.core.spec import Part


class MaskedText(Part):
    """Words are hidden and guessed from both sides: for encoders (Devlin et al. 2019, §3.1)."""

    name: Literal["mlm"] = "mlm"
    """The objective's name."""

    mask_ratio: float = Field(0.3, gt=0, lt=1)
    """Share of the tokens that are guessed: 80 % of them hidden, 10 % replaced, 10 % left; small
    models learn faster from more than the 15 % of BERT (Wettig et al. 2023, §3)."""

    whole_words: bool = True
    """Hide all pieces of a word together; a Chinese character is a word."""


class CausalText(Part):
    """Each token is guessed from those before it: for decoders that write text."""

    name: Literal["causal"] = "causal"
    """The objective's name."""


class DenoisedText(Part):
    """Spans are replaced by one mask each and the whole text is written again.

    For encoder-decoders; the text infilling of Lewis et al. 2020, §2.2.
    """

    name: Literal["seq2seq"] = "seq2seq"
    """The objective's name."""

    span_ratio: float = Field(0.3, gt=0, lt=1)
    """Share of the tokens that lie in a masked span."""

    span_tokens: float = Field(3.0, ge=1)
    """Mean length of a masked span in tokens (Poisson)."""


class ContrastedText(Part):
    """A text read twice under dropout finds itself among others: for vectors of sentences.

    Source: Gao et al. 2021 (SimCSE), §3.
    """

    name: Literal["contrastive"] = "contrastive"
    """The objective's name."""

    temperature: float = Field(0.05, gt=0)
    """What cosines are divided by before the softmax."""


PRETRAINING = {
    part.model_fields["name"].default: part
    for part in (MaskedText, CausalText, DenoisedText, ContrastedText)
}

PretrainingObjective = Annotated[
    MaskedText | CausalText | DenoisedText | ContrastedText,
    Field(discriminator="name"),
    BeforeValidator(lambda value: named(value, default="mlm")),
]

ModelSize = Literal["tiny", "mini", "small"]


class ModelShape(Part):
    """The shape of a model made from scratch, where it is not that of its size."""

    hidden_size: int | None = Field(None, ge=8)
    """Width of the states."""

    layers: int | None = Field(None, ge=1)
    """Layers; an encoder-decoder gives half of them to each side."""

    heads: int | None = Field(None, ge=1)
    """Attention heads of a layer; they must divide the width."""

    feed_forward: int | None = Field(None, ge=8)
    """Width of the feed-forward layers of an encoder-decoder; none takes four times that of the
    states."""

    @model_validator(mode="after")
    def _heads_divide(self) -> ModelShape:
        if self.hidden_size and self.heads and self.hidden_size % self.heads:
            raise ValueError(
                f"heads must divide hidden_size; got {self.heads} and {self.hidden_size}"
            )
        return self


class TokenizerRecipe(Part):
    """Which vocabulary is trained on the corpus."""

    name: Literal["auto", "wordpiece", "bpe", "unigram", "character"] = "auto"
    """Kind of vocabulary; auto takes characters where most letters are Chinese, else WordPiece for
    encoders and byte-level BPE for what writes."""

    size: int | None = Field(None, ge=64)
    """Tokens of the vocabulary; none takes what suits the size of the model and the corpus."""

    lowercase: bool = False
    """Do not tell capitals from small letters."""


class TextReading(Part):
    """How text becomes windows."""

    window_tokens: int | None = Field(None, ge=16, le=4096)
    """Tokens of a window, special ones included, and the longest a new model reads; none takes 128
    for tiny, 256 otherwise, and at most what a given model reads."""

    packing: Literal["auto", "joined", "separate"] = "auto"
    """Documents end to end in full windows (joined), or each in windows of its own; auto joins
    for all objectives but contrastive."""

    repeats: Literal["drop", "keep"] = "drop"
    """What happens to a passage that stood there before."""

    unreadable: float = Field(0.01, ge=0, le=1)
    """Share of the lines and rows that may be unreadable: so many are skipped with a warning, more
    are refused."""


class CorpusReading(TextReading):
    """How text becomes windows, and how much of it is held out."""

    valid: float = Field(0.05, gt=0, lt=0.5)
    """Share of the text that is held out: rows by their hash, and the tail of each text file."""


class PretrainingRecipe(TrainingRecipe):
    """How the loop trains on text."""

    epochs: int = Field(10, ge=1)
    """Passes over the text."""

    batch_tokens: int = Field(2048, ge=16)
    """Tokens (padding included) of one batch."""

    learning_rate: float = Field(1e-3, gt=0)
    """Peak learning rate."""

    head_learning_rate: float | None = Field(None, gt=0)
    """Peak learning rate of what stands above the encoder; none uses `learning_rate`."""

    schedule: Literal["linear", "cosine", "constant"] = "cosine"
    """Course of the learning rate after warm-up."""

    warmup_ratio: float = Field(0.05, ge=0, lt=1)
    """Share of all steps in which the learning rate rises from 0."""

    patience: int = Field(0, ge=0)
    """Validations without a gain before training stops early; 0 never stops early."""

    @model_validator(mode="after")
    def _refuse_what_needs_labels(self) -> PretrainingRecipe:
        """Refuse settings that text without labels has no use for."""
        idle = (
            *("freeze_layers", "class_weights", "selection", "tune_decision"),
            *("token_cache", "packing"),
        )
        fields = type(self).model_fields
        given = [name for name in idle if getattr(self, name) != fields[name].default]
        if given:
            raise ValueError(f"{', '.join(given)} must be left alone: text has no labels")
        return self


def _read_tokenizer(value: Any) -> Any:
    return named(value, default="auto")


TokenizerSetting = Annotated[TokenizerRecipe, BeforeValidator(_read_tokenizer)]
