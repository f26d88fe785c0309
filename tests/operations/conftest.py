"""A workspace in which runs are made, or told of as if they had been."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tunesmith.operations import execute
from tunesmith.session import Session
from tunesmith.store.workspace import Workspace


class Work:
    """A workspace in which runs were made, and the data they were made from."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.session = Session(workspace=Workspace(folder / "home"))
        self.workspace = self.session.workspace

    def do(self, verb: str, **values: Any) -> Any:
        """Carry out an operation in this workspace."""
        return execute(verb, values, session=self.session)

    def runs(self, action: str, *names: object, **values: Any) -> dict[str, Any]:
        """Carry out `runs ACTION NAMES…`."""
        found = self.do("runs", action=action, names=[str(name) for name in names], **values)
        return found.to_json()

    def past_run(self, name: str, *, checkpoints: int = 0) -> str:
        """Record a finished fit whose folder has a lock, a bundle's manifest and checkpoints."""
        identity = self.workspace.runs.start("fit", {"data": "x.csv"}, out=f"runs/{name}")
        self.make_folder(name, checkpoints=checkpoints)
        bundle = self.folder / "runs" / name / "bundle"
        self.workspace.runs.finish(identity, "done", result={"bundle": str(bundle)})
        self.workspace.made.add(identity, f"f-{name}", bundle, kind="bundle")
        return identity

    def make_folder(self, name: str, *, checkpoints: int = 0) -> Path:
        """Make the folder of a finished run, which no record tells of, and return it."""
        folder = self.folder / "runs" / name
        (folder / "bundle").mkdir(parents=True)
        (folder / "config.lock.yaml").write_text("data: x.csv\n", "utf-8")
        for step in range(1, checkpoints + 1):
            (folder / f"checkpoint-{step}").mkdir()
            (folder / f"checkpoint-{step}" / "state.json").write_text("{}", "utf-8")
        return folder


@pytest.fixture(scope="session")
def new_work() -> type[Work]:
    """Return what makes a workspace of a folder."""
    return Work


@pytest.fixture
def records(tmp_path, monkeypatch) -> Work:
    """Return a workspace without runs; its folder is the current one."""
    monkeypatch.chdir(tmp_path)
    return Work(tmp_path)
