"""Both kinds of databases: a SQLite file, and a PostgreSQL that is started from its binaries."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

START_SECONDS = 60


def postgres_binary(name: str) -> str:
    """Return the path of one of PostgreSQL's programs; skip where it is not installed."""
    pytest.importorskip("psycopg", reason="the extra `postgres` is not installed")
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = shutil.which(name, path=os.pathsep.join([os.environ["PATH"], *map(str, folders)]))
    if found is None:
        pytest.skip(f"PostgreSQL is not installed: there is no {name}")
    return found


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Give the folder of the socket of a PostgreSQL of our own; it is stopped at the end.

    It listens to no port. As root it runs as another user, which it insists on.
    """
    initdb, postgres = postgres_binary("initdb"), postgres_binary("postgres")
    folder = Path(tempfile.mkdtemp(prefix="tunesmith-pg-"))
    who: dict = {}
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        who = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C"}
    how = {"cwd": folder, "env": environment, "stdin": subprocess.DEVNULL, **who}
    data = folder / "data"
    words = ["-D", str(data), "-U", "tunesmith", "-A", "trust", "-E", "UTF8", "--no-sync"]
    made = subprocess.run([initdb, *words], capture_output=True, text=True, check=False, **how)
    if made.returncode:
        shutil.rmtree(folder, ignore_errors=True)
        pytest.skip(f"PostgreSQL makes no database here: {made.stderr.strip()[-300:]}")
    words = ["-D", str(data), "-k", str(folder), "-c", "listen_addresses=", "-c", "fsync=off"]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen([postgres, *words], stdout=log, stderr=log, **how)
    try:
        wait_until_ready(server, folder)
        yield str(folder)
    finally:
        server.send_signal(signal.SIGINT)
        try:
            server.wait(timeout=30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait(timeout=30)
        shutil.rmtree(folder, ignore_errors=True)


def wait_until_ready(server: subprocess.Popen, folder: Path) -> None:
    import psycopg

    until = time.monotonic() + START_SECONDS
    while True:
        try:
            psycopg.connect(host=str(folder), user="tunesmith", dbname="postgres").close()
            return
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > until:
                said = (folder / "log").read_text(errors="replace")[-500:]
                pytest.fail(f"PostgreSQL did not start: {said}")
            time.sleep(0.05)


@pytest.fixture
def postgres_url(postgres_server, request) -> str:
    """Return the URL of an empty database in our PostgreSQL."""
    import psycopg

    name = f"t{os.getpid()}_{abs(hash(request.node.nodeid))}_{time.monotonic_ns()}"
    with psycopg.connect(
        host=postgres_server, user="tunesmith", dbname="postgres", autocommit=True
    ) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return f"postgresql+psycopg://tunesmith@/{name}?host={postgres_server}"


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request, tmp_path) -> Path | str:
    """Return where a new database is to be: a path, or a URL."""
    if request.param == "sqlite":
        return tmp_path / "runs.sqlite"
    return request.getfixturevalue("postgres_url")
