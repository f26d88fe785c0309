"""The folder where Tunesmith keeps what outlives a command."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from tunesmith.core.environment import home_folder

if TYPE_CHECKING:
    from tunesmith.store.runs import RunLog
    from tunesmith.store.token_cache import TokenCache


@dataclass(frozen=True)
class Workspace:
    """One user's records and caches below `root`. Nothing is made until it is needed."""

    root: Path

    @cached_property
    def runs(self) -> RunLog:
        """The record of every run."""
        from tunesmith.store.runs import RunLog  # noqa: PLC0415 (SQLAlchemy; not for `--help`)

        return RunLog(self.root / "runs.sqlite")

    @cached_property
    def tokens(self) -> TokenCache:
        """The tokens of earlier runs, in `cache/tokens`: at most 2 GiB, the oldest go first."""
        from tunesmith.store.token_cache import TokenCache  # noqa: PLC0415 (numpy; not for `--help`)

        return TokenCache(self.root / "cache" / "tokens")


def default_workspace() -> Workspace:
    """Return the workspace at `$TUNESMITH_HOME`, else at `~/.tunesmith`."""
    return Workspace(home_folder())
