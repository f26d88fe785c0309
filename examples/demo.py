"""The demo behind `make demo`: the same support mail learned twice, by a probe and by full tuning.

It types the commands a user would type and shows each before it runs.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATA = "examples/support"
TEXTS = (
    "It's been nine days and the tracking page still says 'label created'.",
    "The kettle arrived with a crack down one side, can you send a new one?",
    "I was charged twice for the same teapot",
)


def main() -> None:
    """Check the rows, fit a probe, tune fully, and answer three messages."""
    say("1. Look at the rows before a minute is spent on them.")
    type_command("check", DATA, "--task", "classification")
    say("2. The first thing to try: a linear head on frozen vectors. It takes seconds.")
    fit("probe")
    say("3. Full tuning: every weight moves. It takes half a minute.")
    fit("full")
    say("4. Use it.")
    type_command("predict", "runs/support-full/bundle", *TEXTS)
    say(
        "Look at runs/support-full/bundle/report.html in a browser, then try your own file:\n"
        "  .venv/bin/tunesmith check YOUR.csv --task classification --column label=YOUR_COLUMN\n"
        "  .venv/bin/tunesmith fit YOUR.csv --task classification --column label=YOUR_COLUMN "
        "--method probe"
    )


def fit(method: str) -> None:
    """Tune on the sample by one method, in a folder of its own."""
    out = f"runs/support-{method}"
    command = ("fit", DATA, "--task", "classification", "--method", method, "--out", out)
    type_command(*command, *(["--overwrite"] if (ROOT / out).exists() else []))


def type_command(*arguments: str) -> None:
    """Show a command line and run it; a failure ends the demo with its exit status."""
    sys.stdout.write(f"\n$ tunesmith {shlex.join(arguments)}\n")
    sys.stdout.flush()
    done = subprocess.run([sys.executable, "-m", "tunesmith", *arguments], cwd=ROOT, check=False)
    if done.returncode:
        sys.exit(done.returncode)


def say(text: str) -> None:
    """Print a line of explanation."""
    sys.stdout.write(f"\n{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
