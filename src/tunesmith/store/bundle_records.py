"""Which bundles and backbones runs left, and what each was made from: the lineage."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select

from tunesmith.store.database import Database
from tunesmith.store.runs import now
from tunesmith.store.tables import BUNDLES, PARENTS


@dataclass(frozen=True, slots=True)
class Made:
    """A bundle or a backbone that a run left; `fingerprint` names its content.

    A bundle's is the sha256 of `bundle.json`, a backbone's that of its weights.
    """

    fingerprint: str
    path: str
    kind: str
    run: str
    made: str


class BundleRecords:
    """The tables of what was made and of its parents, in one database."""

    def __init__(self, database: Database) -> None:
        """Use an open database."""
        self._database = database

    def add(
        self, run: str, fingerprint: str, path: Path, *, kind: str, parents: Iterable[str] = ()
    ) -> None:
        """Record what a run left; what stands there already is replaced."""
        place = str(path.resolve())
        fields = {
            "fingerprint": fingerprint,
            "path": place,
            "kind": kind,
            "run": run,
            "made": now(),
        }
        above = set(parents) - {fingerprint}
        with self._database.writing() as connection:
            connection.execute(
                BUNDLES.delete().where(
                    BUNDLES.c.fingerprint == fingerprint, BUNDLES.c.path == place
                )
            )
            connection.execute(BUNDLES.insert().values(**fields))
            connection.execute(PARENTS.delete().where(PARENTS.c.child == fingerprint))
            if above:
                rows = [{"child": fingerprint, "parent": parent} for parent in sorted(above)]
                connection.execute(PARENTS.insert(), rows)

    def of_run(self, run: str) -> list[Made]:
        """Return what a run left."""
        return self._read(select(BUNDLES).where(BUNDLES.c.run == run))

    def of(self, fingerprint: str) -> list[Made]:
        """Return where a bundle stands, as far as it is recorded: the newest first."""
        mine = select(BUNDLES).where(BUNDLES.c.fingerprint == fingerprint)
        return self._read(mine.order_by(BUNDLES.c.made.desc()))

    def within(self, folder: Path) -> list[Made]:
        """Return what is recorded of a folder."""
        whole = folder.resolve()
        return [own for own in self._read(select(BUNDLES)) if Path(own.path).is_relative_to(whole)]

    def parents_of(self, fingerprint: str) -> list[str]:
        """Return the fingerprints of what a bundle was made from."""
        query = select(PARENTS.c.parent).where(PARENTS.c.child == fingerprint)
        with self._database.reading() as connection:
            return list(connection.execute(query.order_by(PARENTS.c.parent)).scalars())

    def children_of(self, fingerprint: str) -> list[str]:
        """Return the fingerprints of what was made from a bundle or a backbone."""
        query = select(PARENTS.c.child).where(PARENTS.c.parent == fingerprint)
        with self._database.reading() as connection:
            return list(connection.execute(query.order_by(PARENTS.c.child)).scalars())

    def _read(self, query: Any) -> list[Made]:
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
        return [Made(*(getattr(row, name) for name in Made.__slots__)) for row in rows]
