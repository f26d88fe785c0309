"""How a benchmark tells its figure: a JSON line with commit, machine, n, value, unit, interval."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def data_folder(name: str) -> Path:
    """Return the folder of a data set below `$TUNESMITH_DATA`; ends the program without it."""
    folder = Path(os.environ.get("TUNESMITH_DATA", "")) / name
    if not os.environ.get("TUNESMITH_DATA") or not folder.is_dir():
        sys.exit(f"set TUNESMITH_DATA to the folder that holds {name}/")
    return folder


def tell(benchmark: str, **figures: Any) -> None:
    """Print one JSON line."""
    line = {
        "benchmark": benchmark,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": f"{_processor()}, {len(os.sched_getaffinity(0))} cores",
        **figures,
    }
    print(json.dumps(line, ensure_ascii=False), flush=True)


def measure_fields(measure: Any) -> dict[str, Any]:
    """Return a measure's fields rounded to four decimals."""
    fields = measure.to_json()
    return {key: round(v, 4) if isinstance(v, float) else v for key, v in fields.items()}


def commit() -> str:
    """Return the short name of the commit, with `-dirty` where files were changed since."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").split("\n")
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
