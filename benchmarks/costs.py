"""How near what `zoo show` computes and expects is to what a model takes: memory, milliseconds.

Usage: python benchmarks/costs.py [MODEL …] [--of memory latency] [--steps 6] [--tokens 1024]
[--threads 1] [--clock processor]

Each model has the shape of a catalogue entry and random weights: neither memory nor time asks what
they are. Its tokenizer is that of MiniLM, so an entry must have a vocabulary at least as large.

Memory: a model is tuned for a few steps by the default method, and its bundle then answers the same
rows, each in a process of its own on one core.

Latency: in turn what `zoo show --timed` expects, from a shape of one layer and one of three, and
what the whole model takes as `zoo rank` times it (row by row, the median of 15); their ratio is
taken round by round. A row is 32 tokens, tokenizing included. One thread and the processor's clock
are the default, since machines are shared; with more threads take `--clock wall`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from compare import spread
from record import ROOT, tell
from transformers import AutoTokenizer

from tunesmith.core.examples import Example, Place, TextInput
from tunesmith.model.backbones import load_backbone
from tunesmith.model.device import choose_device, choose_precision
from tunesmith.model.known import Entry, find_entry
from tunesmith.model.outlines import BUILDERS, config_of
from tunesmith.model.sources import find_model
from tunesmith.operations.zoo_rank import TIMED_ROWS, UNTIMED_ROWS
from tunesmith.runtime.engine import BATCH_TOKENS
from tunesmith.stages.zoo import serving_memory, tuning_memory
from tunesmith.stages.zoo.speed import TIMED_TOKENS, expected_latency, time_row
from tunesmith.stages.zoo.vectors import windows_of

MODELS = (
    "google/bert_uncased_L-2_H-128_A-2",
    "minilm",
    "distilbert-base-uncased",
    "bert-base-uncased",
)
ROWS = ROOT / "examples" / "support"
ROUNDS = 9
CLOCKS = {"processor": time.process_time, "wall": time.perf_counter}
WORD = "order"
"""One token of MiniLM's."""

CHILD = """
import json, sys
from tunesmith.core.machine import peak_bytes
from tunesmith.operations import execute

verb, values = json.loads(sys.argv[1])
execute(verb, values)
print(json.dumps(peak_bytes()))
"""


def main() -> None:
    """Measure each model tuned, answering and reading, and tell how far off the figures are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=[*MODELS])
    parser.add_argument("--of", nargs="+", choices=[*PARTS], default=[*PARTS])
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--tokens", type=int, default=1024)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--clock", choices=[*CLOCKS], default="processor")
    wanted = parser.parse_args()
    torch.set_num_threads(wanted.threads)
    for name in wanted.models:
        entry = find_entry(name)
        if entry is None:
            sys.exit(f"`{name}` must be a model of the catalogue: tunesmith zoo list")
        with tempfile.TemporaryDirectory(prefix="tunesmith-costs-") as folder:
            model = Path(folder) / "model"
            BUILDERS[entry.kind].from_config(config_of(entry)).save_pretrained(model)
            AutoTokenizer.from_pretrained(find_model("minilm").path).save_pretrained(model)
            for part in wanted.of:
                PARTS[part](entry, Path(folder), wanted)


def _measure_memory(entry: Entry, folder: Path, wanted: argparse.Namespace) -> None:
    precision: Any = choose_precision("auto", choose_device("cpu")).value
    tuned = _peak(
        folder,
        "fit",
        data=str(ROWS),
        task="classification",
        model=str(folder / "model"),
        training={"max_steps": wanted.steps, "threads": 1, "batch_tokens": wanted.tokens},
        out=str(folder / "run"),
    )
    computed = tuning_memory(entry, batch_tokens=wanted.tokens, precision=precision)
    _tell(entry, "tuning", computed.total, tuned, batch_tokens=wanted.tokens)
    answering = _peak(
        folder,
        "predict",
        bundle=str(folder / "run"),
        data=str(ROWS / "test.csv"),
        engine="torch",
        out=str(folder / "answers.jsonl"),
    )
    computed = serving_memory(entry, batch_tokens=BATCH_TOKENS, precision=precision)
    _tell(entry, "serving", computed.total, answering, batch_tokens=BATCH_TOKENS)


def _peak(folder: Path, verb: str, **values: Any) -> int:
    """Return the most bytes that a process held which carried out one operation."""
    environment = {**os.environ, "TUNESMITH_HOME": str(folder / "home"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", CHILD, json.dumps([verb, values])]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True)
    return int(done.stdout.splitlines()[-1])


def _tell(entry: Entry, what: str, computed: int, measured: int, *, batch_tokens: int) -> None:
    tell(
        f"memory, {what}",
        model=entry.id,
        parameters=entry.parameters,
        batch_tokens=batch_tokens,
        computed_mb=round(computed / 1e6),
        measured_mb=round(measured / 1e6),
        off_by_percent=round(100 * (computed / measured - 1), 1),
    )


def _measure_latency(entry: Entry, folder: Path, wanted: argparse.Namespace) -> None:
    device = choose_device("cpu")
    how: dict[str, Any] = {
        "device": device,
        "precision": choose_precision("auto", device).value,
    }
    backbone = load_backbone(str(folder / "model"))
    (window,) = windows_of(backbone, [_row()])
    if len(window.ids) != TIMED_TOKENS:
        sys.exit(f"a row must be {TIMED_TOKENS} tokens; got {len(window.ids)}")
    clock, predicted, measured = CLOCKS[wanted.clock], [], []
    for _ in range(ROUNDS):
        found = expected_latency(entry, **how, clock=clock)
        predicted.append(found.latency_ms or sys.exit(f"{entry.id}: {found.why}"))
        measured.append(_take(backbone, clock, **how))
    ratios = [100 * (ours / true - 1) for ours, true in zip(predicted, measured, strict=True)]
    tell(
        "latency, a row",
        model=entry.id,
        layers=entry.layers,
        tokens=TIMED_TOKENS,
        precision=how["precision"],
        threads=wanted.threads,
        clock=wanted.clock,
        predicted_ms=round(statistics.median(predicted), 2),
        measured_ms=round(statistics.median(measured), 2),
        off_by_percent=spread(ratios).to_json(decimals=1),
    )


def _take(backbone: Any, clock: Callable[[], float], **how: Any) -> float:
    """Return the milliseconds that reading one row takes: the median of several."""
    runs = range(UNTIMED_ROWS + TIMED_ROWS)
    taken = [time_row(backbone, _row(), clock=clock, **how) for _ in runs]
    return statistics.median(taken[UNTIMED_ROWS:])


def _row() -> Example:
    words = [WORD] * (TIMED_TOKENS - 2)
    return Example("", TextInput(" ".join(words)), None, Place("<text>", 1))


PARTS = {"memory": _measure_memory, "latency": _measure_latency}


if __name__ == "__main__":
    main()
