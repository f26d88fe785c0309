"""Operations asked for over HTTP give the results and problems that they give in Python.

That Python and the command line agree is shown in `test_same_answer.py`.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tunesmith
from tunesmith.operations import OPERATIONS

from ..stages.serve.conftest import Running, running
from .conftest import Reply, by_python
from .test_same_answer import _without_clocks, _without_door

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
SOON_SECONDS = 120
CHECK = {"data": "rows.csv", "task": "classification", "model": "model"}
GOOD: dict[str, tuple[str, dict[str, Any]]] = {
    "check": ("check", CHECK),
    "evaluate": ("evaluate", {"bundle": "run", "data": "rows.csv", "seed": 3}),
    "predict texts": ("predict", {"bundle": "run", "texts": ["good", "坏"], "all_scores": True}),
    "predict rows": (
        "predict",
        {"bundle": "run", "data": "rows.csv", "out": "answers.jsonl", "overwrite": True},
    ),
}
BAD: dict[str, tuple[str, dict[str, Any]]] = {
    "nothing": ("fit", {}),
    "three faults": ("fit", {**CHECK, "task": "poetry", "seed": -1, "training": {"epochs": 0}}),
    "unknown setting": ("fit", {**CHECK, "epochs": 3}),
    "setting of another method": ("fit", {**CHECK, "method": {"strengths": [1]}}),
    "no such operation's setting": ("export", {"bundles": "run"}),
}
FAILING: dict[str, tuple[str, dict[str, Any]]] = {
    "no such rows": ("evaluate", {"bundle": "run", "data": "rowz.csv"}),
    "texts and rows": (
        "predict",
        {"bundle": "run", "texts": ["x"], "data": "rows.csv", "out": "x.jsonl"},
    ),
}


@pytest.fixture(scope="module")
def root(tmp_path_factory, tiny_model, tiny_rows, fitted) -> Path:
    """Return the folder of jobs, with a model, rows, and a run whose bundle has an export."""
    folder = tmp_path_factory.mktemp("doors") / "root"
    shutil.copytree(tiny_model, folder / "model")
    shutil.copytree(fitted, folder / "run")
    shutil.copy(tiny_rows, folder / "rows.csv")
    tunesmith.export(folder / "run")
    return folder


@pytest.fixture(scope="module")
def service(tmp_path_factory, root) -> Iterator[tuple[Running, dict[str, str]]]:
    """Give a service that takes jobs, and what shows its key."""
    folder = tmp_path_factory.mktemp("service")
    key = tunesmith.keys("add", "door", scope="operate", keys=folder / "keys.json").key
    words = ("--keys", str(folder / "keys.json"), "--jobs", "--jobs-root", str(root))
    with running(folder, str(root / "run"), *words) as found:
        yield found, {"Authorization": f"Bearer {key}"}


def by_http(service: tuple[Running, dict[str, str]], verb: str, values: dict[str, Any]) -> Reply:
    """Ask as a client does, and wait for the end."""
    desk, headers = service
    asked = desk.ask("/v1/runs", {"operation": verb, "spec": values}, headers=headers)
    if asked.status != 202:
        return Reply(asked.fields, asked.status)
    path = asked.headers["location"]
    until = time.monotonic() + SOON_SECONDS
    while True:
        run = desk.ask(path, headers=headers).fields["run"]
        if run["status"] in ("done", "failed"):
            return Reply(run["result"] or run["problem"], 0 if run["status"] == "done" else 1)
        assert time.monotonic() < until, run
        time.sleep(0.05)


@pytest.mark.parametrize("name", GOOD)
def test_request_over_http_gives_the_result_of_python(name, service, root, tmp_path, monkeypatch):
    verb, values = GOOD[name]
    there = by_http(service, verb, values)
    assert there.status == 0, there.fields
    monkeypatch.chdir(root)
    here = by_python(verb, values, tmp_path)
    assert _without_clocks(there.fields) == _without_clocks(json.loads(json.dumps(here.fields)))


@pytest.mark.parametrize("name", BAD)
def test_bad_request_over_http_meets_the_problems_of_python(name, service, tmp_path):
    verb, values = BAD[name]
    there, here = by_http(service, verb, values), by_python(verb, values, tmp_path)
    assert there.status == 422
    assert problems(there) == problems(here)


@pytest.mark.parametrize("name", FAILING)
def test_run_that_fails_keeps_the_problems_of_python(name, service, root, tmp_path, monkeypatch):
    verb, values = FAILING[name]
    there = by_http(service, verb, values)
    assert there.status == 1
    monkeypatch.chdir(root)
    here = by_python(verb, values, tmp_path)
    assert there.fields["error"] == here.fields["error"]
    assert problems(there) == problems(here)


def problems(reply: Reply) -> Any:
    """Return the problems without the name of the door."""
    fields = {"problems": reply.fields["problems"]}
    return [
        {**problem, "where": problem["where"].removeprefix("request")}
        for problem in _without_door(fields)["problems"]
    ]


def test_operations_that_are_asked_for_are_operations():
    asked = {verb for verb, _ in (*GOOD.values(), *BAD.values(), *FAILING.values())}
    assert asked <= set(OPERATIONS)
