"""Peak memory of `tunesmith predict` on a pipe of short rows: it must not grow with their number.

Usage: python benchmarks/predict_memory.py BUNDLE [ROWS …]
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

from record import tell

SENTENCES = (
    "where is my order",
    "please cancel it",
    "the lid is cracked and I want a new one",
    "thanks",
    "can I pay by invoice?",
)
ROWS = (10_000, 200_000)


def main() -> None:
    """Answer each number of rows in a process of its own and read its peak resident memory."""
    if len(sys.argv) < 2:  # noqa: PLR2004
        sys.exit(__doc__)
    peaks = [_measure(sys.argv[1], int(count)) for count in sys.argv[2:] or ROWS]
    tell("predict memory", measure="growth", value=round(peaks[-1] / peaks[0], 3), unit="ratio")


def _measure(bundle: str, rows: int) -> float:
    command = [sys.executable, "-m", "tunesmith", "predict", bundle, "--format", "text"]
    reader, writer = os.pipe()
    started = time.perf_counter()
    with open(os.devnull, "wb") as nowhere:
        process = subprocess.Popen(command, stdin=reader, stdout=nowhere)
    os.close(reader)
    with os.fdopen(writer, "w", encoding="utf-8") as pipe:
        for number in range(rows):
            pipe.write(f"{SENTENCES[number % len(SENTENCES)]} {number}\n")
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(process.returncode)
    seconds = time.perf_counter() - started
    peak = usage.ru_maxrss / 1024
    tell(
        "predict memory",
        measure="peak resident memory",
        value=round(peak, 1),
        unit="MiB",
        count=rows,
        rows_per_second=round(rows / seconds),
    )
    return peak


if __name__ == "__main__":
    main()
