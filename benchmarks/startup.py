"""`tunesmith --help`: median wall seconds of a cold process, and that it imports no torch.

Usage: python benchmarks/startup.py [RUNS]
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from record import tell

PROBE = (
    "import sys; from tunesmith.interfaces.cli import app; "
    "print([n for n in ('torch', 'transformers', 'sqlalchemy') if n in sys.modules])"
)


def main() -> None:
    """Time the help text and list the heavy modules it pulled in."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    seconds = []
    for _ in range(runs + 1):
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "tunesmith", "--help"], check=True, capture_output=True
        )
        seconds.append(time.perf_counter() - started)
    seconds = seconds[1:]  # the first one warms the disk cache
    heavy = subprocess.run(
        [sys.executable, "-c", PROBE], check=True, capture_output=True, text=True
    )
    tell(
        "startup",
        measure="--help, median",
        value=round(statistics.median(seconds), 3),
        unit="seconds",
        count=runs,
        low=round(min(seconds), 3),
        high=round(max(seconds), 3),
        heavy_modules=heavy.stdout.strip(),
    )


if __name__ == "__main__":
    main()
