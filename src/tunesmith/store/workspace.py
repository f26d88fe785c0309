"""The folder where Tunesmith keeps what outlives a command."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tunesmith.store.runs import RunLog


@dataclass(frozen=True)
class Workspace:
    """One user's records and caches below `root`. Nothing is made until it is needed."""

    root: Path

    @cached_property
    def runs(self) -> RunLog:
        """The record of every run."""
        from tunesmith.store.runs import RunLog  # noqa: PLC0415 (SQLAlchemy; not for `--help`)

        return RunLog(self.root / "runs.sqlite")


def default_workspace() -> Workspace:
    """Return the workspace at `$TUNESMITH_HOME`, else at `~/.tunesmith`."""
    return Workspace(Path(os.environ.get("TUNESMITH_HOME") or Path.home() / ".tunesmith"))
