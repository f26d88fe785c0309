"""The database: every older schema becomes the newest, many writers, a killed one, refusals."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from tunesmith.core.errors import MissingExtraError, ResourceError, SpecError
from tunesmith.store import database as database_module
from tunesmith.store.aliases import Aliases
from tunesmith.store.bundle_records import BundleRecords
from tunesmith.store.database import Database
from tunesmith.store.migrations import NEWEST, STEPS
from tunesmith.store.results import Results
from tunesmith.store.runs import RunLog
from tunesmith.store.tables import METADATA

FIRST_SCHEMA = """
CREATE TABLE runs (
  id VARCHAR(12) NOT NULL, operation VARCHAR(32) NOT NULL, status VARCHAR(16) NOT NULL,
  started VARCHAR(32) NOT NULL, finished VARCHAR(32), out TEXT, process INTEGER NOT NULL,
  spec TEXT NOT NULL, result TEXT, problem TEXT, PRIMARY KEY (id)
);
CREATE TABLE schema_version (version INTEGER NOT NULL, PRIMARY KEY (version));
INSERT INTO schema_version VALUES (1);
"""
"""What the first version of Tunesmith wrote into a new SQLite file."""

DATA = {
    1: [
        "INSERT INTO runs (id, operation, status, started, finished, out, process, spec, result) "
        "VALUES ('aaaa1111', 'fit', 'done', '2026-01-01T00:00:00.000000+00:00', "
        "'2026-01-01T00:01:00.000000+00:00', 'runs/x', 1, '{\"data\": \"行.csv\"}', "
        "'{\"seconds\": 1.5}')",
        "INSERT INTO runs (id, operation, status, started, process, spec, problem) VALUES "
        "('bbbb2222', 'fit', 'failed', '2026-01-02T00:00:00.000000+00:00', 1, '{}', "
        '\'{"error": "data"}\')',
    ],
    2: [
        "UPDATE runs SET name = 'first', note = 'good', host = 'h', directory = '/w' "
        "WHERE id = 'aaaa1111'",
        "INSERT INTO tags VALUES ('aaaa1111', 'kept')",
    ],
    3: [
        "INSERT INTO aliases (alias, path, fingerprint, run, since, author) VALUES "
        "('production', '/w/runs/x/bundle', 'f0', 'aaaa1111', '2026-01-03', 'me')"
    ],
    4: [
        "INSERT INTO bundles VALUES ('f0', '/w/runs/x/bundle', 'bundle', 'aaaa1111', '2026-01-01')",
        "INSERT INTO parents VALUES ('f0', 'e0')",
    ],
}
"""What stands in a database before the step that follows, by schema."""

WRITER = """
import sys
from pathlib import Path
from tunesmith.store.database import Database
from tunesmith.store.runs import RunLog
place, writer, count = sys.argv[1:]
log = RunLog(Database(Path(place) if "://" not in place else place))
for number in range(int(count)):
    fields = {"writer": int(writer), "number": number}
    identity = log.start("fit", fields, out=None)
    log.tag(identity, ["mine"])
    log.finish(identity, "done", result=fields)
    print(identity, flush=True)
"""


def writer(place: Path | str, number: int, count: int) -> subprocess.Popen:
    command = [sys.executable, "-c", WRITER, str(place), str(number), str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def old_database(place: Path | str, schema: int) -> None:
    """Make a database of an older schema with rows in every table it has."""
    url = f"sqlite:///{place}" if isinstance(place, Path) else place
    engine = create_engine(url)
    with engine.begin() as connection:
        for number in range(schema):
            STEPS[number](connection)
            for statement in DATA[number + 1]:
                connection.execute(text(statement.replace(":", "\\:")))
        connection.execute(text("CREATE TABLE schema_version (version INTEGER PRIMARY KEY)"))
        connection.execute(text(f"INSERT INTO schema_version VALUES ({schema})"))
    engine.dispose()


@pytest.mark.parametrize("schema", range(1, NEWEST))
def test_database_of_an_older_schema_is_brought_up_to_date_with_its_data(place, schema):
    assert set(DATA) == set(range(1, NEWEST))
    old_database(place, schema)
    database = Database(place)
    assert database.version == NEWEST
    runs = {run.id: run for run in RunLog(database).list(limit=9)}
    assert set(runs) == {"aaaa1111", "bbbb2222"}
    first = runs["aaaa1111"]
    assert (first.status, first.spec, first.result) == (
        "done",
        {"data": "行.csv"},
        {"seconds": 1.5},
    )
    assert runs["bbbb2222"].problem == {"error": "data"}
    named = ("first", "good", ("kept",), "h", "/w")
    found = (first.name, first.note, first.tags, first.host, first.directory)
    assert found == (named if schema >= 2 else (None, None, (), None, None))
    aliases = [(own.alias, own.run) for own in Aliases(database).in_force()]
    assert aliases == ([("production", "aaaa1111")] if schema >= 3 else [])
    assert BundleRecords(database).parents_of("f0") == (["e0"] if schema >= 4 else [])
    assert Results(database).find() == []
    identity = RunLog(database).start("fit", {}, out=None)
    assert RunLog(database).show(identity).status == "running"
    database.close()


def test_file_of_the_first_version_is_brought_up_to_date(tmp_path):
    path = tmp_path / "runs.sqlite"
    with sqlite3.connect(path) as connection:
        connection.executescript(FIRST_SCHEMA)
        connection.execute("PRAGMA journal_mode=WAL")
        for statement in DATA[1]:
            connection.execute(statement)
    assert RunLog(Database(path)).show("aaaa").spec == {"data": "行.csv"}


def test_tables_that_queries_name_are_those_that_the_steps_make(place):
    database = Database(place)
    with database.reading() as connection:
        for table in METADATA.sorted_tables:
            assert connection.execute(table.select()).keys() == table.c.keys(), table.name
    assert len(METADATA.tables) == 6
    database.close()


def test_step_that_fails_leaves_the_schema_before_it_whole(place, monkeypatch):
    def fail(connection):
        connection.execute(text("CREATE TABLE half (id INTEGER)"))
        connection.execute(text("SELECT id FROM nowhere"))

    old_database(place, 1)
    monkeypatch.setattr(database_module, "STEPS", (*STEPS[:2], fail, *STEPS[3:]))
    with pytest.raises(ResourceError, match="nowhere"):
        Database(place)
    monkeypatch.undo()
    engine = create_engine(f"sqlite:///{place}" if isinstance(place, Path) else place)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version FROM schema_version")).scalar() == 2
    engine.dispose()
    database = Database(place)
    assert database.version == NEWEST
    assert len(RunLog(database).list(limit=9)) == 2
    database.close()


def test_database_of_a_later_schema_is_refused_and_left_alone(place):
    database = Database(place)
    identity = RunLog(database).start("fit", {}, out=None)
    with database.writing() as connection:
        connection.execute(text("UPDATE schema_version SET version = 99"))
    with pytest.raises(ResourceError, match="got 99, which a newer Tunesmith made") as caught:
        Database(place)
    assert "pip install --upgrade tunesmith" in caught.value.hint
    with database.reading() as connection:
        assert connection.execute(text("SELECT id FROM runs")).scalar() == identity
    database.close()


def test_processes_that_make_and_fill_one_database_lose_nothing_and_double_nothing(place):
    count = int(os.environ.get("TUNESMITH_WRITES", "25"))
    started = time.monotonic()
    writers = [writer(place, number, count) for number in range(8)]
    told = [each.communicate(timeout=1200) for each in writers]
    seconds = time.monotonic() - started
    assert [errors for _, errors in told] == [""] * 8
    identities = [line for out, _ in told for line in out.split()]
    database = Database(place)
    runs = RunLog(database).list(limit=None)
    assert len(identities) == len(set(identities)) == 8 * count
    assert sorted(run.id for run in runs) == sorted(identities)
    wrote = sorted((run.result["writer"], run.result["number"]) for run in runs)
    assert wrote == [(number, index) for number in range(8) for index in range(count)]
    assert {(run.status, run.tags) for run in runs} == {("done", ("mine",))}
    assert all(run.result == run.spec for run in runs)
    database.close()
    if count >= 1000:
        print(f"\n{8 * count} runs by 8 processes in {seconds:.1f} s")  # noqa: T201 (a figure asked for)


def test_writer_that_is_killed_leaves_the_database_whole(place):
    process = writer(place, 0, 100_000)
    told = [process.stdout.readline().strip() for _ in range(20)]
    process.send_signal(signal.SIGKILL)
    rest = process.communicate(timeout=30)[0].split()
    told += rest
    database = Database(place)
    runs = {run.id: run for run in RunLog(database).list(limit=None)}
    assert set(told) <= set(runs)
    assert all(runs[identity].status == "done" for identity in told)
    assert len(runs) - len(told) in (0, 1)
    assert {run.status for name, run in runs.items() if name not in told} <= {"stopped", "done"}
    if isinstance(place, Path):
        with sqlite3.connect(place) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    identity = RunLog(database).start("fit", {}, out=None)
    assert RunLog(database).show(identity).status == "running"
    database.close()


def test_file_that_another_program_holds_is_refused_with_its_reason(tmp_path, monkeypatch):
    path = tmp_path / "runs.sqlite"
    Database(path)
    monkeypatch.setattr(database_module, "LOCK_SECONDS", 0.1)
    log = RunLog(Database(path))
    with sqlite3.connect(path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(ResourceError, match="another program has held it for 0.1 seconds"):
            log.start("fit", {}, out=None)
        assert log.list(limit=1) == []
        other.execute("ROLLBACK")
    assert log.start("fit", {}, out=None)


def test_table_that_another_program_holds_is_refused_in_postgresql(postgres_url, monkeypatch):
    Database(postgres_url).close()
    monkeypatch.setattr(database_module, "LOCK_SECONDS", 1)
    database = Database(postgres_url)
    other = create_engine(postgres_url)
    with other.begin() as connection:
        connection.execute(text("LOCK TABLE runs IN ACCESS EXCLUSIVE MODE"))
        with pytest.raises(ResourceError, match="must be free to be used; .*held it for 1 sec"):
            RunLog(database).start("fit", {}, out=None)
    other.dispose()
    assert RunLog(database).start("fit", {}, out=None)
    database.close()


def test_file_that_is_read_only_is_refused_with_its_reason(tmp_path):
    """A process without rights, as root has them all: it may read the file and not write it."""
    path = tmp_path / "runs.sqlite"
    Database(path)
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from tunesmith.core.errors import ResourceError\n"
        "from tunesmith.store.database import Database\n"
        "from tunesmith.store.runs import RunLog\n"
        "import sqlalchemy.dialects.sqlite.pysqlite\n"
        "if os.geteuid() == 0:\n"
        "    os.setgid(65534); os.setuid(65534)\n"
        "try:\n"
        "    RunLog(Database(Path(sys.argv[1]))).start('fit', {}, out=None)\n"
        "except ResourceError as error:\n"
        "    print(error)\n"
    )
    for folder in (tmp_path, *tmp_path.parents):
        if os.geteuid() == 0 and folder.stat().st_mode & 0o5 != 0o5 and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o5)
        if folder.name.startswith("pytest-of"):
            break
    path.chmod(0o444)
    command = [sys.executable, "-c", code, str(path)]
    made = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert "must be readable and writable; it is read-only" in made.stdout, made.stderr
    assert f"the run log `{path}`" in made.stdout


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("no url at all", "must be a URL such as"),
        ("mysql://me@host/data", "sqlite or postgresql; got `mysql`"),
    ],
)
def test_url_that_is_no_database_of_ours_is_refused(url, says):
    with pytest.raises(SpecError, match=says) as caught:
        Database(url)
    assert "TUNESMITH_DATABASE" in caught.value.hint


def test_server_that_is_not_there_is_named_without_the_password(tmp_path):
    pytest.importorskip("psycopg", reason="the extra `postgres` is not installed")
    url = f"postgresql://me:secret@/records?host={tmp_path}"
    with pytest.raises(ResourceError, match="must be there and answer") as caught:
        Database(url)
    assert "secret" not in str(caught.value)
    assert "me:***@" in str(caught.value)


def test_postgresql_without_its_driver_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingExtraError) as caught:
        Database("postgresql://me@localhost/records")
    assert caught.value.hint == "pip install 'tunesmith[postgres]'"


def test_url_of_a_sqlite_file_is_that_file(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'mine.sqlite'}")
    identity = RunLog(database).start("fit", {}, out=None)
    with sqlite3.connect(tmp_path / "mine.sqlite") as connection:
        (row,) = connection.execute("SELECT id, spec FROM runs").fetchall()
    assert (row[0], json.loads(row[1])) == (identity, {})
