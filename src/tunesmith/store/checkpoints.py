"""Where checkpoints lie: `<out>/checkpoint-<step>`.

Each is whole or absent, and only the needed ones are kept.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

_NAME = re.compile(r"checkpoint-(\d+)")


def checkpoint_folder(out: Path, step: int) -> Path:
    """Return the folder of the checkpoint after `step` optimiser steps."""
    return out / f"checkpoint-{step}"


def list_checkpoints(out: Path) -> list[int]:
    """Return the steps that have a checkpoint, in order."""
    if not out.is_dir():
        return []
    steps = [int(match[1]) for child in out.iterdir() if (match := _NAME.fullmatch(child.name))]
    return sorted(steps)


def keep_checkpoints(out: Path, steps: set[int]) -> None:
    """Remove every checkpoint whose step is not in `steps`."""
    for step in list_checkpoints(out):
        if step not in steps:
            shutil.rmtree(checkpoint_folder(out, step), ignore_errors=True)
