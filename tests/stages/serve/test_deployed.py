"""The command of the Kubernetes deployment, run here: its probes, its figures, what it writes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import tunesmith
from tunesmith.session import Session
from tunesmith.store.workspace import Workspace

from .conftest import running

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])


def test_deployment_starts_answers_its_probes_and_writes_nothing(
    tmp_path, bundle, repository, monkeypatch
):
    folder = repository / "deploy"
    session = Session(workspace=Workspace(tmp_path / "elsewhere"))
    keys = tmp_path / "keys.json"
    key = tunesmith.keys("add", "prometheus", scope="admin", keys=keys, session=session).key
    keys.chmod(0o440)
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.setenv("TMPDIR", str(empty))
    monkeypatch.setenv("HOME", str(empty))
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    text = (folder / "kubernetes" / "base" / "deployment.yaml").read_text("utf-8")
    (container,) = yaml.safe_load(text)["spec"]["template"]["spec"]["containers"]
    places = {"desk=/bundle": f"desk={bundle}", "--keys=/keys/keys.json": f"--keys={keys}"}
    assert places.keys() <= set(container["args"])
    words = [places.get(word, word) for word in container["args"][1:]]
    with running(tmp_path, *words) as service:
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert service.ask(container[probe]["httpGet"]["path"]).status == 200, probe
        assert service.ask(body={"row": "card"}).status == 401
        given = {"authorization": f"Bearer {key}"}
        shown = service.ask("/metrics", headers=given).body.decode()
        asked = {
            "tunesmith_ready 1.0",
            "tunesmith_queue_requests 0.0",
            "tunesmith_workers_ready 1.0",
        }
        assert asked <= set(shown.splitlines())
        assert service.ask(body={"row": "card"}, headers=given).fields["model"] == "desk"
        check = health_check(folder, service.port)
        assert subprocess.run(check, check=False, env=dict(os.environ)).returncode == 0
        assert not service.home.exists()
    assert not list(empty.iterdir())
    assert subprocess.run(check, check=False, capture_output=True).returncode != 0


def health_check(folder: Path, port: int) -> list[str]:
    """Return the command of the image's health check, for a port of this machine."""
    text = (folder / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
    (line,) = (line for line in text.splitlines() if line.startswith("HEALTHCHECK"))
    program, *words = yaml.safe_load(line[line.index("[") :])
    assert program == "python"
    assert any(":8000/" in word for word in words)
    return [sys.executable, *(word.replace(":8000/", f":{port}/") for word in words)]
