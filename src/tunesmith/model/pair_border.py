"""What stands between two texts that a decoder reads together.

Most decoders' tokenizers join two texts without a token between them, so that no one can tell where
the first ends. Here theirs puts the token that ends a text there, and keeps doing so when it is
saved: plain transformers then reads what we read.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tokenizers.processors import Sequence, TemplateProcessing

from tunesmith.model.backbones import Backbone
from tunesmith.model.framing import find_frame, find_pair_frame
from tunesmith.model.prompt_tokens import as_it_is

PAIRED = ("classify", "span", "choose")
"""The head families that can be given two texts in one window."""


def with_border(backbone: Backbone) -> Backbone:
    """Return a backbone whose tokenizer puts a token between two texts, where it puts none.

    Where the vocabulary has none that ends a text, all stays as it is.
    """
    tokenizer = backbone.tokenizer
    frame, pair = find_frame(tokenizer), find_pair_frame(tokenizer)
    border = tokenizer.eos_token or tokenizer.sep_token
    if pair.between or border is None:
        return backbone
    inner: Any = tokenizer.backend_tokenizer
    used = {border: tokenizer.convert_tokens_to_ids(border)}

    def spelled(ids: tuple[int, ...]) -> list[str]:
        tokens = list(tokenizer.convert_ids_to_tokens(list(ids)))
        used.update(zip(tokens, ids, strict=True))
        return tokens

    single = [*spelled(frame.before), "$A", *spelled(frame.after)]
    both = [*spelled(frame.before), "$A", border, "$B", *spelled(frame.after)]
    template = TemplateProcessing(single=single, pair=both, special_tokens=list(used.items()))
    own = inner.post_processor
    is_plain = own is None or frame.before or frame.after  # else it would frame them twice
    inner.post_processor = template if is_plain else Sequence([own, template])
    return replace(backbone, tokenizer=as_it_is(tokenizer))
