"""Ids while they are written: all of them, until the reader leaves or the writing fails."""

from __future__ import annotations

import threading

import pytest
import torch

from tunesmith.model.streaming import stream_ids

PROMPT = torch.tensor([[1, 2, 3]])


def test_ids_are_those_behind_the_prompt():
    def generate(streamer, stopping_criteria):  # noqa: ARG001
        streamer.put(PROMPT)
        for token in (7, 8):
            streamer.put(torch.tensor([token]))
        streamer.end()

    assert list(stream_ids(generate)) == [7, 8]


def test_writing_that_would_never_end_stops_when_nobody_listens():
    before = threading.active_count()

    def generate(streamer, stopping_criteria):
        streamer.put(PROMPT)
        while not stopping_criteria(PROMPT, None).all():
            streamer.put(torch.tensor([7]))

    ids = stream_ids(generate)
    assert [next(ids), next(ids)] == [7, 7]
    assert threading.active_count() == before + 1
    ids.close()
    assert threading.active_count() == before


def test_failure_is_raised_to_the_reader_after_what_was_written():
    def generate(streamer, stopping_criteria):  # noqa: ARG001
        streamer.put(PROMPT)
        streamer.put(torch.tensor([7]))
        raise ValueError("broken")

    ids = stream_ids(generate)
    assert next(ids) == 7
    with pytest.raises(ValueError, match="broken"):
        next(ids)
