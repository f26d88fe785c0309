"""How near the memory that `zoo show` computes is to what tuning and answering take.

Usage: python benchmarks/costs.py [MODEL …] [--steps 6] [--tokens 1024]

Each model has the shape of a catalogue entry and random weights: memory does not ask what they
are. Its tokenizer is that of MiniLM, so an entry must have a vocabulary at least as large. A model
is tuned for a few steps by the default method, and its bundle then answers the same rows, each in a
process of its own on one core.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from record import ROOT, tell
from transformers import AutoTokenizer

from tunesmith.model.device import choose_device, choose_precision
from tunesmith.model.known import Entry, find_entry
from tunesmith.model.outlines import BUILDERS, config_of
from tunesmith.model.sources import find_model
from tunesmith.runtime.engine import BATCH_TOKENS
from tunesmith.stages.zoo import serving_memory, tuning_memory

MODELS = ("google/bert_uncased_L-2_H-128_A-2", "minilm", "distilbert-base-uncased", "bert-base")
ROWS = ROOT / "examples" / "support"

CHILD = """
import json, sys
from tunesmith.core.machine import peak_bytes
from tunesmith.operations import execute

verb, values = json.loads(sys.argv[1])
execute(verb, values)
print(json.dumps(peak_bytes()))
"""


def main() -> None:
    """Measure each model tuned and answering, and tell how far off the computed memory is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=[*MODELS])
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--tokens", type=int, default=1024)
    wanted = parser.parse_args()
    for name in wanted.models:
        entry = find_entry(name)
        if entry is None:
            sys.exit(f"`{name}` must be a model of the catalogue: tunesmith zoo list")
        with tempfile.TemporaryDirectory(prefix="tunesmith-costs-") as folder:
            _measure(entry, Path(folder), steps=wanted.steps, tokens=wanted.tokens)


def _measure(entry: Entry, folder: Path, *, steps: int, tokens: int) -> None:
    model = folder / "model"
    BUILDERS[entry.kind].from_config(config_of(entry)).save_pretrained(model)
    AutoTokenizer.from_pretrained(find_model("minilm").path).save_pretrained(model)
    precision: Any = choose_precision("auto", choose_device("cpu")).value
    tuned = _peak(
        folder,
        "fit",
        data=str(ROWS),
        task="classification",
        model=str(model),
        training={"max_steps": steps, "threads": 1, "batch_tokens": tokens},
        out=str(folder / "run"),
    )
    computed = tuning_memory(entry, batch_tokens=tokens, precision=precision)
    _tell(entry, "tuning", computed.total, tuned, batch_tokens=tokens)
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


if __name__ == "__main__":
    main()
