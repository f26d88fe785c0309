"""Long jobs over HTTP: one at a time, on record, followed, stopped, and never for ever."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import tunesmith
from tunesmith.core.errors import SpecError
from tunesmith.store.workspace import Workspace

from .conftest import FREE, Reply, Running, running
from .test_trails import read

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
SOON_SECONDS = 60
READERS = 3
STATES = (b"queued", b"running")
LONG = {
    "data": "rows.csv",
    "task": "classification",
    "model": "model",
    "method": {"name": "full", "head_start": "random"},
    "training": {"epochs": 3_000, "evaluate_every": 100_000},
    "out": "runs/long",
}
"""A fit whose end nobody waits for."""


@dataclass
class Desk:
    """A service that takes jobs, its folder, and a key of each scope."""

    service: Running
    root: Path
    keys: dict[str, str]

    def ask(
        self, path: str = "/v1/runs", body: Any = None, *, scope: str = "operate", **how
    ) -> Reply:
        """Send one request with a key."""
        headers = {"Authorization": f"Bearer {self.keys[scope]}"} | how.pop("headers", {})
        return self.service.ask(path, body, headers=headers, **how)

    def run(self, operation: str, **spec: Any) -> str:
        """Ask for an operation and return the id of its run."""
        reply = self.ask(body={"operation": operation, "spec": spec})
        assert reply.status == 202, reply.fields
        run = reply.fields["run"]
        assert run["status"] == "queued"
        assert reply.headers["location"] == f"/v1/runs/{run['id']}"
        return run["id"]

    def look(self, run: str) -> dict[str, Any]:
        """Return a run as it stands."""
        return self.ask(f"/v1/runs/{run}").fields["run"]

    def wait(self, run: str, *statuses: str) -> dict[str, Any]:
        """Wait until a run stands so, and return it."""
        until = time.monotonic() + SOON_SECONDS
        while (found := self.look(run))["status"] not in statuses:
            assert time.monotonic() < until, found
            time.sleep(0.05)
        return found

    def events(self, run: str, after: int | None = None, *, most: int = 10**6) -> list:
        """Return the events of a run until its end, or until there are so many."""
        headers = {"Authorization": f"Bearer {self.keys['operate']}"}
        headers |= {} if after is None else {"Last-Event-ID": str(after)}
        asking = http.client.HTTPConnection("127.0.0.1", self.service.port, timeout=SOON_SECONDS)
        with contextlib.closing(asking):
            asking.request("GET", f"/v1/runs/{run}/events", headers=headers)
            reply = asking.getresponse()
            assert reply.getheader("content-type") == "text/event-stream; charset=utf-8"
            data = b""
            while len(read(data)) < most and (line := reply.readline()):
                data += line
        return read(data)[:most]

    def statuses_of_readers(self, run: str, count: int) -> list[int]:
        """Return what so many readers of one run's events are told, none of whom leaves."""
        statuses = []
        with contextlib.ExitStack() as stack:
            for _ in range(count):
                asking = http.client.HTTPConnection("127.0.0.1", self.service.port, timeout=20)
                stack.enter_context(contextlib.closing(asking))
                headers = {"Authorization": f"Bearer {self.keys['operate']}"}
                asking.request("GET", f"/v1/runs/{run}/events", headers=headers)
                statuses.append(asking.getresponse().status)
        return statuses


@contextlib.contextmanager
def taking_jobs(folder: Path, bundle: Path, model: Path, rows: Path, *words: str) -> Iterator[Desk]:
    """Start a service that takes jobs within a folder that holds a model and rows."""
    root, path = folder / "root", folder / "keys.json"
    if not root.exists():
        shutil.copytree(model, root / "model")
        shutil.copytree(bundle, root / "bundle")
        shutil.copy(rows, root / "rows.csv")
    keys = {
        scope: tunesmith.keys("add", f"{scope}-{len(words)}", scope=scope, keys=path).key
        for scope in ("predict", "operate", "admin")
    }
    limits = ("waiting=1", "heartbeat_ms=100", f"readers={READERS}")
    set_limits = [word for limit in limits for word in ("--set", f"job_limits.{limit}")]
    given = ("--jobs", "--jobs-root", str(root), "--keys", str(path), *set_limits, *words)
    with running(folder, str(bundle), *given, *FREE) as service:
        yield Desk(service, root, keys)


@pytest.fixture(scope="module")
def desk(tmp_path_factory, bundle, tiny_model, tiny_rows) -> Iterator[Desk]:
    """Give a service that takes jobs, one for all tests of the module."""
    with taking_jobs(tmp_path_factory.mktemp("desk"), bundle, tiny_model, tiny_rows) as found:
        yield found


def test_jobs_wait_their_turn_are_followed_and_stopped(desk):
    first = desk.run("fit", **LONG)
    taken = desk.run("check", data="rows.csv", task="classification", model="model")
    full = desk.ask(body={"operation": "check", "spec": {"data": "rows.csv", "task": "ner"}})
    assert full.status == 503
    assert int(full.headers["retry-after"]) >= 1
    assert "the queue of jobs must have room" in full.fields["problems"][0]["must"]
    assert desk.ask(f"/v1/runs/{taken}", method="DELETE").fields["run"]["status"] == "interrupted"
    assert [kind for _, kind, _ in desk.events(taken)] == ["status", "end"]
    second = desk.run("predict", bundle="bundle", data="rows.csv", out="answers.jsonl")

    begun = desk.events(first, most=9)
    assert [number for number, *_ in begun] == list(range(1, 10))
    assert begun[0][1:] == ("status", {"status": "queued", "before": 0})
    assert {"said", "step"} <= {kind for _, kind, _ in begun}
    assert desk.events(first, after=5, most=4) == begun[5:]
    assert desk.look(first)["status"] == "running"
    assert desk.look(second)["status"] == "queued"
    figures = desk.ask("/metrics", scope="admin").body
    assert all(b'tunesmith_jobs{status="%s"} 1.0' % state in figures for state in STATES)

    assert desk.ask(f"/v1/runs/{first}", method="DELETE").status == 202
    ended = desk.wait(first, "interrupted")
    assert ended["problem"]["error"] == "interrupted"
    assert "config.lock.yaml --resume" in ended["problem"]["hint"]
    assert (desk.root / "runs" / "long" / "config.lock.yaml").exists()
    last = desk.events(first, after=9)
    numbers = [number for number, *_ in last]
    assert numbers == list(range(10, 10 + len(last)))
    assert last[-1][1:] == ("end", {"status": "interrupted", "problem": ended["problem"]})
    gone = desk.ask(f"/v1/runs/{first}/events", headers={"Last-Event-ID": str(numbers[-1])})
    assert (gone.status, gone.body) == (204, b"")

    done = desk.wait(second, "done")
    assert done["result"]["rows"] == 60
    assert len((desk.root / "answers.jsonl").read_text("utf-8").splitlines()) == 60
    assert desk.ask(f"/v1/runs/{second}", method="DELETE").status == 409
    listed = desk.ask("/v1/runs?limit=3").fields["runs"]
    assert [run["id"] for run in listed] == [second, first, taken]
    assert not {"spec", "result"} & set(listed[0])


def test_job_whose_process_is_lost_is_interrupted_and_the_next_goes_on(desk):
    count = len(desk.service.events("job_begins"))
    lost = desk.run("predict", bundle="bundle", texts=["it is good"])
    os.kill(desk.service.wait_for("job_begins", count + 1)["process"], signal.SIGKILL)
    following = desk.run("predict", bundle="bundle", texts=["it is bad"])
    found = desk.wait(lost, "interrupted")
    assert found["problem"]["problems"][0]["must"] == "its process was lost (signal 9)"
    answers = desk.wait(following, "done")["result"]["predictions"]
    expected = tunesmith.predict(desk.root / "bundle", ["it is bad"]).predictions
    assert answers == list(expected)


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"operation": "evalute", "spec": {}}, 404, "one of check, plan, fit"),
        ({"operation": "keys", "spec": {}}, 404, "one of check, plan, fit"),
        ({"spec": {}}, 422, "`operation` must be given"),
        ({"operation": "fit", "specs": {}}, 422, "did you mean `spec`?"),
        ({"operation": "fit", "spec": {"dat": "x"}}, 422, "did you mean `data`?"),
        ({"operation": "fit", "spec": {"data": "/etc", "task": "ner"}}, 422, "inside the folders"),
        ({"operation": "check", "spec": {"data": "\ud800", "task": "ner"}}, 422, "Unicode"),
        ({"operation": "check", "spec": {"data": "\0", "task": "ner"}}, 422, "NUL"),
    ],
)
def test_bad_request_is_refused_with_its_problems_before_it_is_on_record(desk, body, status, words):
    before = desk.ask("/v1/runs?limit=200").fields
    reply = desk.ask(body=body)
    assert reply.status == status
    assert any(words in f"{p['must']}; {p['found']}" for p in reply.fields["problems"])
    assert desk.ask("/v1/runs?limit=200").fields == before


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "limit=1e3", "page=2"])
def test_list_refuses_what_it_does_not_take(desk, query):
    assert desk.ask(f"/v1/runs?{query}").status == 422


def test_key_without_the_scope_and_strangers_are_refused(desk):
    body = {"operation": "check", "spec": {}}
    for path, given in (("/v1/runs", None), ("/v1/runs", body), ("/v1/runs/0a1b2c3d/events", None)):
        assert desk.ask(path, given, scope="predict").status == 403
        assert desk.service.ask(path, given).status == 401
    for path in ("/v1/runs/0a1b2c3d", "/v1/runs/0a1b2c3d/events", "/v1/runs/..%2f..%2fetc"):
        assert desk.ask(path).status == 404
        assert desk.ask(path, scope="admin").status == 404
    assert desk.ask("/v1/models").status == 200
    assert desk.ask("/metrics").status == 403
    number = {"Last-Event-ID": "-1"}
    assert desk.ask("/v1/runs/0a1b2c3d/events", headers=number).status == 422


def test_runs_that_were_not_asked_for_over_http_are_not_shown(desk):
    records = Workspace(desk.service.home).runs
    other = records.start("fit", {"data": "secret"}, out=None)
    assert desk.ask(f"/v1/runs/{other}").status == 404
    assert other not in {run["id"] for run in desk.ask("/v1/runs?limit=200").fields["runs"]}


def test_run_that_another_service_carries_out_is_seen_but_neither_followed_nor_stopped(desk):
    records = Workspace(desk.service.home).runs
    other = records.start("fit", {"data": "rows.csv"}, out=None)  # by this very process
    records.tag(other, ["http"])
    assert desk.look(other)["status"] == "running"
    assert desk.ask(f"/v1/runs/{other}/events").status == 409
    assert desk.ask(f"/v1/runs/{other}", method="DELETE").status == 409


def test_operations_say_which_may_be_asked_for(desk):
    found = desk.ask("/v1/operations").fields["operations"]
    offered = {row["name"] for row in found if row["as_run"]}
    assert offered == {
        "check",
        "plan",
        "fit",
        "evaluate",
        "predict",
        "export",
        "pretrain",
        "prompt",
    }


def test_service_that_is_killed_leaves_its_jobs_interrupted(
    tmp_path, bundle, tiny_model, tiny_rows
):
    with taking_jobs(tmp_path, bundle, tiny_model, tiny_rows) as desk:
        lines = (f"my order {number} is good" for number in range(300_000))
        (desk.root / "many.csv").write_text("\n".join(["text", *lines]) + "\n", "utf-8")
        many = {"bundle": "bundle", "data": "many.csv", "cache": 0}
        carried_out = desk.run("predict", **many, out="answers.jsonl")
        waiting = desk.run("predict", **many, out="more.jsonl")
        assert "progress" in {kind for _, kind, _ in desk.events(carried_out, most=5)}
        assert desk.statuses_of_readers(carried_out, READERS + 1)[-1] == 503
        desk.service.process.kill()
        desk.service.process.wait(10)
        records = Workspace(desk.service.home).runs
        until = time.monotonic() + SOON_SECONDS
        while records.show(carried_out).status == "running":
            assert time.monotonic() < until
            time.sleep(0.05)
        assert records.show(carried_out).status == "interrupted"
        assert records.show(waiting).status == "stopped"
    (tmp_path / "service.log").unlink()
    with taking_jobs(tmp_path, bundle, tiny_model, tiny_rows, "--workers", "1") as desk:
        assert desk.look(waiting)["status"] == "interrupted"
        assert [kind for _, kind, _ in desk.events(waiting)] == ["end"]
        going = desk.run("predict", **many, out="again.jsonl")
        assert len(desk.events(going, most=5)) == 5
        assert desk.service.stop() == 0
        assert Workspace(desk.service.home).runs.show(going).status == "interrupted"


def test_jobs_need_a_folder_and_keys(tmp_path, bundle):
    common = {"log": tmp_path / "log", "keys": tmp_path / "keys.json", "jobs": True}
    with pytest.raises(SpecError, match="must have a folder that they may touch"):
        tunesmith.serve(bundle, **common)
    with pytest.raises(SpecError, match="must have keys"):
        tunesmith.serve(bundle, **common, jobs_root=[tmp_path])
