"""The generate family: a model that writes, token by token, what it read.

An encoder-decoder writes beside what its encoder read, a decoder alone goes on behind it; which one
a model is, its config says. All run transformers' own forward pass and its `generate`.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList

from tunesmith.core.recipe import DecodingRecipe
from tunesmith.model.backbones import WRITERS, Backbone, load_config, load_whole, writing_of
from tunesmith.model.batching import Batch
from tunesmith.model.drawing import Drawing
from tunesmith.model.forms import Form, HeldTo
from tunesmith.model.framing import Reading
from tunesmith.model.heads.dropout import set_dropout
from tunesmith.model.streaming import stop_unless, stream_ids

LONGEST_WRITTEN = 256
"""Tokens of a written text where neither the recipe nor the model sets a limit."""


class Writer(nn.Module):
    """A transformers language model, read where it guesses a token that was to be written."""

    pooling = "native"
    lacks: tuple[str, ...] = ()

    def __init__(self, whole: Any) -> None:
        """Wrap a language model with its output layer."""
        super().__init__()
        self.whole = whole

    @property
    def writing(self) -> str:
        """How it writes: "seq2seq" or "causal"."""
        return writing_of(self.whole.config)

    @property
    def linear(self) -> nn.Linear:
        """The layer that makes the logits."""
        return self.whole.get_output_embeddings()

    @property
    def encoder(self) -> Any:
        """The backbone below the output layer; of an encoder-decoder, both sides of it."""
        return self.whole.base_model

    def vectors(self, batch: Batch) -> torch.Tensor:  # noqa: ARG002
        """Raise `TypeError`: what writes has no vector a text."""
        raise TypeError("a model that writes has no vector for a text")

    def forward(self, batch: Batch) -> torch.Tensor:
        """Return (N, V) float32 logits at `places` (N,), teacher forced; no other is computed."""
        mask = batch["attention_mask"]
        inputs: dict[str, Any] = {"attention_mask": None if bool(mask.all()) else mask}
        if "position_ids" in batch:  # of several texts in a row; a mask would hide where each ends
            inputs = {"attention_mask": None, "position_ids": batch["position_ids"]}
        if "written_ids" in batch:
            inputs["decoder_input_ids"] = self._shifted(batch["written_ids"])
        with only_at(self.linear, batch["places"]):
            logits = self.whole(input_ids=batch["input_ids"], use_cache=False, **inputs)[0]
        return logits[0].float()

    @property
    def ends(self) -> tuple[int, ...]:
        """The ids that end a text."""
        found = self.whole.generation_config.eos_token_id
        return () if found is None else tuple(map(int, np.atleast_1d(found)))

    def write(
        self,
        batch: Batch,
        decoding: DecodingRecipe,
        *,
        most: int,
        form: Form | None = None,
        is_wanted: Callable[[], bool] | None = None,
    ) -> list[np.ndarray]:
        """Return the ids (S,) written from each row of a batch, the end token among them.

        No text has more than `most` tokens, which `limit_written` gives, or leaves its `form`.
        `is_wanted` is asked at each token; where it says no, no text is gone on with.
        """
        more = {} if is_wanted is None else {"stopping_criteria": stop_unless(is_wanted)}
        written = self._generate(batch, decoding, most=most, form=form, **more)
        begin = 1 if self.writing == "seq2seq" else batch["input_ids"].shape[1]
        return [_until_end(row, self.ends) for row in written[:, begin:].cpu().numpy()]

    def stream(
        self,
        batch: Batch,
        decoding: DecodingRecipe,
        *,
        most: int,
        form: Form | None = None,
        within: Callable[[], AbstractContextManager[Any]] = contextlib.nullcontext,
    ) -> Iterator[int]:
        """Yield what `write` gives of a batch of one row, each id as soon as it is known.

        It is computed in another thread, there inside of `within()`.
        """

        def generate(**more: Any) -> None:
            with within():
                self._generate(batch, decoding, most=most, form=form, **more)

        with contextlib.closing(stream_ids(generate)) as ids:
            yield from ids

    @torch.inference_mode()
    def _generate(
        self, batch: Batch, decoding: DecodingRecipe, *, most: int, form: Form | None, **more: Any
    ) -> torch.Tensor:
        """Return (B, T) what transformers' `generate` gives, prompts of a decoder before it."""
        ids, mask = batch["input_ids"], batch["attention_mask"]
        processors: list[LogitsProcessor] = []
        if form is not None:
            begin = 1 if self.writing == "seq2seq" else ids.shape[1]
            processors.append(HeldTo(form, begin=begin, ends=self.ends))
        if decoding.temperature:
            read = zip(ids.cpu().numpy(), mask.cpu().numpy().astype(bool), strict=True)
            prompts = [row[is_there] for row, is_there in read]
            processors.append(Drawing(decoding, prompts))
        if processors:
            more["logits_processor"] = LogitsProcessorList(processors)
        if self.writing == "causal":
            ids, mask = _flush_right(ids, mask), _flush_right(mask, mask)
        config = self._generation(decoding, most=most)
        return self.whole.generate(
            input_ids=ids, attention_mask=mask, generation_config=config, **more
        )

    def save(self, folder: Path, *, id2label: dict[int, str], problem: str) -> None:  # noqa: ARG002
        """Write a folder that transformers' class for such language models loads."""
        self.whole.save_pretrained(folder)

    def _shifted(self, ids: torch.Tensor) -> torch.Tensor:
        """Return (B, S) what a decoder reads when it guesses `ids`: its start token, then those."""
        start = self.whole.config.decoder_start_token_id
        return torch.cat([ids.new_full((len(ids), 1), start), ids[:, :-1]], dim=1)

    def _generation(self, decoding: DecodingRecipe, *, most: int) -> GenerationConfig:
        """Return the settings of transformers' `generate`, on top of what the model's makers set.

        Beams go on until none can become better: as many ended ones as there are beams may all be
        worse than one that is still being written, where a model is sure of its words.
        """
        config = copy.deepcopy(self.whole.generation_config)
        config.max_length, config.max_new_tokens = None, most
        config.do_sample, config.num_beams = False, decoding.sure_beams
        config.temperature = config.top_p = config.top_k = None
        config.no_repeat_ngram_size = decoding.no_repeat_ngram
        config.early_stopping = False if decoding.sure_beams > 1 else None
        config.length_penalty = decoding.length_penalty if decoding.sure_beams > 1 else 1.0
        return config


def new_writer(backbone: Backbone, *, dropout: float | None) -> Writer:
    """Return the backbone, which has its output layer, as a model that writes."""
    _drop_branches(backbone.model, dropout)
    return Writer(backbone.model)


def load_writer(folder: Path) -> Writer:
    """Return the model that `save` wrote into `folder`."""
    return Writer(load_whole(WRITERS[writing_of(load_config(folder))], folder))


def limit_written(writer: Writer, reading: Reading, wished: int | None) -> int:
    """Return the tokens a text may have: the `wished`, or what the model's positions have room for.

    They are the same for every prompt, so that no answer depends on the batch it stands in.
    """
    wished = wished or LONGEST_WRITTEN
    positions = getattr(writer.whole.config, "max_position_embeddings", None)
    if not positions:
        return wished
    is_behind = reading.writing == "causal"
    before = reading.max_length - reading.room_to_write if is_behind else 1
    return max(1, min(wished, positions - before))


def keep_decoding(writer: Writer, decoding: DecodingRecipe) -> None:
    """Make `decoding` what plain transformers writes by when it loads the saved model.

    It draws from the same probabilities, by its own random numbers.
    """
    config = writer.whole.generation_config
    config.max_length, config.max_new_tokens = None, decoding.max_new_tokens
    config.num_beams, config.no_repeat_ngram_size = decoding.sure_beams, decoding.no_repeat_ngram
    config.early_stopping = False if decoding.sure_beams > 1 else None
    config.length_penalty = decoding.length_penalty if decoding.sure_beams > 1 else None
    config.do_sample, config.top_k = decoding.temperature > 0, None
    config.temperature = decoding.temperature or None
    config.top_p = decoding.top_p if decoding.temperature else None


@contextlib.contextmanager
def only_at(layer: nn.Module, places: torch.Tensor) -> Iterator[None]:
    """Let a layer see (1, N, H), the states at `places` of the flattened (B, T, H), and no other.

    The projection onto a vocabulary costs as much as the layers below it.
    """
    handle = layer.register_forward_pre_hook(
        lambda _, inputs: (inputs[0].flatten(0, 1)[places].unsqueeze(0), *inputs[1:])
    )
    try:
        yield
    finally:
        handle.remove()


def _drop_branches(whole: Any, ratio: float | None) -> None:
    """Give the dropout of states one ratio, in modules and where it is a mere number.

    Attention weights keep theirs: dropping them as well costs the fast kernels. None leaves all as
    it is.
    """
    set_dropout(whole, ratio)
    if ratio is None:
        return
    for module in whole.modules():
        is_number = isinstance(getattr(module, "dropout", None), float)
        if is_number and not hasattr(module, "q_proj"):
            module.dropout = ratio


def _flush_right(rows: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return (B, T) rows with their padding moved to the left: a decoder goes on at the right."""
    shifts = rows.shape[1] - mask.sum(dim=1, keepdim=True)
    places = torch.arange(rows.shape[1], device=rows.device).unsqueeze(0) - shifts
    return rows.gather(1, places % rows.shape[1])


def _until_end(ids: np.ndarray, ends: Sequence[int]) -> np.ndarray:
    """Return the ids up to the first that ends a text, that one included."""
    found = np.flatnonzero(np.isin(ids, np.array(ends, dtype=np.int64)))
    return ids[: found[0] + 1] if len(found) else ids
