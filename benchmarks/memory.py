"""Peak memory and waiting time of `tunesmith fit` by the number of rows: neither may run away.

Usage: python benchmarks/memory.py [ROWS …]   (10000 100000 1000000 where none are given)

Each number of rows is tuned for a few steps in a process of its own, twice: without cached tokens
and with those of the first time. Rows are 20 labels and about 80 characters, made from the words
below. The rows that are measured stay 2,000, so that the figure is that of rows to learn from; the
head starts at random, since fitting it first reads all rows through the model (`--set
method.head_start=random`).
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from record import tell

ROWS = (10_000, 100_000, 1_000_000)
LABELS = 20
MEASURED_ROWS = 2_000
STEPS = 5
CHARACTERS = 80

WORDS = (
    *("order", "parcel", "invoice", "refund", "account", "card", "lamp", "chair", "shipping"),
    *("where", "when", "why", "how", "please", "cancel", "change", "return", "repair", "send"),
    *("broken", "late", "lost", "wrong", "new", "old", "blue", "second", "double", "missing"),
    *("yesterday", "today", "Monday", "again", "twice", "never", "still", "already", "urgent"),
    *("my", "the", "your", "a", "this", "is", "was", "has", "not", "and", "but", "for", "with"),
)

CHILD = """
import json, sys, time
from tunesmith.core.events import Progress, Said, Step
from tunesmith.operations import execute
from tunesmith.session import Session

started, used = time.perf_counter(), time.process_time()
marks = {}

def peak():
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))

def listen(event):
    if isinstance(event, Said) and event.text.startswith("reading "):
        marks["start"] = peak()
    if isinstance(event, Step) and "seconds" not in marks:
        marks["seconds"] = time.perf_counter() - started
        marks["processor_seconds"] = time.process_time() - used
        marks["after_first_step"] = peak()

execute("fit", json.loads(sys.argv[1]), session=Session(listener=listen))
marks["peak"] = peak()
print(json.dumps(marks))
"""


def main() -> None:
    """Tune on each number of rows and tell what it took."""
    counts = [int(word) for word in sys.argv[1:]] or ROWS
    with tempfile.TemporaryDirectory(prefix="tunesmith-memory-") as name:
        folder = Path(name)
        peaks = []
        for count in counts:
            path = folder / f"{count}.csv"
            _write_rows(path, count)
            figures = [_measure(folder, path, count, tokens=kind) for kind in ("new", "cached")]
            peaks.append(figures[0])
            path.unlink()
    if len(peaks) > 1:
        added = (peaks[-1] - peaks[0]) * 2**20 / (counts[-1] - counts[0])
        tell(
            "memory", measure="memory a row", value=round(added, 1), unit="bytes", count=counts[-1]
        )


def _write_rows(path: Path, count: int) -> None:
    chance = random.Random(count)
    with path.open("w", encoding="utf-8") as stream:
        stream.write("text,label\n")
        for number in range(count):
            stream.write(f"{' '.join(_words(chance))} {number},label {chance.randrange(LABELS)}\n")


def _words(chance: random.Random) -> Iterator[str]:
    size = 0
    while size < CHARACTERS - 8:
        word = chance.choice(WORDS)
        size += len(word) + 1
        yield word


def _measure(folder: Path, path: Path, count: int, *, tokens: str) -> float:
    spec = {
        "data": str(path),
        "task": "classification",
        "out": str(folder / "run"),
        "overwrite": True,
        "split": {"valid": MEASURED_ROWS / count},
        "method": {"name": "full", "head_start": "random"},
        "training": {"max_steps": STEPS},
    }
    environment = {**os.environ, "TUNESMITH_HOME": str(folder / "home")}
    command = [sys.executable, "-c", CHILD, json.dumps(spec)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True)
    marks = json.loads(done.stdout.splitlines()[-1])
    tell(
        "memory",
        measure="peak resident memory",
        value=round(marks["peak"], 1),
        unit="MiB",
        count=count,
        tokens=tokens,
        after_first_step_mib=round(marks["after_first_step"], 1),
        before_rows_mib=round(marks["start"], 1),
        seconds_to_first_step=round(marks["seconds"], 1),
        processor_seconds_to_first_step=round(marks["processor_seconds"], 1),
    )
    return marks["peak"]


if __name__ == "__main__":
    main()
