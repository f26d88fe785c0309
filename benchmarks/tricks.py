"""What each trick of tuning gives on BANKING77 rows: the loop with it and without, in turn.

Usage: TUNESMITH_DATA=… python benchmarks/tricks.py [--rows 1500] [--pairs 5] [TRICK …]
"""

from __future__ import annotations

import argparse
import contextlib
import random
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from compare import Slice, interleave, pin_processors, rate_ratios
from ours import Timeline
from public_rows import DATA_SETS, write_rows
from record import tell

import tunesmith
from tunesmith.core.examples import Example, TextInput
from tunesmith.session import Session
from tunesmith.stages.tune.rowwise import clip_gradients

PACKED = ("tunesmith.model.hidden.can_pack", lambda _: False)
ROWS = ("tunesmith.stages.tune.full.make_rowwise", lambda *_: None)
BUCKETS = ("tunesmith.model.batching.LENGTH_JITTER", 1e6)
AT_ONCE = ("tunesmith.model.packed_attention.AT_ONCE", 1 << 62)
SIZES = ("tunesmith.model.packed_layout.SAME_SIZES", 1)
SOFTMAX = (
    ("tunesmith.model.packed_attention.softmax_of", lambda scores: torch.softmax(scores, dim=-1)),
    (
        "tunesmith.model.packed_attention.softmax_gradient",
        lambda gradient, softmax: torch.ops.aten._softmax_backward_data(
            gradient, softmax, -1, softmax.dtype
        ),
    ),
)
CLIPPING = (
    "tunesmith.stages.tune.loop.clip_gradients",
    lambda parameters, largest, before: clip_gradients(parameters, largest),  # noqa: ARG005
)


@dataclass(frozen=True, slots=True)
class Trick:
    """A trick's settings, and what stands in its place: other settings, other names replaced.

    `joined` is how many sentences make a text.
    """

    off: dict[str, Any] = field(default_factory=dict)
    on: dict[str, Any] = field(default_factory=dict)
    patches: tuple[tuple[str, Any], ...] = ()
    joined: int = 1


TRICKS = {
    "bf16 instead of fp32": Trick(off={"precision": "fp32"}),
    "packed layers instead of transformers' own": Trick(patches=(PACKED,)),
    "embedding rows instead of the table": Trick(patches=(ROWS,)),
    "rows of similar length in a batch": Trick(patches=(BUCKETS,)),
    "1,024 tokens a batch instead of 256": Trick(off={"batch_tokens": 256}),
    "few counts of tokens instead of any": Trick(patches=(SIZES,)),
    "softmax in whole passes instead of torch's": Trick(patches=SOFTMAX),
    "clipping in the optimiser's own pass": Trick(patches=(CLIPPING,)),
    "attention of a few heads at a time, sentences": Trick(patches=(AT_ONCE,)),
    "attention of a few heads at a time, texts of some 250 tokens": Trick(
        off={"batch_tokens": 4096}, on={"batch_tokens": 4096}, patches=(AT_ONCE,), joined=20
    ),
    "2,048 tokens a batch instead of 1,024": Trick(on={"batch_tokens": 2048}),
    "3 of 6 layers frozen": Trick(on={"freeze_layers": 3}),
    "all of these but the last two, off": Trick(
        off={"precision": "fp32", "batch_tokens": 256}, patches=(PACKED, ROWS, BUCKETS, CLIPPING)
    ),
}


def main() -> None:
    """Run each trick on and off in turn and print the ratio of real tokens a second."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tricks", nargs="*", default=list(TRICKS))
    parser.add_argument("--rows", type=int, default=1500)
    parser.add_argument("--pairs", type=int, default=5)
    wanted = parser.parse_args()
    pin_processors(2)
    examples = DATA_SETS["banking77"].read("train")
    random.Random(0).shuffle(examples)
    with tempfile.TemporaryDirectory() as folder:
        for name in wanted.tricks:
            trick = TRICKS[name]
            rows = Path(folder, f"{trick.joined}.jsonl")
            write_rows(rows, _texts(examples, trick.joined)[: wanted.rows])
            sides = {
                "on": partial(_tune, rows, trick.on, ()),
                "off": partial(_tune, rows, trick.off, trick.patches),
            }
            slices = interleave(sides, pairs=wanted.pairs)
            ratios = rate_ratios(slices["on"], slices["off"])
            tell("tricks", trick=name, measure="real tokens/s, on / off", **ratios.to_json())


def _texts(examples: Sequence[Example], joined: int) -> list[Example]:
    """Return the rows, or a text for each `joined` of them, with two labels in turn."""
    if joined == 1:
        return [*examples]
    found = []
    for number, start in enumerate(range(0, len(examples), joined)):
        text = " ".join(each.inputs.text for each in examples[start : start + joined])
        found.append(replace(examples[number % 2], inputs=TextInput(text)))
    return found


def _tune(
    rows: Path, settings: dict[str, Any], patches: tuple[tuple[str, Any], ...], seed: int
) -> Slice:
    """Return the loop of one epoch; the head begins at random, so that only the loop is timed."""
    timeline = Timeline()
    with tempfile.TemporaryDirectory() as folder, _replaced(patches):
        tunesmith.fit(
            str(rows),
            task="classification",
            method={"name": "full", "head_start": "random"},
            split={"valid": 0.02},
            training={"epochs": 1, "evaluate_every": 1_000_000, **settings},
            seed=seed,
            out=f"{folder}/run",
            session=Session(listener=timeline),
        )
    return timeline.loop()


@contextlib.contextmanager
def _replaced(patches: tuple[tuple[str, Any], ...]) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for name, value in patches:
            stack.enter_context(patch(name, value))
        yield


if __name__ == "__main__":
    main()
