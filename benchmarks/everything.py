"""All benchmarks against rivals, one after the other, and the table of what was reached.

Usage: TUNESMITH_DATA=… python benchmarks/everything.py [LINES.jsonl]

Nothing else should run on the machine: two processors are measured with two threads. It takes an
hour or two. Lines are kept in a file (`runs/bench.jsonl`); a script that fails is named at the end
and its rows stay unmeasured.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from record import ROOT, data_folder
from targets import read_lines, table

SCRIPTS = (
    ("startup.py",),
    ("predict.py",),
    ("limit.py",),
    ("embeddings.py",),
    ("memory.py",),
    ("tuning.py",),
    ("tuning.py", "--to-score"),
    ("pretraining.py",),
)
LINES = Path("runs", "bench.jsonl")


def main() -> None:
    """Run each script in a process of its own and print the table."""
    for name in ("banking77", "wnut17", "chinese_classics"):
        data_folder(name)
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else LINES
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    failed = [" ".join(script) for script in SCRIPTS if not run_script(script, path)]
    print(table(read_lines(path)))
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def run_script(script: tuple[str, ...], lines: Path) -> bool:
    """Run one script; its output is shown and added to `lines`. Tell whether it ended well."""
    command = [sys.executable, str(ROOT / "benchmarks" / script[0]), *script[1:]]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process,
        lines.open("a", encoding="utf-8") as kept,
    ):
        for line in process.stdout:
            print(line, end="", flush=True)
            kept.write(line)
    return process.returncode == 0


if __name__ == "__main__":
    main()
