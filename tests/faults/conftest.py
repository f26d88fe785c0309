"""What the tests of faults share: a command line to type into, and what a refusal must look like.

`type_in` runs the command line in this process, `processes` in one of its own.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

SETTINGS = {"training.batch_tokens": 256, "training.epochs": 2, "training.threads": 1}
"""A tuning of about a second, which leaves the other cores to whoever needs them."""


@dataclass(frozen=True)
class Typed:
    """How a command line ended: exit status, standard output and standard error."""

    status: int
    out: str
    err: str

    @property
    def hint(self) -> str:
        """The hint of the error."""
        return self.err.rpartition("Hint: ")[2].rstrip("\n")


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """Return an empty folder, made the current one."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def write(here) -> Callable[[str, str | bytes], Path]:
    """Return a function that writes a file of the given name and content here."""

    def put(name: str, content: str | bytes) -> Path:
        path = here / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return put


@pytest.fixture
def rows(tiny_rows, here) -> list[str]:
    """Put a good `rows.csv` here and return its lines."""
    shutil.copy(tiny_rows, here / "rows.csv")
    return tiny_rows.read_text("utf-8").splitlines()


@pytest.fixture
def type_in(here) -> Callable[..., Typed]:
    """Return a function that runs a command line here; no traceback may come of it."""
    from tunesmith.interfaces.cli import app

    def run(*words: object, stdin: str | None = None) -> Typed:
        assert Path.cwd() == here
        result = CliRunner().invoke(app, [str(word) for word in words], input=stdin)
        typed = Typed(result.exit_code, result.stdout, result.stderr)
        assert result.exception is None or isinstance(result.exception, SystemExit), typed
        if "--debug" not in words:
            assert "Traceback" not in typed.out + typed.err
        return typed

    return run


@pytest.fixture
def refuse(here, type_in) -> Callable[..., Typed]:
    """Return a function that runs a command line which must fail and change nothing here."""

    def run(*words: object, status: int, says: tuple[str, ...], hint: str = "") -> Typed:
        before = tree(here)
        typed = type_in(*words)
        assert typed.status == status, typed
        assert typed.err.count("Error: ") == 1, typed.err
        for part in says:
            assert part in typed.err
        assert typed.hint, typed.err
        assert hint in typed.hint
        assert tree(here) == before
        return typed

    return run


@pytest.fixture
def fit_words(tiny_model) -> tuple[str, ...]:
    """Return the words that, after `fit DATA`, tune the tiny model in about a second."""
    settings = [word for path, value in SETTINGS.items() for word in ("--set", f"{path}={value}")]
    return ("--task", "classification", "--model", str(tiny_model), *settings, "--out", "out")


@pytest.fixture
def snapshot() -> Callable[[Path], dict[str, str]]:
    """Return the function that tells every file and folder below a folder, with its content."""
    return tree


@pytest.fixture(scope="session")
def tuned(tiny_model, tiny_rows, tmp_path_factory) -> Path:
    """Return a finished run of the tiny model: bundle, checkpoints, lock file. Never change it."""
    import tunesmith
    from tunesmith.session import Session
    from tunesmith.store.workspace import Workspace

    folder = tmp_path_factory.mktemp("tuned")
    tunesmith.fit(
        str(tiny_rows),
        task="classification",
        model=str(tiny_model),
        training={path.partition(".")[2]: value for path, value in SETTINGS.items()},
        out=str(folder / "run"),
        session=Session(workspace=Workspace(folder / "home")),
    )
    return folder / "run"


@pytest.fixture
def run_folder(tuned, here) -> Path:
    """Return a copy of the finished run, `run` here."""
    return Path(shutil.copytree(tuned, here / "run"))


@pytest.fixture
def bundle(run_folder, here) -> Path:
    """Return a copy of the finished run's bundle, `bundle` here."""
    (run_folder / "bundle").rename(here / "bundle")
    shutil.rmtree(run_folder)
    return here / "bundle"


class Process:
    """A command line in a process of its own."""

    def __init__(self, server: subprocess.Popen, process: int, folder: Path) -> None:
        self.process = process
        self._server = server
        self._folder = folder

    def wait(self, seconds: float = 60) -> Typed:
        """Return how it ended; a status below 0 is the signal that killed it."""
        fields = ask(self._server, {"wait": self.process, "seconds": seconds})
        self.peak_bytes = fields["peak_bytes"]
        out, err = ((self._folder / name).read_text("utf-8") for name in ("stdout", "stderr"))
        assert "Traceback" not in out + err, err
        return Typed(fields["status"], out, err)


@pytest.fixture(scope="session")
def warm_server() -> Iterator[subprocess.Popen]:
    """Give the process that forks command lines."""
    script = Path(__file__).parent / "warm_process.py"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    with subprocess.Popen(
        [sys.executable, str(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as server:
        assert json.loads(server.stdout.readline())["ready"]
        yield server
        server.stdin.close()


@pytest.fixture
def processes(warm_server, here, tmp_path) -> Callable[..., Process]:
    """Return a function that starts a command line here, in a process of its own."""

    def start(
        *words: object,
        stdin: str | None = os.devnull,
        stdout: str | None = None,
        stderr: str | None = None,
        largest_file_bytes: int | None = None,
    ) -> Process:
        folder = tmp_path / f"process-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        (folder / "stdout").touch()
        (folder / "stderr").touch()
        fields = ask(
            warm_server,
            {
                "words": [str(word) for word in words],
                "folder": str(here),
                "environment": {"TUNESMITH_HOME": os.environ["TUNESMITH_HOME"]},
                "stdin": stdin,
                "stdout": stdout or str(folder / "stdout"),
                "stderr": stderr or str(folder / "stderr"),
                "largest_file_bytes": largest_file_bytes,
            },
        )
        return Process(warm_server, fields["process"], folder)

    return start


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Callable[[int], Path]]:
    """Return a function that mounts an empty disk of the given bytes, or makes it larger."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = False

    def mount(size: int) -> Path:
        nonlocal mounted
        options = f"remount,size={size}" if mounted else f"size={size}"
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        if shutil.which("mount") is None or os.geteuid() != 0:
            pytest.skip("mounting a small disk needs root")
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"this machine mounts no small disk: {done.stderr.strip()}")
        mounted = True
        return folder

    yield mount
    if mounted:
        os.chdir("/")
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def locked_folder(here) -> Iterator[Path]:
    """Give a folder here that even root cannot write to."""
    folder = here / "locked"
    folder.mkdir()
    if os.geteuid() != 0:
        folder.chmod(0o555)
        yield folder
        folder.chmod(0o755)
        return
    command = ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"root writes anywhere, and no disk can be mounted: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def ask(server: subprocess.Popen, request: dict) -> dict:
    """Return the server's answer to one request."""
    server.stdin.write(json.dumps(request) + "\n")
    server.stdin.flush()
    return json.loads(server.stdout.readline())


def tree(folder: Path) -> dict[str, str]:
    """Return the sha256 of every file below `folder` by its path; folders have none."""
    found = {}
    for path in sorted(folder.rglob("*")):
        content = ""
        if path.is_file():
            with contextlib.suppress(PermissionError):
                content = hashlib.sha256(path.read_bytes()).hexdigest()
        found[path.relative_to(folder).as_posix()] = content
    return found
