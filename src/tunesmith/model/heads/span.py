"""The span family: where an answer begins and ends, one logit each at every token of a context."""

from __future__ import annotations

from pathlib import Path

from transformers import AutoModelForQuestionAnswering

from tunesmith.model.backbones import Backbone, load_whole
from tunesmith.model.heads.dropout import set_dropout
from tunesmith.model.heads.whole import WholeAtWords, new_whole


class Pointer(WholeAtWords):
    """A transformers question answerer read at the tokens that an answer may begin or end at.

    Its logits are (W, 2), of beginning and of ending there. The first of them in each window is its
    first token, which stands for "no answer".
    """

    lacks: tuple[str, ...] = ()


def new_pointer(backbone: Backbone, *, dropout: float | None) -> Pointer:
    """Return an untrained question answerer on `backbone`; raises what `new_whole` does."""
    whole = new_whole("span", backbone, outputs=2)
    set_dropout(whole, dropout)
    return Pointer(whole)


def load_pointer(folder: Path) -> Pointer:
    """Return the question answerer that `save` wrote into `folder`."""
    return Pointer(load_whole(AutoModelForQuestionAnswering, folder))
