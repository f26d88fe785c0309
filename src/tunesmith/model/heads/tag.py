"""The tag family: one vector a word (its first token's), one linear layer, one logit a tag."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForTokenClassification

from tunesmith.core.errors import DataError
from tunesmith.model.backbones import Backbone, load_whole
from tunesmith.model.batching import Batch
from tunesmith.model.case_shape import CaseShape
from tunesmith.model.heads.dropout import set_dropout
from tunesmith.model.heads.whole import WholeAtWords, new_whole

CASE_SHAPE_FILE = "case_shape.safetensors"


class Tagger(WholeAtWords):
    """A transformers token classifier read at the first token of each word.

    With `case_shape`, the embedding of each word's case shape is added to the input embeddings.
    """

    def __init__(self, whole: Any, case_shape: CaseShape | None) -> None:
        """Wrap a transformers token-classification model."""
        super().__init__(whole)
        self.case_shape = case_shape

    @property
    def lacks(self) -> tuple[str, ...]:
        """What a plain transformers load of the saved folder is without."""
        return (CASE_SHAPE_FILE,) if self.case_shape is not None else ()

    def added(self, batch: Batch) -> torch.Tensor | None:
        """Return (B, T, E) the embeddings of the case shapes, where they are read."""
        return None if self.case_shape is None else self.case_shape(batch["shapes"])

    def save(self, folder: Path, *, id2label: dict[int, str], problem: str) -> None:
        """Write a folder that `AutoModelForTokenClassification` loads.

        Case shapes lie beside the weights, in a file of their own that transformers ignores.
        """
        super().save(folder, id2label=id2label, problem=problem)
        if self.case_shape is not None:
            save_file(self.case_shape.state_dict(), folder / CASE_SHAPE_FILE)


def new_tagger(
    backbone: Backbone, *, outputs: int, case_shape: bool, dropout: float | None
) -> Tagger:
    """Return an untrained tagger of `outputs` tags on `backbone`; raises what `new_whole` does."""
    whole = new_whole("tag", backbone, outputs=outputs)
    set_dropout(whole, dropout)
    return Tagger(whole, CaseShape(_embedding_size(whole)) if case_shape else None)


def load_tagger(folder: Path, *, case_shape: bool) -> Tagger:
    """Return the tagger that `save` wrote into `folder`."""
    whole = load_whole(AutoModelForTokenClassification, folder)
    if not case_shape:
        return Tagger(whole, None)
    shapes = CaseShape(_embedding_size(whole))
    try:
        shapes.load_state_dict(load_file(folder / CASE_SHAPE_FILE))
    except Exception as error:  # noqa: BLE001
        raise DataError(
            f"`model/{CASE_SHAPE_FILE}` must hold the case shapes; {error}", hint="tune again"
        ) from error
    return Tagger(whole, shapes)


def _embedding_size(whole: Any) -> int:
    """Return the width of a word's embedding, which is not that of a state in every model."""
    return whole.get_input_embeddings().weight.shape[1]
