"""The database that keeps the records: a SQLite file, or PostgreSQL by URL, of the newest schema.

It knows connections, transactions and versions; what the tables hold is in the modules beside it.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    Table,
    create_engine,
    event,
    inspect,
    select,
    text,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import (
    ArgumentError,
    IntegrityError,
    NoSuchModuleError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.pool import NullPool

from tunesmith.core.errors import MissingExtraError, ResourceError, SpecError
from tunesmith.store.migrations import NEWEST, STEPS

LOCK_SECONDS = 30
"""How long a writer waits for another."""

CONNECT_SECONDS = 10
MIGRATION_LOCK = 0x74756E65
"""The number of PostgreSQL's advisory lock under which one process migrates ("tune")."""

LOCK_NOT_AVAILABLE = "55P03"
"""The state of a PostgreSQL statement that waited for a lock in vain."""

WAY_OUT = "export TUNESMITH_HOME=FOLDER"
_VERSION = Table("schema_version", MetaData(), Column("version", Integer, primary_key=True))


class Database:
    """One database of records. Writers of several processes and machines may share it.

    `where` names it in messages, without a password.
    """

    def __init__(self, place: Path | str) -> None:
        """Open the database at a path or URL, make it where it is missing, and bring it up to date.

        Raises `SpecError` for a URL that is none, `MissingExtraError` where PostgreSQL's driver is
        not installed, and `ResourceError` where the database cannot be used or is newer.
        """
        if isinstance(place, Path):
            self.where = str(place)
            self._file: Path | None = place
            self._engine = _sqlite_engine(place)
        else:
            self._engine, self._file = _engine_of(place)
            self.where = self._engine.url.render_as_string(hide_password=True)
        self._writing = self._engine.execution_options(tunesmith_writes=True)
        self._migrate()

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection that sees one state of the database. Raises `ResourceError`."""
        with self._translated(), self._engine.begin() as connection:
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give a connection whose changes are kept together at the end, or not at all.

        Writers of one file wait for each other at the beginning, so that none fails in the middle.
        Raises `ResourceError`, and lets the `IntegrityError` of a taken key pass.
        """
        with self._translated(), self._writing.begin() as connection:
            yield connection

    @property
    def version(self) -> int:
        """The schema that the database has."""
        with self.reading() as connection:
            return _read_version(connection)

    def close(self) -> None:
        """Close what is open."""
        self._engine.dispose()

    def _migrate(self) -> None:
        with self.reading() as connection:
            version = _read_version(connection)
        while version < NEWEST:
            with self.writing() as connection:
                if connection.dialect.name == "postgresql":
                    lock = text("SELECT pg_advisory_xact_lock(:number)")
                    connection.execute(lock, {"number": MIGRATION_LOCK})
                version = _read_version(connection)  # another process may have been faster
                if version < NEWEST:
                    STEPS[version](connection)
                    version += 1
                    _write_version(connection, version)
        if version > NEWEST:
            raise ResourceError(
                f"the run log `{self.where}` must have schema {NEWEST} or an older one; got "
                f"{version}, which a newer Tunesmith made",
                hint=f"pip install --upgrade tunesmith, or {WAY_OUT}",
            )

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        """Translate what SQL and disk refuse."""
        try:
            if self._file is not None:
                self._file.parent.mkdir(parents=True, exist_ok=True)
            yield
        except IntegrityError:
            raise
        except (OSError, SQLAlchemyError) as error:
            must, hint = self._told(error)
            raise ResourceError(f"the run log `{self.where}` {must}", hint=hint) from error

    def _told(self, error: Exception) -> tuple[str, str]:
        cause = getattr(error, "orig", None)
        code = getattr(cause, "sqlite_errorcode", None)
        primary = None if code is None else code & 0xFF
        is_locked = primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
        if is_locked or getattr(cause, "sqlstate", None) == LOCK_NOT_AVAILABLE:
            found = f"another program has held it for {LOCK_SECONDS} seconds"
            hint = WAY_OUT if self._file is None else f"fuser {self.where}, or {WAY_OUT}"
            return f"must be free to be used; {found}", hint
        first = str(error).splitlines()[0]
        must = f"must be readable and writable; {first}"
        if primary == sqlite3.SQLITE_READONLY:
            must = "must be readable and writable; it is read-only"
        hint = WAY_OUT
        if self._file is None:
            hint = "export TUNESMITH_DATABASE=postgresql+psycopg://USER@HOST/DATABASE"
            if isinstance(error, OperationalError):
                must = f"must be there and answer; {first}"
        return must, hint


def _engine_of(url: str) -> tuple[Engine, Path | None]:
    """Return the engine of a URL, and the file where it is SQLite's."""
    hint = "export TUNESMITH_DATABASE=postgresql+psycopg://USER@HOST/DATABASE"
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise SpecError(
            "the database of the records must be a URL such as "
            "postgresql+psycopg://USER@HOST/DATABASE; got a text that is none",
            hint=hint,
        ) from error
    kind = parsed.get_backend_name()
    if kind == "sqlite" and parsed.database:
        return _sqlite_engine(Path(parsed.database)), Path(parsed.database)
    if kind not in ("postgresql", "postgres"):
        raise SpecError(
            f"the records are kept by sqlite or postgresql; got `{kind}`",
            hint=hint,
        )
    parsed = parsed.set(drivername="postgresql+psycopg")
    try:
        return (
            create_engine(
                parsed,
                pool_pre_ping=True,
                connect_args={
                    "connect_timeout": CONNECT_SECONDS,
                    "options": f"-c lock_timeout={LOCK_SECONDS}s",
                },
            ),
            None,
        )
    except (ImportError, NoSuchModuleError) as error:
        raise MissingExtraError(
            "records in PostgreSQL need the package psycopg, which is not installed",
            hint="pip install 'tunesmith[postgres]'",
        ) from error


def _sqlite_engine(path: Path) -> Engine:
    engine = create_engine(
        f"sqlite:///{path}", connect_args={"timeout": LOCK_SECONDS}, poolclass=NullPool
    )
    event.listen(engine, "connect", _prepare_file)
    event.listen(engine, "begin", _begin)
    return engine


def _begin(connection: Connection) -> None:
    """Begin a transaction ourselves: a writer takes its lock now, when it can still wait for it."""
    writes = connection.get_execution_options().get("tunesmith_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _prepare_file(connection: Any, _: Any) -> None:
    """Make the file log ahead. SQLite waits for no lock while it switches, so this does."""
    connection.isolation_level = None  # the driver begins no transaction of its own
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


def _read_version(connection: Connection) -> int:
    """Return the schema of a database; 0 where it is empty."""
    if not inspect(connection).has_table(_VERSION.name):
        return 0
    return connection.execute(select(_VERSION.c.version)).scalar() or 0


def _write_version(connection: Connection, version: int) -> None:
    _VERSION.metadata.create_all(connection)
    connection.execute(_VERSION.delete())
    connection.execute(_VERSION.insert().values(version=version))
