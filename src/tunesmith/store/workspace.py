"""The folder where Tunesmith keeps what outlives a command."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from tunesmith.core.environment import home_folder

if TYPE_CHECKING:
    from tunesmith.store.aliases import Aliases
    from tunesmith.store.bundle_records import BundleRecords
    from tunesmith.store.bundles import Bundle
    from tunesmith.store.database import Database
    from tunesmith.store.rankings import Rankings
    from tunesmith.store.results import Results
    from tunesmith.store.runs import RunLog
    from tunesmith.store.token_cache import TokenCache

SETTINGS = "settings.yaml"
"""What a user set for all commands of a workspace: `database: URL`."""


@dataclass(frozen=True)
class Workspace:
    """One user's records and caches below `root`. Nothing is made until it is needed.

    The records are in the `database` of a URL, else in that of `settings.yaml`, else in
    `runs.sqlite`.
    """

    root: Path
    database: str | None = None

    @cached_property
    def records(self) -> Database:
        """The database of the records, open."""
        from tunesmith.store.database import Database  # noqa: PLC0415 (SQLAlchemy; not for `--help`)

        return Database(self.database or self._set("database") or self.root / "runs.sqlite")

    @cached_property
    def runs(self) -> RunLog:
        """The record of every run."""
        from tunesmith.store.runs import RunLog  # noqa: PLC0415 (SQLAlchemy; not for `--help`)

        return RunLog(self.records)

    @cached_property
    def aliases(self) -> Aliases:
        """The names that stand for bundles."""
        from tunesmith.store.aliases import Aliases  # noqa: PLC0415 (SQLAlchemy; not for `--help`)

        return Aliases(self.records)

    @cached_property
    def made(self) -> BundleRecords:
        """The bundles and backbones that runs left, and what they were made from."""
        from tunesmith.store.bundle_records import (  # noqa: PLC0415 (SQLAlchemy; not for `--help`)
            BundleRecords,
        )

        return BundleRecords(self.records)

    @cached_property
    def results(self) -> Results:
        """Every measure of every model that was tuned or evaluated."""
        from tunesmith.store.results import Results  # noqa: PLC0415 (SQLAlchemy; not for `--help`)

        return Results(self.records)

    @cached_property
    def rankings(self) -> Rankings:
        """The rankings of models that were made here, in `rankings`."""
        from tunesmith.store.rankings import Rankings  # noqa: PLC0415 (not for `--help`)

        return Rankings(self.root / "rankings")

    @cached_property
    def tokens(self) -> TokenCache:
        """The tokens of earlier runs, in `cache/tokens`: at most 2 GiB, the oldest go first."""
        from tunesmith.store.token_cache import TokenCache  # noqa: PLC0415 (numpy; not for `--help`)

        return TokenCache(self.root / "cache" / "tokens")

    def bundle(self, name: str, *, verify: bool = True) -> Bundle:
        """Return the bundle at a path, or the one that an alias (`@production`) stands for.

        Raises what `read_bundle` raises; `NotFoundError` with the nearest names for an alias that
        nobody gave, and `DataError` where the bundle is not the one that was named so.
        """
        from tunesmith.store.bundles import read_bundle  # noqa: PLC0415 (kept off `--help`)

        if not name.startswith("@"):
            return read_bundle(name, verify=verify)
        alias = self.aliases.find(name)
        bundle = read_bundle(alias.path, verify=verify)
        alias.require(bundle)
        return bundle

    def _set(self, name: str) -> str | None:
        """Return a setting of `settings.yaml`. Raises what `read_lock` raises for a bad file."""
        from tunesmith.store.run_folder import read_lock  # noqa: PLC0415 (yaml; not for `--help`)

        path = self.root / SETTINGS
        if not os.path.isfile(path):
            return None
        value = read_lock(path)[0].get(name)
        return None if value is None else str(value)


def default_workspace() -> Workspace:
    """Return the workspace at `$TUNESMITH_HOME`, else at `~/.tunesmith`.

    Its records are in the database of `$TUNESMITH_DATABASE`, where that is given.
    """
    return Workspace(home_folder(), os.environ.get("TUNESMITH_DATABASE") or None)
