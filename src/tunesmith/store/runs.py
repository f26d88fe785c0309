"""The record of every run, in SQLite through SQLAlchemy; the only module that speaks SQL."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import sqlite3
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    event,
    select,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import CreateTable

from tunesmith.core.errors import NotFoundError, ResourceError

SCHEMA_VERSION = 1
LOCK_SECONDS = 30
"""How long a writer waits for another."""

_METADATA = MetaData()
_RUNS = Table(
    "runs",
    _METADATA,
    Column("id", String(12), primary_key=True),
    Column("operation", String(32), nullable=False),
    Column("status", String(16), nullable=False),
    Column("started", String(32), nullable=False),
    Column("finished", String(32)),
    Column("out", Text),
    Column("process", Integer, nullable=False),
    Column("spec", Text, nullable=False),
    Column("result", Text),
    Column("problem", Text),
)
_SCHEMA = Table("schema_version", _METADATA, Column("version", Integer, primary_key=True))


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of an operation: what was asked, how it ended, what came of it.

    `status` is running, done, failed, interrupted or stopped (its process is gone without a word).
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

    def to_json(self) -> dict[str, Any]:
        """Return the fields under their own names."""
        return {name: getattr(self, name) for name in self.__slots__}


class RunLog:
    """The table of runs in one database file. Writers of several processes may share it (WAL)."""

    def __init__(self, path: Path) -> None:
        """Open the table, and make it where it is missing.

        Raises `ResourceError` where the file cannot be used.
        """
        self._path = path
        self._engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": LOCK_SECONDS})
        event.listen(self._engine, "connect", _set_pragmas)
        with self._connected() as connection:
            for table in _METADATA.sorted_tables:  # several processes may be making the file
                connection.execute(CreateTable(table, if_not_exists=True))
            version = connection.execute(select(_SCHEMA.c.version)).scalar()
            if version is None:
                connection.execute(
                    _SCHEMA.insert().prefix_with("OR IGNORE").values(version=SCHEMA_VERSION)
                )
                version = SCHEMA_VERSION
        if version != SCHEMA_VERSION:
            raise ResourceError(
                f"the run log `{path}` must have schema {SCHEMA_VERSION}; got {version}",
                hint="export TUNESMITH_HOME=FOLDER",
            )

    def start(self, operation: str, spec: Mapping[str, Any], *, out: str | None) -> str:
        """Record that a run begins and return its id: 8 hexadecimal digits."""
        identity = secrets.token_hex(4)
        with self._connected() as connection:
            connection.execute(
                _RUNS.insert().values(
                    id=identity,
                    operation=operation,
                    status="running",
                    started=_now(),
                    out=out,
                    process=os.getpid(),
                    spec=_dump(spec),
                )
            )
        return identity

    def finish(
        self,
        identity: str,
        status: str,
        *,
        result: Mapping | None = None,
        problem: Mapping | None = None,
    ) -> None:
        """Record how a run ended."""
        with self._connected() as connection:
            connection.execute(
                _RUNS.update()
                .where(_RUNS.c.id == identity)
                .values(
                    status=status, finished=_now(), result=_dump(result), problem=_dump(problem)
                )
            )

    def list(self, *, limit: int) -> list[Run]:
        """Return the newest `limit` runs, newest first."""
        with self._connected() as connection:
            rows = connection.execute(select(_RUNS).order_by(_RUNS.c.started.desc()).limit(limit))
            return [_run(row) for row in rows]

    def show(self, identity: str) -> Run:
        """Return the run whose id begins with `identity`.

        Raises `NotFoundError` where none or several do.
        """
        with self._connected() as connection:
            query = select(_RUNS).where(_RUNS.c.id.startswith(identity, autoescape=True))
            rows = connection.execute(query).all()
        if len(rows) != 1:
            found = "none" if not rows else f"{len(rows)}: {', '.join(row.id for row in rows[:5])}"
            raise NotFoundError(
                f"one run must have an id that begins with `{identity}`; got {found}",
                hint="tunesmith runs",
            )
        return _run(rows[0])

    @contextlib.contextmanager
    def _connected(self) -> Iterator[Connection]:
        """Give a connection that commits at the end, and translate what SQL and disk refuse."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._engine.begin() as connection:
                yield connection
        except (OSError, SQLAlchemyError) as error:
            first = str(error).splitlines()[0]
            raise ResourceError(
                f"the run log `{self._path}` must be readable and writable; {first}",
                hint="export TUNESMITH_HOME=FOLDER",
            ) from error


def _run(row: Any) -> Run:
    status = row.status
    if status == "running" and not _is_alive(row.process):
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
    )


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _set_pragmas(connection: Any, _: Any) -> None:
    """Make the file log ahead. SQLite waits for no lock while it switches, so this does."""
    until = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            break
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)
    connection.execute("PRAGMA synchronous=NORMAL")


def _dump(fields: Mapping | None) -> str | None:
    return None if fields is None else json.dumps(fields, ensure_ascii=False, default=str)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
