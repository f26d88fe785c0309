"""Candidates and shadows: who is asked, what is counted, and that no client is harmed."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Iterator

import pytest

import tunesmith
from tunesmith.core.errors import GateError, SpecError
from tunesmith.stages.serve.shadowing import is_in_share
from tunesmith.store.bundles import read_bundle

from .conftest import FREE, Running, figure, running, spoil, wait_until

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
SHARE = 0.3
ASKED = 120
ROW = "my order 3 is good and i like it"


@pytest.fixture(scope="module")
def both(tmp_path_factory, bundle, opposite) -> Iterator[Running]:
    """Give a service with a model that has a candidate, and one that has a shadow."""
    words = [f"desk={bundle}", f"help={bundle}", "--candidate", f"desk={opposite}"]
    words += ["--candidate-share", str(SHARE), "--shadow", f"help={opposite}", *FREE]
    with running(tmp_path_factory.mktemp("both"), *words) as found:
        found.wait_for("canary_replayed", 4)
        wait_until(lambda: "shadow" in found.ask("/v1/models").fields["models"][1])
        yield found


def ask(service: Running, model: str, **headers: str) -> dict:
    reply = service.ask(body={"model": model, "row": ROW}, headers=headers)
    assert reply.status == 200, reply.body
    return reply.fields


def test_candidate_answers_its_share_and_says_so(both, bundle, opposite):
    live, candidate = (read_bundle(path).fingerprint for path in (bundle, opposite))
    ids = [f"request-{number}" for number in range(ASKED)]
    replies = {name: ask(both, "desk", **{"X-Request-Id": name}) for name in ids}
    chosen = {name for name, reply in replies.items() if reply["version"] == candidate}
    assert chosen == {name for name in ids if is_in_share("desk", name, SHARE)}
    spread = 3 * math.sqrt(SHARE * (1 - SHARE) / ASKED)
    assert len(chosen) / ASKED == pytest.approx(SHARE, abs=spread)
    for name, reply in replies.items():
        assert reply["version"] in (live, candidate)
        assert reply["answers"][0]["label"] == ("bad" if name in chosen else "good")
    own = f'tunesmith_answers_total{{label="bad",model="desk",role="candidate",version="{candidate}'
    assert figure(both, own) == len(chosen)
    wait_until(lambda: figure(both, "tunesmith_answer_seconds_count") >= ASKED)


def test_conversation_stays_on_one_side(both):
    for name in ("one", "two", "three"):
        headers = {"X-Conversation-Id": name}
        assert len({ask(both, "desk", **headers)["version"] for _ in range(5)}) == 1


def test_lost_candidate_leaves_its_share_to_the_live_model(both, bundle):
    key = next(f"c{n}" for n in range(100) if is_in_share("desk", f"c{n}", SHARE))
    ready = both.events("worker_ready")
    worker = next(event["process"] for event in ready if event["role"] == "candidate")
    os.kill(worker, signal.SIGSTOP)
    fell = figure(both, "tunesmith_candidate_failures_total")
    try:
        os.kill(worker, signal.SIGKILL)
        reply = ask(both, "desk", **{"X-Conversation-Id": key})
    finally:
        both.wait_for("worker_ready", len(ready) + 1)
    if figure(both, "tunesmith_candidate_failures_total") > fell:
        assert reply["version"] == read_bundle(bundle).fingerprint
    assert reply["answers"][0]["label"] in ("good", "bad")


def test_shadow_is_compared_and_changes_no_answer(both, bundle, opposite):
    live, shadow = (read_bundle(path).fingerprint for path in (bundle, opposite))
    before = figure(both, "tunesmith_shadow_rows_total")
    for _ in range(20):
        reply = ask(both, "help")
        assert (reply["version"], reply["answers"][0]["label"]) == (live, "good")
    wait_until(lambda: figure(both, "tunesmith_shadow_rows_total") == before + 20)
    named = f'{{model="help",version="{shadow}"}}'
    assert figure(both, f"tunesmith_shadow_disagreements_total{named}") == before + 20
    asked = f'tunesmith_answers_total{{label="bad",model="help",role="shadow",version="{shadow}"'
    assert figure(both, asked) == before + 20


def test_shadow_that_is_stuck_delays_nobody_and_what_it_misses_is_counted(both):
    ready = both.events("worker_ready")
    worker = next(event["process"] for event in ready if event["role"] == "shadow")
    assert os.getpriority(os.PRIO_PROCESS, worker) == 19
    os.kill(worker, signal.SIGSTOP)
    try:
        for _ in range(150):
            ask(both, "help")
        assert figure(both, "tunesmith_shadow_dropped_total") >= 20
    finally:
        os.kill(worker, signal.SIGCONT)


def test_models_tell_who_stands_beside_them(both, opposite):
    desk, other = both.ask("/v1/models").fields["models"]
    fields = {"version": read_bundle(opposite).fingerprint, "engine": "onnx fp32"}
    assert desk["candidate"] == other["shadow"] == fields
    assert figure(both, "tunesmith_served{") == 4


def test_figures_tell_how_rows_and_answers_drift(both):
    for _ in range(10):
        ask(both, "help")
    assert figure(both, 'tunesmith_row_tokens_count{model="help"}') >= 10
    assert figure(both, "tunesmith_tokens_counted_total") > 0
    assert figure(both, "tunesmith_tokens_unknown_total") >= 0
    assert figure(both, "tunesmith_confidence_count") >= 10


def test_broken_candidate_leaves_the_old_one_serving(tmp_path, bundle):
    words = [str(bundle), "--candidate", str(spoil(bundle, tmp_path)), "--candidate-share", "1"]
    with running(tmp_path, *words, *FREE, event="replacement_refused") as service:
        ready = service.ask("/readyz")
        assert ready.status == 200
        assert "canary rows must be those on record" in ready.fields["warnings"][0]
        reply = service.ask(body={"row": ROW}).fields
        assert reply["version"] == read_bundle(bundle).fingerprint
    with pytest.raises(GateError, match="the candidate `default` was not replaced"):
        tunesmith.serve(bundle, candidate=tmp_path / "bundle", check=True, log=tmp_path / "log")


@pytest.mark.parametrize(
    ("settings", "must"),
    [
        ({"candidate": "other={}"}, "a candidate must have the name of a model"),
        ({"candidate": "{}", "shadow": "{}"}, "at most one candidate or shadow"),
        ({"candidate": "{}", "candidate_share": 1.5}, "must be at most 1"),
    ],
)
def test_candidates_that_cannot_stand_there_are_refused(tmp_path, bundle, settings, must):
    given = {
        name: value.format(bundle) if isinstance(value, str) else value
        for name, value in settings.items()
    }
    with pytest.raises(SpecError, match=must):
        tunesmith.serve(f"desk={bundle}", check=True, log=tmp_path / "log", **given)


@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 1.0])
def test_share_of_keys_is_the_one_asked_for_and_grows_without_changing_sides(share):
    keys = [f"key {number}" for number in range(4000)]
    chosen = {key for key in keys if is_in_share("desk", key, share)}
    spread = 4 * math.sqrt(share * (1 - share) / len(keys))
    assert len(chosen) / len(keys) == pytest.approx(share, abs=spread)
    assert chosen <= {key for key in keys if is_in_share("desk", key, min(1.0, share * 2))}
