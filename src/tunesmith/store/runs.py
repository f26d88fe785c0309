"""The record of every run: what was asked, how it ended, its name, note and tags."""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.exc import IntegrityError

from tunesmith.core.errors import NotFoundError, SpecError
from tunesmith.core.machine import host_name
from tunesmith.store.database import Database
from tunesmith.store.tables import ALIASES, BUNDLES, PARENTS, RESULTS, RUNS, TAGS

NAME = re.compile(r"\w[\w.-]{0,63}")


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of an operation: what was asked, how it ended, what came of it.

    `status` is queued, running, done, failed, interrupted or stopped (its process is gone without a
    word); `directory` is where it was typed, which relative paths start from.
    """

    id: str
    operation: str
    status: str
    started: str
    finished: str | None
    out: str | None
    spec: dict[str, Any]
    result: dict[str, Any] | None
    problem: dict[str, Any] | None
    name: str | None = None
    note: str | None = None
    tags: tuple[str, ...] = ()
    host: str | None = None
    directory: str | None = None

    @property
    def folder(self) -> Path | None:
        """Where its output stands, as an absolute path; None where it wrote none."""
        return None if self.out is None else self.locate(self.out)

    def locate(self, path: str) -> Path:
        """Return a path of this run as an absolute one."""
        return Path(os.path.abspath(Path(self.directory or "") / path))

    def to_json(self) -> dict[str, Any]:
        """Return the fields under their own names."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        return {**fields, "tags": list(self.tags)}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which runs a list shall have; what is None is not asked for.

    `data` is a piece of the data argument, `since` an ISO 8601 moment in UTC.
    """

    operation: str | None = None
    status: str | None = None
    tag: str | None = None
    data: str | None = None
    since: str | None = None


class RunLog:
    """The tables of runs and tags in one database."""

    def __init__(self, database: Database) -> None:
        """Use an open database."""
        self._database = database

    def start(
        self, operation: str, spec: Mapping[str, Any], *, out: str | None, status: str = "running"
    ) -> str:
        """Record that a run begins, or waits (queued), and return its id: 8 hexadecimal digits."""
        fields = {
            "operation": operation,
            "status": status,
            "started": now(),
            "out": out,
            "process": os.getpid(),
            "host": host_name(),
            "directory": _directory(),
            "spec": _dump(spec),
        }
        while True:
            identity = secrets.token_hex(4)
            try:
                with self._database.writing() as connection:
                    connection.execute(RUNS.insert().values(id=identity, **fields))
                return identity
            except IntegrityError:  # the id is taken: of ten million runs, one draw in 400
                continue

    def begin(self, identity: str) -> None:
        """Record that a run that waited is now carried out by this process."""
        with self._database.writing() as connection:
            connection.execute(
                RUNS.update()
                .where(RUNS.c.id == identity)
                .values(
                    status="running",
                    started=now(),
                    process=os.getpid(),
                    host=host_name(),
                    directory=_directory(),
                )
            )

    def finish(
        self,
        identity: str,
        status: str,
        *,
        result: Mapping | None = None,
        problem: Mapping | None = None,
    ) -> None:
        """Record how a run ended."""
        with self._database.writing() as connection:
            connection.execute(
                RUNS.update()
                .where(RUNS.c.id == identity)
                .values(status=status, finished=now(), result=_dump(result), problem=_dump(problem))
            )

    def list(self, wanted: Wanted = Wanted(), *, limit: int | None) -> list[Run]:
        """Return the newest `limit` runs that are wanted, newest first; None gives all."""
        query = select(RUNS).order_by(RUNS.c.started.desc(), RUNS.c.id)
        if wanted.operation is not None:
            query = query.where(RUNS.c.operation == wanted.operation)
        if wanted.since is not None:
            query = query.where(RUNS.c.started >= wanted.since)
        if wanted.tag is not None:
            tagged = select(TAGS.c.run).where(TAGS.c.tag == wanted.tag)
            query = query.where(RUNS.c.id.in_(tagged))
        found: list[Run] = []
        if limit is not None and limit < 1:
            return found
        with self._database.reading() as connection:
            for row in connection.execute(query):
                run = _run(row)
                if wanted.status not in (None, run.status):
                    continue
                if wanted.data is not None and wanted.data not in str(run.spec.get("data")):
                    continue
                found.append(run)
                if len(found) == limit:
                    break
            return _with_tags(connection, found)

    def show(self, identity: str) -> Run:
        """Return the run of that name, else the one whose id begins with `identity`.

        Raises `NotFoundError` where none or several do.
        """
        begins = RUNS.c.id.startswith(identity, autoescape=True)
        with self._database.reading() as connection:
            rows = connection.execute(select(RUNS).where(RUNS.c.name == identity)).all()
            rows = rows or connection.execute(select(RUNS).where(begins)).all()
            if len(rows) == 1:
                return _with_tags(connection, [_run(rows[0])])[0]
        found = "none" if not rows else f"{len(rows)}: {', '.join(row.id for row in rows[:5])}"
        raise NotFoundError(
            f"one run must have an id that begins with `{identity}`; got {found}",
            hint="tunesmith runs",
        )

    def rename(self, identity: str, name: str) -> None:
        """Give a run a name of its own. Raises `SpecError` where another run has it."""
        require_word(name, "a name")
        try:
            with self._database.writing() as connection:
                connection.execute(RUNS.update().where(RUNS.c.id == identity).values(name=name))
        except IntegrityError as error:
            raise SpecError(
                f"the name of a run must be its own; `{name}` is taken",
                hint=f"tunesmith runs show {name}",
            ) from error

    def annotate(self, identity: str, note: str) -> None:
        """Replace a run's note; an empty one removes it."""
        with self._database.writing() as connection:
            kept = note or None
            connection.execute(RUNS.update().where(RUNS.c.id == identity).values(note=kept))

    def tag(self, identity: str, tags: Sequence[str], *, remove: bool = False) -> None:
        """Add tags to a run, or take them away. Raises `SpecError` for what is no tag."""
        for tag in tags:
            require_word(tag, "a tag")
        with self._database.writing() as connection:
            connection.execute(TAGS.delete().where(TAGS.c.run == identity, TAGS.c.tag.in_(tags)))
            if not remove:
                rows = [{"run": identity, "tag": tag} for tag in dict.fromkeys(tags)]
                connection.execute(TAGS.insert(), rows)

    def delete(self, identities: Iterable[str]) -> None:
        """Remove the records of runs: rows, tags, results and what they left, not the folders."""
        gone = tuple(identities)
        with self._database.writing() as connection:
            made = select(BUNDLES.c.fingerprint).where(BUNDLES.c.run.in_(gone))
            connection.execute(PARENTS.delete().where(PARENTS.c.child.in_(made)))
            for table in (BUNDLES, RESULTS, TAGS):
                connection.execute(table.delete().where(table.c.run.in_(gone)))
            unlink = ALIASES.update().where(ALIASES.c.run.in_(gone)).values(run=None)
            connection.execute(unlink)
            connection.execute(RUNS.delete().where(RUNS.c.id.in_(gone)))


def require_word(text: str, what: str) -> None:
    """Raise `SpecError` where a name, tag or alias could not be typed back."""
    if not NAME.fullmatch(text):
        raise SpecError(
            f"{what} must be 1 to 64 letters, digits, `_`, `-` and `.`, the first of them a letter "
            f"or digit; got {text[:80]!r}",
            hint="tunesmith runs tag RUN good-one",
        )


def now() -> str:
    """Return this moment in UTC, as records keep it."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def _with_tags(connection: Connection, runs: Sequence[Run]) -> list[Run]:
    tags: dict[str, list[str]] = {run.id: [] for run in runs}
    for names in _slices(list(tags)):
        rows = connection.execute(select(TAGS).where(TAGS.c.run.in_(names)).order_by(TAGS.c.tag))
        for row in rows:
            tags[row.run].append(row.tag)
    return [_replace_tags(run, tuple(tags[run.id])) for run in runs]


def _slices(names: Sequence[str], *, most: int = 500) -> Iterator[Sequence[str]]:
    """Yield the names in parts that a query may hold."""
    for start in range(0, len(names), most):
        yield names[start : start + most]


def _replace_tags(run: Run, tags: tuple[str, ...]) -> Run:
    return Run(**{**{name: getattr(run, name) for name in run.__slots__}, "tags": tags})


def _run(row: Any) -> Run:
    status = row.status
    is_here = row.host in (None, host_name())
    if status in ("queued", "running") and is_here and not _is_alive(row.process):
        status = "stopped"
    return Run(
        row.id,
        row.operation,
        status,
        row.started,
        row.finished,
        row.out,
        json.loads(row.spec),
        json.loads(row.result) if row.result else None,
        json.loads(row.problem) if row.problem else None,
        name=row.name,
        note=row.note,
        host=row.host,
        directory=row.directory,
    )


def _directory() -> str | None:
    """Return the current folder; None where it was removed."""
    try:
        return os.getcwd()
    except OSError:
        return None


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _dump(fields: Mapping | None) -> str | None:
    return None if fields is None else json.dumps(fields, ensure_ascii=False, default=str)
