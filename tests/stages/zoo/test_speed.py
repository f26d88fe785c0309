"""What a row is expected to take: the arithmetic by a clock of ours, and what cannot be told."""

from __future__ import annotations

import re
from itertools import count

import pytest
import torch

from tunesmith.model.known import find_entry
from tunesmith.stages.zoo.speed import DEPTHS, TIMED_RUNS, UNTIMED_RUNS, expected_latency, extend

CPU = torch.device("cpu")
TINY = find_entry("google/bert_uncased_L-2_H-128_A-2")
HOW = {"device": CPU, "precision": "fp32"}


class Clock:
    """A clock by which shapes in turn take so many seconds, and the first runs far longer."""

    def __init__(self, *seconds: float) -> None:
        self.seconds = seconds
        self.asked = count()
        self.now = 0.0

    def __call__(self) -> float:
        """Return the seconds; every second call ends a run."""
        run, is_end = divmod(next(self.asked), 2)
        turn, shape = divmod(run, len(self.seconds))
        if is_end:
            self.now += self.seconds[shape] * (100 if turn < UNTIMED_RUNS else 1)
        return self.now


def test_layers_beyond_the_timed_ones_take_what_each_of_those_takes():
    assert DEPTHS == (1, 3)
    assert [extend(3.0, 7.0, layers=layers) for layers in (1, 2, 3, 12)] == [3.0, 5.0, 7.0, 25.0]


@pytest.mark.parametrize(("layers", "milliseconds"), [(2, 3.0), (12, 13.0)])
def test_expectation_is_drawn_on_to_the_depth_of_the_model(layers, milliseconds):
    clock = Clock(0.002, 0.004)
    entry = TINY.model_copy(update={"layers": layers})
    found = expected_latency(entry, **HOW, clock=clock)
    assert found.latency_ms == pytest.approx(milliseconds)
    assert next(clock.asked) == 2 * len(DEPTHS) * (UNTIMED_RUNS + TIMED_RUNS)
    assert TIMED_RUNS >= 15


def test_expectation_says_with_what_it_was_timed():
    found = expected_latency(TINY, tokens=16, **HOW, clock=Clock(0.001, 0.001)).to_json()
    assert found == {
        "latency_ms": pytest.approx(1.0),
        "tokens": 16,
        "device": "cpu",
        "precision": "fp32",
        "threads": torch.get_num_threads(),
        "why": "",
    }


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (find_entry("google/vit-base-patch16-224"), "only models that read text alone"),
        (find_entry("openai/clip-vit-base-patch32"), "only models that read text alone"),
        (find_entry("internlm2.5-1.8b"), "does not contain the architecture internlm2"),
        (find_entry("llama-3.1-8b"), r"3 of its layers take 2\.\d GB as float32; 2.0 GB"),
        (TINY.model_copy(update={"context": 8}), "reads 8 tokens at most"),
        (TINY.model_copy(update={"heads": 7}), "from its sizes failed"),
    ],
    ids=["images", "images and text", "own code", "wide", "short", "broken"],
)
def test_what_cannot_be_timed_has_a_reason_and_no_figure(entry, why):
    found = expected_latency(entry, **HOW)
    assert found.latency_ms is None
    assert re.search(why, found.why)
