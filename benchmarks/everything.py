"""All benchmarks against rivals, one after the other, and the table of what was reached.

Usage: TUNESMITH_DATA=… python benchmarks/everything.py [LINES.jsonl]

Nothing else should run on the machine: two processors are measured with two threads. It takes an
hour or two. Lines are kept in a file (`runs/bench.jsonl`). What was stopped goes on: scripts whose
end stands there at this commit are not run again. One that fails is named at the end, and its rows
stay unmeasured.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TextIO

from record import ROOT, commit, data_folder
from targets import read_lines, table

TO_SCORE = ("--to-score", "--seeds", "0", "1", "--every", "20")
SCRIPTS = (
    ("limit.py",),
    ("tuning.py", "--data", "wnut17"),
    ("tuning.py", "--data", "banking77"),
    ("predict.py",),
    ("startup.py",),
    ("embeddings.py",),
    ("pretraining.py",),
    ("tuning.py", *TO_SCORE, "--data", "wnut17"),
    ("tuning.py", *TO_SCORE, "--data", "banking77"),
    ("memory.py",),
)
LINES = Path("runs", "bench.jsonl")


def main() -> None:
    """Run each script in a process of its own and print the table."""
    for name in ("banking77", "wnut17", "chinese_classics"):
        data_folder(name)
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else LINES
    path.parent.mkdir(parents=True, exist_ok=True)
    done = keep_ended(path)
    left = [script for script in SCRIPTS if " ".join(script) not in done]
    failed = [" ".join(script) for script in left if not run_script(script, path)]
    print(table(read_lines(path)))
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def keep_ended(lines: Path) -> set[str]:
    """Leave the lines of the scripts that ended well at this commit, and return those scripts."""
    parts: dict[str, list[str]] = {}
    ended, script = set(), ""
    for line in lines.read_text(encoding="utf-8").splitlines() if lines.exists() else []:
        told = json.loads(line) if line.startswith("{") else {}
        script = told.get("begun", script)
        parts.setdefault(script, []).append(line)
        if told.get("ended") == script and told["commit"] == commit():
            ended.add(script)
    kept = [line for script in parts if script in ended for line in parts[script]]
    lines.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
    return ended


def run_script(script: tuple[str, ...], lines: Path) -> bool:
    """Run one script; its output is shown and added to `lines`. Tell whether it ended well."""
    command = [sys.executable, str(ROOT / "benchmarks" / script[0]), *script[1:]]
    with lines.open("a", encoding="utf-8") as kept:
        _mark(kept, "begun", script)
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout:
                print(line, end="", flush=True)
                kept.write(line)
                kept.flush()
        if process.returncode == 0:
            _mark(kept, "ended", script)
    return process.returncode == 0


def _mark(kept: TextIO, what: str, script: tuple[str, ...]) -> None:
    kept.write(json.dumps({what: " ".join(script), "commit": commit()}) + "\n")
    kept.flush()


if __name__ == "__main__":
    main()
