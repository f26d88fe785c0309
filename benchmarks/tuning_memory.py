"""Peak memory of `tunesmith fit` by number of rows: what a row costs, and whether it is bounded.

Usage: python benchmarks/tuning_memory.py [--rows 10000 100000 1000000] [--steps 20]

Each number of rows is tuned for a few steps in a process of its own. Rows are made up and short;
a small file chooses the checkpoint, and the head starts at random, so that nothing but reading,
encoding and the loop is measured.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from record import tell

SENTENCES = (
    ("where is my order", "order"),
    ("please cancel it before it is sent", "order"),
    ("the lid is cracked and I want a new one", "fault"),
    ("it stopped working after a week", "fault"),
    ("can I pay by invoice?", "payment"),
    ("my card was charged twice", "payment"),
)
ROWS = (10_000, 100_000, 1_000_000)
VALID_ROWS = 60


def main() -> None:
    """Tune on each number of rows and print its peak, then the bytes of a row more."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, nargs="+", default=ROWS)
    parser.add_argument("--steps", type=int, default=20)
    wanted = parser.parse_args()
    peaks = [_measure(rows, steps=wanted.steps) for rows in wanted.rows]
    if len(peaks) > 1:
        tell(
            "tuning memory",
            measure="growth of the peak from the fewest rows to the most",
            value=round(peaks[-1] / peaks[0], 3),
            unit="ratio",
            bytes_per_row=round(bytes_per_row(wanted.rows, peaks), 1),
        )


def bytes_per_row(rows: list[int], peaks: list[float]) -> float:
    """Return the bytes that each row beyond the first number adds; `peaks` are MiB."""
    return (peaks[-1] - peaks[0]) * 1024 * 1024 / (rows[-1] - rows[0])


def _measure(rows: int, *, steps: int) -> float:
    """Return the peak resident memory in MiB; ends the program where tuning fails."""
    with tempfile.TemporaryDirectory() as folder:
        _write(Path(folder, "train.jsonl"), rows)
        _write(Path(folder, "valid.jsonl"), VALID_ROWS)
        settings = [f"training.max_steps={steps}", "method.head_start=random"]
        command = [sys.executable, "-m", "tunesmith", "fit", f"{folder}/train.jsonl"]
        command += ["--task", "classification", "--valid", f"{folder}/valid.jsonl"]
        command += [word for setting in settings for word in ("--set", setting)]
        command += ["--out", f"{folder}/run", "--device", "cpu"]
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(process.returncode)
    peak = usage.ru_maxrss / 1024
    tell(
        "tuning memory",
        measure="peak resident memory",
        value=round(peak, 1),
        unit="MiB",
        count=rows,
        steps=steps,
        seconds=round(time.perf_counter() - started, 1),
    )
    return peak


def _write(path: Path, rows: int) -> None:
    with path.open("w", encoding="utf-8") as stream:
        for number in range(rows):
            text, label = SENTENCES[number % len(SENTENCES)]
            stream.write(json.dumps({"text": f"{text} {number}", "label": label}) + "\n")


if __name__ == "__main__":
    main()
