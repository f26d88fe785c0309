"""A model is replaced under load: nobody fails, nothing is mixed, and what is not fit stays out."""

from __future__ import annotations

import itertools
import json
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import tunesmith
from tunesmith.session import Session
from tunesmith.store.bundles import read_bundle
from tunesmith.store.workspace import Workspace

from .conftest import FREE, Running, figure, running, spoil, wait_until

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
RELOAD = "/v1/models/desk/reload"
TEXTS = [f"my order {n} is good and i like it" for n in range(9)]
TEXTS += [f"the card {n} is bad and broken" for n in range(9)]
SWAPS = 20


def point(home: Path, alias: str, bundle: Path) -> None:
    """Let an alias of a service's workspace stand for a bundle."""
    tunesmith.runs("alias", [alias, str(bundle)], session=Session(workspace=Workspace(home)))


def version(bundle: Path) -> str:
    return read_bundle(bundle, verify=False).fingerprint


@pytest.fixture(scope="module")
def desk(tmp_path_factory, bundle) -> Iterator[Running]:
    """Give a service that answers with `@production`, and looks for no change by itself."""
    folder = tmp_path_factory.mktemp("desk")
    point(folder / "home", "@production", bundle)
    words = ["desk=@production", "--follow-seconds", "0", "--spares", "1", *FREE]
    with running(folder, *words, "--audit-log", str(folder / "audit.jsonl")) as found:
        yield found


@pytest.fixture
def fresh(desk, bundle) -> Running:
    """Give the service with the bundle that it began with."""
    point(desk.home, "@production", bundle)
    assert desk.ask(RELOAD, method="POST").fields["version"] == version(bundle)
    return desk


def test_swaps_under_load_fail_nobody_and_mix_nothing(fresh, bundle, opposite):
    expected = {
        version(path): [row["label"] for row in tunesmith.predict(path, TEXTS).predictions]
        for path in (bundle, opposite)
    }
    assert len(set(map(tuple, expected.values()))) == 2
    is_over = threading.Event()

    def ask_on(client: int) -> list[str]:
        told = []
        for number in itertools.count(client):
            if is_over.is_set():
                return told
            first = number % len(TEXTS)
            reply = fresh.ask(body={"rows": TEXTS[first:]})
            assert reply.status == 200, reply.body
            told.append(reply.fields["version"])
            labels = [answer["label"] for answer in reply.fields["answers"]]
            assert labels == expected[told[-1]][first:]
            time.sleep(0.05)
        return told

    with ThreadPoolExecutor(3) as pool:
        asking = [pool.submit(ask_on, client) for client in range(3)]
        try:
            for number in range(SWAPS):
                point(fresh.home, "@production", (opposite, bundle)[number % 2])
                reply = fresh.ask(RELOAD, method="POST")
                assert reply.status == 200, reply.body
                assert reply.fields["replaced"] == ["live"]
        finally:
            is_over.set()
        told = [own for each in asking for own in each.result()]
    assert set(told) == set(expected)
    assert len(told) > SWAPS
    wait_until(lambda: len(fresh.events("drained")) == len(fresh.events("replaced")))
    assert figure(fresh, "tunesmith_served{") == 1
    assert figure(fresh, 'tunesmith_replacements_total{model="desk",outcome="done"') >= SWAPS


def test_hanging_up_reads_all_models_again(fresh, opposite):
    count = len(fresh.events("replaced"))
    point(fresh.home, "@production", opposite)
    fresh.process.send_signal(signal.SIGHUP)
    assert fresh.wait_for("replaced", count + 1)["version"] == version(opposite)
    assert fresh.ask(body={"row": "good"}).fields["version"] == version(opposite)
    lines = (fresh.log.parent / "audit.jsonl").read_text("utf-8").splitlines()
    told = [line for line in map(json.loads, lines) if line["event"] == "replaced"]
    assert len(told) == count + 1
    assert (told[-1]["model"], told[-1]["version"]) == ("desk", version(opposite))


def check_refused(service: Running, words: str, *, stays: Path) -> None:
    """Check that a reload is refused with these words, and that the old model goes on."""
    reply = service.ask(RELOAD, method="POST")
    assert reply.status == 409
    assert words in reply.fields["problems"][0]["must"]
    ready = service.ask("/readyz")
    assert ready.status == 200
    assert words in ready.fields["warnings"][0]
    assert figure(service, "tunesmith_replacement_refused{") == 1
    assert service.ask(body={"row": "good"}).fields["version"] == version(stays)


def test_bundle_whose_answers_differ_from_its_record_leaves_the_old_one(fresh, bundle, tmp_path):
    point(fresh.home, "@production", spoil(bundle, tmp_path))
    check_refused(fresh, "canary rows must be those on record", stays=bundle)
    point(fresh.home, "@production", bundle)
    assert fresh.ask(RELOAD, method="POST").status == 200
    assert fresh.ask("/readyz").fields["warnings"] == []
    assert figure(fresh, "tunesmith_replacement_refused{") == 0


def test_bundle_that_is_broken_or_gone_leaves_the_old_one(fresh, bundle, tmp_path):
    copy = Path(shutil.copytree(bundle, tmp_path / "bundle"))
    point(fresh.home, "@production", copy)
    (copy / "model" / "config.json").write_text("{}")
    check_refused(fresh, "config.json", stays=bundle)
    shutil.rmtree(copy)
    check_refused(fresh, "a bundle must stand at", stays=bundle)


def test_bundle_with_other_labels_leaves_the_old_one(fresh, bundle, tmp_path, tiny_model):
    rows = [f"my order {n} is good,fine" for n in range(30)]
    rows += [f"the card {n} is bad,bad" for n in range(30)]
    (tmp_path / "rows.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    other = {"task": "classification", "model": tiny_model, "method": "probe"}
    fitted = tunesmith.fit(tmp_path / "rows.csv", **other, out=tmp_path / "run")
    point(fresh.home, "@production", Path(fitted.bundle))
    check_refused(fresh, "lacks `good` and adds `fine`", stays=bundle)


def test_alias_that_moves_is_followed_and_what_is_not_fit_tried_once(tmp_path, bundle, opposite):
    home = tmp_path / "home"
    point(home, "@production", bundle)
    with running(tmp_path, "@production", "--follow-seconds", "0.1", *FREE) as service:
        point(home, "@production", opposite)
        service.wait_for("replaced")
        assert service.ask(body={"row": "good"}).fields["version"] == version(opposite)
        (tmp_path / "bad").mkdir()
        point(home, "@production", spoil(bundle, tmp_path / "bad"))
        service.wait_for("replacement_refused")
        time.sleep(0.5)
        assert len(service.events("replacement_refused")) == 1
        assert service.ask(body={"row": "good"}).fields["version"] == version(opposite)
        point(home, "@production", opposite)
        wait_until(lambda: service.ask("/readyz").fields["warnings"] == [])


def test_bundle_that_was_replaced_at_its_path_is_read_again(tmp_path, bundle, opposite):
    """Also where its worker was lost meanwhile, and nothing answers any more."""
    path = shutil.copytree(bundle, tmp_path / "bundle")
    with running(tmp_path, f"desk={path}", *FREE) as service:
        shutil.rmtree(path)
        shutil.copytree(opposite, path)
        assert service.ask(body={"row": "good"}).fields["version"] == version(bundle)
        service.process.send_signal(signal.SIGHUP)
        service.wait_for("replaced")
        assert service.ask(body={"row": "good"}).fields["version"] == version(opposite)
