"""The service on a Ray of this machine: the same answers, keys and limits, replicas as needed."""

from __future__ import annotations

import importlib.util
import random
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

import tunesmith
from tunesmith.core.errors import SpecError
from tunesmith.session import Session
from tunesmith.store.bundles import read_bundle
from tunesmith.store.workspace import Workspace

from .conftest import FREE, Reply, Running, figure, running, spoil, wait_until

pytestmark = [
    pytest.mark.allow_hosts(["127.0.0.1"]),
    pytest.mark.skipif(
        importlib.util.find_spec("ray") is None, reason="pip install 'tunesmith[ray]' brings Ray"
    ),
]
ON_RAY = ("--on", "ray", "--set", "ray.upscale_seconds=1", "--set", "ray.max_replicas=2")
MOST_ROWS = 20_000
COMPUTING_SECONDS = 0.1
"""After which so many rows are surely in a replica's hands, and surely not all answered."""

ROOM = (
    *("--set", f"limits.rows={MOST_ROWS}", "--set", "limits.queue_rows=100000"),
    *("--set", "limits.body_bytes=9000000", "--set", "limits.deadline_ms=60000"),
)
LEAVING_SECONDS = 30


class WithKey:
    """A service that is asked with a key where nothing else is said."""

    def __init__(self, service: Running, key: str) -> None:
        self.service = service
        self.key = {"x-api-key": key}

    def ask(self, path: str = "/v1/predict", body=None, **how) -> Reply:
        """Send one request."""
        return self.service.ask(path, body, **{"headers": self.key, **how})


@pytest.fixture(scope="module", autouse=True)
def _own_folder() -> Iterator[None]:
    """Keep what Ray writes out of the user's folders, below a path that sockets can have."""
    with tempfile.TemporaryDirectory(prefix="ray") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_TMPDIR", folder)
        yield


@pytest.fixture(scope="module")
def elastic(tmp_path_factory, bundle) -> Iterator[WithKey]:
    folder = tmp_path_factory.mktemp("elastic")
    session = Session(workspace=Workspace(folder / "home"))
    key = tunesmith.keys("add", "tests", scope="admin", session=session).key
    point(folder / "home", bundle)
    words = ["desk=@production", "--follow-seconds", "0", *ON_RAY, *ROOM, *FREE]
    with running(folder, *words) as found:
        yield WithKey(found, key)


def point(home: Path, bundle: Path) -> None:
    """Let `@production` of a service's workspace stand for a bundle."""
    session = Session(workspace=Workspace(home))
    tunesmith.runs("alias", ["@production", str(bundle)], session=session)


def replicas(service: Running) -> list[psutil.Process]:
    """Return the processes of a service that compute, in the order they were started."""
    found = psutil.Process(service.process.pid).children(recursive=True)
    named = [each for each in found if "ServeReplica" in "".join(each.cmdline()[:1])]
    return sorted(named, key=psutil.Process.create_time)


def requests_inside(elastic: WithKey) -> float:
    """Return how many requests wait or are in the hands of replicas.

    How many of each depends on which of them arrived before a batch was taken.
    """
    waiting = figure(elastic, "tunesmith_queue_requests ")
    return waiting + figure(elastic, "tunesmith_computing_requests")


def test_answers_of_replicas_are_those_of_predict(elastic, bundle):
    draw = random.Random(5)
    words = ["my", "order", "refund", "late", "broken", "good", "bad", "card", "退款"]
    texts = [" ".join(draw.choices(words, k=draw.randint(1, 100))) for _ in range(60)]
    expected = tunesmith.predict(bundle, texts, engine="onnx", all_scores=True).predictions

    def ask(at: int) -> list:
        rows = texts[3 * at : 3 * at + 3]
        reply = elastic.ask(body={"rows": rows, "all_scores": True})
        assert reply.status == 200
        return reply.fields["answers"]

    with ThreadPoolExecutor(8) as pool:
        answers = [answer for found in pool.map(ask, range(20)) for answer in found]
    assert [answer["label"] for answer in answers] == [row["label"] for row in expected]
    for answer, row in zip(answers, expected, strict=True):
        for label, score in row["scores"].items():
            assert answer["scores"][label] == pytest.approx(score, abs=1e-4)
    (model,) = elastic.ask("/v1/models").fields["models"]
    assert model["engine"] == "onnx fp32"


def test_keys_limits_and_canary_rows_hold_on_ray_too(elastic):
    assert elastic.ask(body={"row": "card"}, headers={}).status == 401
    assert elastic.ask(body={"row": "card"}, headers={"x-api-key": "ts_0_0"}).status == 401
    assert elastic.ask(body={"rows": ["card"] * (MOST_ROWS + 1)}).status == 422
    (replayed,) = elastic.service.events("canary_replayed")
    assert replayed["rows"] > 0


def test_lost_replica_takes_only_its_batch_and_is_replaced(elastic):
    (lost,) = replicas(elastic.service)
    before = len(elastic.service.events("worker_ready"))
    rows = [f"my order {n} is late and broken and lost " * 3 for n in range(MOST_ROWS)]
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(elastic.ask, body={"rows": rows})
        wait_until(lambda: figure(elastic, "tunesmith_computing_requests") == 1)
        time.sleep(COMPUTING_SECONDS)
        lost.suspend()
        others = [pool.submit(elastic.ask, body={"row": f"card {n} lost"}) for n in range(3)]
        wait_until(lambda: requests_inside(elastic) == 4)
        lost.kill()
        reply = first.result()
        assert reply.status == 503
        assert "it was lost" in reply.fields["problems"][0]["must"]
        assert [other.result().status for other in others] == [200] * 3
    elastic.service.wait_for("worker_ready", before + 1)
    assert figure(elastic, "tunesmith_workers_lost_total") == 1
    assert elastic.ask("/readyz").status == 200


def test_replica_is_added_while_there_is_more_work_than_one_does(elastic):
    rows = ["my order is late and broken " * 20] * 32

    def is_answered(_: int) -> bool:
        return elastic.ask(body={"rows": rows}).status == 200

    with ThreadPoolExecutor(6) as pool:
        until = time.monotonic() + 60
        while figure(elastic, "tunesmith_workers_ready") < 2:
            assert time.monotonic() < until
            assert all(pool.map(is_answered, range(12)))
    assert len(replicas(elastic.service)) == 2


def test_model_is_replaced_on_ray_and_no_request_fails(elastic, bundle, opposite):
    """Each version is an application of its own; Ray stays for the next when one has left."""
    home = elastic.service.home
    seen: list[str] = []

    def ask(_: int) -> int:
        reply = elastic.ask(body={"row": "my order is late"})
        seen.append(reply.fields.get("version", ""))
        return reply.status

    with ThreadPoolExecutor(2) as pool:
        for path in (opposite, bundle):
            point(home, path)
            asking = pool.submit(elastic.ask, "/v1/models/desk/reload", method="POST")
            while not asking.done():
                assert ask(0) == 200
            assert asking.result().status == 200, asking.result().body
            assert ask(0) == 200
            assert seen[-1] == read_bundle(path, verify=False).fingerprint
    assert len(set(seen)) == 2
    wait_until(lambda: len(elastic.service.events("drained")) == 2)
    assert elastic.ask("/readyz").status == 200


def test_stop_ends_ray_and_all_its_processes(tmp_path, bundle):
    """Also where no replica can be: the answers are not those on record."""
    with running(tmp_path, str(spoil(bundle, tmp_path)), *ON_RAY, event="worker_lost") as service:
        reply = service.ask("/readyz")
        assert reply.status == 503
        assert "canary rows must be those on record" in reply.fields["reasons"][0]
        assert service.ask(body={"row": "card"}).status == 503
        left = psutil.Process(service.process.pid).children(recursive=True)
        assert len(left) > 2
        assert service.stop() == 0
    gone, alive = psutil.wait_procs(left, timeout=LEAVING_SECONDS)
    assert not alive
    assert len(gone) == len(left)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"ray": {"min_replicas": 3, "max_replicas": 2}}, "at most `ray.max_replicas`"),
        ({"workers": 2}, "`workers` are kept by `ray`"),
        ({"device": "cuda"}, "`device` must be auto or cpu"),
    ],
)
def test_settings_that_do_not_go_with_ray_are_refused(tmp_path, bundle, settings, words):
    with pytest.raises(SpecError, match=words):
        tunesmith.serve(bundle, on="ray", check=True, log=tmp_path / "log", **settings)
