"""Answering against `pipeline()`: 2,000 sentences, single sentences, size on disk, equal labels.

Usage: TUNESMITH_DATA=… python benchmarks/predict.py [--bundle BUNDLE] [--pairs 5] [--texts 2000]

Every form of the bundle that this version offers takes part; others are told with the reason. A
bundle of BANKING77 is tuned first where none is given.
"""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Callable
from pathlib import Path

import torch
from bundles import distinct_texts, tuned_bundle
from compare import (
    Slice,
    interleave,
    percentile,
    pin_processors,
    rate_ratios,
    spread,
    tell_sides,
)
from forms import FORMS, Form, labels_of, offered_forms, open_form, weight_bytes
from record import tell
from rivals import named
from rivals.pipeline import open_pipeline

Labels = Callable[[list[str]], list[str]]
PIPELINES = {"pipeline": None, "batch_32": 32}
"""The rivals by name, with their `batch_size`."""
WARM_UP_TEXTS = 32
LATENCY_BLOCKS = 5
"""Parts into which the single calls are cut, so that their ratio has a spread."""


def main() -> None:
    """Measure every form of one bundle against both pipelines."""
    wanted = _arguments()
    torch.set_num_threads(pin_processors(wanted.threads))
    with contextlib.ExitStack() as stack:
        bundle = wanted.bundle or stack.enter_context(
            tuned_bundle(method="full", pooling="native", rows=wanted.tuning_rows)
        )
        forms = offered_forms(bundle, benchmark="predict")
        _tell_sizes(bundle, forms)
        _tell_speed(bundle, forms, wanted)
        _tell_latency(bundle, forms, wanted)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--tuning-rows", type=int, help="rows to tune the bundle on; default all")
    parser.add_argument("--texts", type=int, default=2000)
    parser.add_argument("--calls", type=int, default=200, help="single sentences for latency")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def _tell_sizes(bundle: Path, forms: list[Form]) -> None:
    whole = weight_bytes(bundle, FORMS[0])
    for form in forms:
        size = weight_bytes(bundle, form)
        tell(
            "predict",
            row=f"size.{form.name}",
            measure="bytes of weights / those of fp32",
            value=round(size / whole, 4),
            unit="ratio",
            bytes=size,
            count=1,
        )


def _tell_speed(bundle: Path, forms: list[Form], wanted: argparse.Namespace) -> None:
    """Print sentences a second of each side, the ratios, and how many labels differ."""
    texts = distinct_texts("test", wanted.texts)
    warm_up = distinct_texts("train", WARM_UP_TEXTS)
    given: dict[str, list[str]] = {}

    def timed(name: str, opened: Labels) -> Slice:
        opened(warm_up)
        started = time.perf_counter()
        given[name] = opened(texts)
        return Slice(len(texts), time.perf_counter() - started)

    rivals = {
        name: open_pipeline(bundle / "model", batch_rows=rows) for name, rows in PIPELINES.items()
    }
    sides: dict[str, Callable[[int], Slice]] = {
        form.name: lambda _, form=form: timed(form.name, _open(bundle, form)) for form in forms
    }
    sides |= {
        name: lambda _, name=name, rival=rival: timed(name, rival) for name, rival in rivals.items()
    }
    slices = interleave(sides, pairs=wanted.pairs)
    tell_sides("predict", slices, unit="sentences/s")
    for form in forms:
        for rival in PIPELINES:
            tell(
                "predict",
                row=f"predict.{rival}.{form.name}",
                measure=f"sentences/s, {form.name} / {rival}",
                unit="ratio",
                rival=named("transformers"),
                texts=len(texts),
                threads=torch.get_num_threads(),
                labels_that_differ=count_differences(given[form.name], given[rival]),
                **rate_ratios(slices[form.name], slices[rival]).to_json(),
            )


def _tell_latency(bundle: Path, forms: list[Form], wanted: argparse.Namespace) -> None:
    """Print p50 and p95 of single calls, the sides in turn on each sentence."""
    texts = distinct_texts("test", wanted.calls)
    sides: dict[str, Labels] = {"pipeline": open_pipeline(bundle / "model")}
    sides |= {form.name: _open(bundle, form) for form in forms}
    for side in sides.values():
        for text in distinct_texts("train", WARM_UP_TEXTS):
            side([text])
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for text in texts:
        for name, side in sides.items():
            started = time.perf_counter()
            side([text])
            seconds[name].append(time.perf_counter() - started)
    for name, taken in seconds.items():
        for percent in (50, 95):
            tell(
                "latency",
                side=name,
                measure=f"p{percent}",
                value=round(percentile(taken, percent) * 1000, 3),
                unit="ms",
                count=len(taken),
            )
    for form in forms:
        tell(
            "latency",
            row=f"latency.{form.name}",
            measure=f"p50 of one sentence, pipeline / {form.name}",
            unit="ratio",
            rival=named("transformers"),
            calls=len(texts),
            **spread(median_ratios(seconds["pipeline"], seconds[form.name])).to_json(),
        )


def median_ratios(theirs: list[float], ours: list[float]) -> list[float]:
    """Return the ratio of medians, theirs / ours, of each of `LATENCY_BLOCKS` blocks of calls."""
    blocks = min(LATENCY_BLOCKS, len(ours))
    return [
        percentile(theirs[number::blocks], 50) / percentile(ours[number::blocks], 50)
        for number in range(blocks)
    ]


def count_differences(ours: list[str], theirs: list[str]) -> int:
    """Return the number of texts that two sides label differently."""
    return sum(one != other for one, other in zip(ours, theirs, strict=True))


def _open(bundle: Path, form: Form) -> Labels:
    """Return a function from texts to labels over a fresh engine, which has seen no text."""
    engine = open_form(bundle, form)
    return lambda texts: labels_of(engine, texts)


if __name__ == "__main__":
    main()
