"""Marks of a reader that knows only what stands before: it is read behind what is marked."""

from __future__ import annotations

from tunesmith.core.examples import MarkedInput
from tunesmith.model.backbones import load_tokenizer
from tunesmith.model.encoding import encode_windows
from tunesmith.model.framing import Reading


def test_marks_behind_stretches_follow_their_last_token(tiny_model):
    tokenizer = load_tokenizer(tiny_model)
    item = MarkedInput("my order is late", (3, 8), (12, 16), ("card", ""))
    reading = Reading(32, 6, "windows", case_shape=False, marks_behind=True)
    (window,) = encode_windows(tokenizer, [item], reading)
    assert tokenizer.convert_ids_to_tokens(window.ids[window.marks].tolist()) == ["@", "#"]
    for mark, word in zip(window.marks, ("order", "late"), strict=True):
        assert tokenizer.convert_ids_to_tokens(int(window.ids[mark - 1])) == word
