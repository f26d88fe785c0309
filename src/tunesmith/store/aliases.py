"""Names that stand for bundles (`@production`), and who gave them when."""

from __future__ import annotations

import getpass
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from tunesmith.core.errors import DataError, NotFoundError
from tunesmith.core.machine import host_name
from tunesmith.store.bundles import Bundle
from tunesmith.store.database import Database
from tunesmith.store.runs import now, require_word
from tunesmith.store.tables import ALIASES


@dataclass(frozen=True, slots=True)
class Alias:
    """Which bundle a name stood for, from `since` until `until`; without `until` it still does.

    `fingerprint` is that of the bundle when it was named; `run` the run that made it, where known.
    """

    alias: str
    path: str
    fingerprint: str
    run: str | None
    since: str
    until: str | None
    author: str
    reason: str | None

    def require(self, bundle: Bundle) -> None:
        """Raise `DataError` unless `bundle` is the very one that was named so."""
        if bundle.fingerprint != self.fingerprint:
            raise DataError(
                f"`@{self.alias}` must be the bundle that was named so on {self.since[:10]}, with "
                f"sha256 {self.fingerprint[:16]}…; got {bundle.fingerprint[:16]}… ({self.path})",
                hint=f"tunesmith runs alias @{self.alias} {self.path}",
            )

    def to_json(self) -> dict[str, Any]:
        """Return the fields under their own names, the alias as it is typed."""
        return {**{name: getattr(self, name) for name in self.__slots__}, "alias": f"@{self.alias}"}


class Aliases:
    """The table of aliases in one database. Of each name at most one bundle is in force."""

    def __init__(self, database: Database) -> None:
        """Use an open database."""
        self._database = database

    def give(
        self, name: str, bundle: Bundle, *, run: str | None = None, reason: str | None = None
    ) -> Alias:
        """Let `@name` stand for a bundle from now on. Raises `SpecError` for what is no name."""
        alias = name.removeprefix("@")
        require_word(alias, "an alias")
        author = f"{_user()}@{host_name()}"[:255]
        made = Alias(
            alias, str(bundle.path.resolve()), bundle.fingerprint, run, now(), None, author, reason
        )
        row = {field: getattr(made, field) for field in made.__slots__}
        while True:
            try:
                with self._database.writing() as connection:
                    connection.execute(_in_force(alias).values(until=made.since))
                    connection.execute(ALIASES.insert().values(**row))
                return made
            except IntegrityError:  # another process gave the same name between our two lines
                continue

    def take(self, name: str) -> Alias:
        """Let `@name` stand for nothing any more. Raises `NotFoundError` where it did not."""
        found = self.find(name)
        with self._database.writing() as connection:
            connection.execute(_in_force(found.alias).values(until=now()))
        return found

    def follow(self, old: str, bundle: Bundle, *, reason: str) -> list[Alias]:
        """Let the aliases of a bundle that we changed stand for what it became; return them.

        `old` is its fingerprint before. A bundle at another place is left alone.
        """
        if old == bundle.fingerprint:
            return []
        path = str(bundle.path.resolve())
        held = [own for own in self.in_force() if (own.fingerprint, own.path) == (old, path)]
        return [self.give(own.alias, bundle, run=own.run, reason=reason) for own in held]

    def find(self, name: str) -> Alias:
        """Return what `@name` stands for. Raises `NotFoundError` with the nearest names."""
        wanted = name.removeprefix("@")
        known = {own.alias: own for own in self.in_force()}
        if wanted in known:
            return known[wanted]
        near = [f"@{own}" for own in get_close_matches(wanted, known, n=3, cutoff=0.5)]
        if near:
            found = f"the nearest {'are' if len(near) > 1 else 'is'} {', '.join(near)}"
        else:
            found = f"there are {len(known)}" if known else "there is none yet"
        raise NotFoundError(
            f"`@{wanted}` must be an alias of a bundle; {found}",
            hint="tunesmith runs alias" if known else f"tunesmith runs alias @{wanted} BUNDLE",
        )

    def in_force(self) -> list[Alias]:
        """Return the aliases in force, by name."""
        query = select(ALIASES).where(ALIASES.c.until.is_(None)).order_by(ALIASES.c.alias)
        return self._read(query)

    def history(self, name: str) -> list[Alias]:
        """Return all that `@name` ever stood for, the newest first."""
        mine = ALIASES.c.alias == name.removeprefix("@")
        return self._read(select(ALIASES).where(mine).order_by(ALIASES.c.id.desc()))

    def needing(self, folder: Path) -> list[Alias]:
        """Return the aliases in force of bundles within a folder."""
        whole = folder.resolve()
        return [own for own in self.in_force() if Path(own.path).is_relative_to(whole)]

    def _read(self, query: Any) -> list[Alias]:
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
        return [Alias(*(getattr(row, name) for name in Alias.__slots__)) for row in rows]


def _in_force(alias: str) -> Any:
    return ALIASES.update().where(ALIASES.c.alias == alias, ALIASES.c.until.is_(None))


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a process whose user has no name, as in some containers
        return "unknown"
