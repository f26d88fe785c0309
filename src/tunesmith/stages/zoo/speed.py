"""How many milliseconds a row would take on this machine, told before the model is here.

Two shapes of an entry, one layer deep and three, are timed as `zoo rank` times a row; what a layer
adds is drawn on to the depth that the model has. Time is measured, so it is not twice the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import torch

from tunesmith.core.errors import ForeignError
from tunesmith.core.examples import Example, Place, TextInput
from tunesmith.core.units import show_bytes
from tunesmith.model.backbones import Backbone
from tunesmith.model.known import Entry
from tunesmith.model.layer_vectors import layer_averages
from tunesmith.model.outlines import is_native
from tunesmith.model.shapes import build_shape, shape_bytes, shape_text
from tunesmith.stages.zoo.vectors import windows_of

DEPTHS = (1, 3)
UNTIMED_RUNS, TIMED_RUNS = 3, 25
TIMED_TOKENS = 32
"""What a row has where nothing else is asked for, special tokens included."""

MOST_BYTES = 2_000_000_000
"""Of weights, in the deeper shape."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds that reading one row of `tokens` tokens would take, and with what it was timed.

    They are None where they cannot be told, and `why` says why.
    """

    latency_ms: float | None
    tokens: int
    device: str
    precision: str
    threads: int
    why: str

    def to_json(self) -> dict[str, Any]:
        """Return the fields under their own names."""
        return asdict(self)


def expected_latency(
    entry: Entry,
    *,
    tokens: int = TIMED_TOKENS,
    device: torch.device,
    precision: str,
    clock: Callable[[], float] = time.perf_counter,
) -> Latency:
    """Return what one row would take of a model that need not be here.

    A row is tokenized and read by the encoder, or by a decoder once from left to right; nothing is
    written. `clock` gives seconds.
    """
    how: dict[str, Any] = {
        "tokens": tokens,
        "device": str(device),
        "precision": precision,
        "threads": torch.get_num_threads(),
    }
    try:
        if why := _obstacle(entry, tokens):
            return Latency(None, **how, why=why)
        shapes = [build_shape(entry, layers=depth) for depth in DEPTHS]
        row = Example("", TextInput(shape_text(tokens)), None, Place("<text>", 1))
        taken: tuple[list[float], ...] = tuple([] for _ in DEPTHS)
        for _ in range(UNTIMED_RUNS + TIMED_RUNS):
            for shape, own in zip(shapes, taken, strict=True):
                own.append(time_row(shape, row, device=device, precision=precision, clock=clock))
    except ForeignError as error:
        return Latency(None, **how, why=str(error).partition("\n")[0])
    first, second = (median(own[UNTIMED_RUNS:]) for own in taken)
    return Latency(extend(first, second, layers=entry.layers), **how, why="")


def extend(first: float, second: float, *, layers: int) -> float:
    """Return what `layers` layers take, where those of `DEPTHS` take `first` and `second`.

    The straight line through both: all layers are alike, and what stands around them is there once.

    >>> extend(3.0, 7.0, layers=6)
    13.0
    """
    shallow, deep = DEPTHS
    return first + (second - first) / (deep - shallow) * (layers - shallow)


def time_row(
    backbone: Backbone,
    row: Example,
    *,
    device: torch.device,
    precision: str,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """Return the milliseconds that tokenizing and reading one row took, by a `clock` of seconds."""
    began = clock()
    layer_averages(backbone, windows_of(backbone, [row]), device=device, precision=precision)
    return 1000 * (clock() - began)


def _obstacle(entry: Entry, tokens: int) -> str:
    """Return why a model cannot be timed, or nothing."""
    if entry.kind in ("vision", "image-text"):
        return "only models that read text alone are timed"
    if not is_native(entry.architecture):
        return f"transformers does not contain the architecture {entry.architecture}"
    if entry.context is not None and tokens > entry.context:
        return f"it reads {entry.context:,} tokens at most"
    size = shape_bytes(entry, layers=DEPTHS[-1])
    if size > MOST_BYTES:
        return (
            f"{DEPTHS[-1]} of its layers take {show_bytes(size)} as float32; "
            f"{show_bytes(MOST_BYTES)} are allowed"
        )
    return ""
