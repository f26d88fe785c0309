"""From start to stop: canary rows, lost workers, full queues, deadlines, clients that leave."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import tunesmith
from tunesmith.core.errors import GateError, ResourceError, SpecError

from .conftest import FREE, figure, running, spoil, wait_until

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])


@pytest.fixture
def frozen(service):
    """Give the service while its worker is stopped: what is asked now waits."""
    # A batch goes on after its last answer: its worker may count tokens.
    wait_until(lambda: figure(service, "tunesmith_computing_requests") == 0)
    worker = service.worker
    os.kill(worker, signal.SIGSTOP)
    yield service
    try:
        os.kill(worker, signal.SIGCONT)
    except ProcessLookupError:
        return


def test_spare_takes_the_place_of_a_lost_worker(tmp_path, bundle):
    with running(tmp_path, str(bundle), "--spares", "1", *FREE) as service:
        wait_until(lambda: len(children(service)) == 2)
        lost = service.worker
        (spare,) = set(children(service)) - {lost}
        words = Path(f"/proc/{spare}/cmdline").read_text().split("\0")
        assert f"onnx={bundle}" in words  # what it imports ahead is for this very bundle
        os.kill(lost, signal.SIGKILL)
        assert service.wait_for("worker_ready", 2)["process"] == spare
        assert service.ask(body={"row": "my order is late"}).status == 200
        wait_until(lambda: len(children(service)) == 2)
        os.kill(max(children(service)), signal.SIGKILL)  # the new spare: nobody misses it
        os.kill(spare, signal.SIGKILL)
        assert service.wait_for("worker_ready", 3)["process"] != spare


def children(service) -> list[int]:
    pid = service.process.pid  # also of the thread that starts all workers
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_lost_worker_takes_only_its_batch_and_is_replaced(frozen):
    """The first request is in the worker's hands, the others wait for the next worker."""
    lost = frozen.worker
    before = len(frozen.events("worker_ready"))
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(frozen.ask, body={"row": "my order is late"})
        wait_until(lambda: figure(frozen, "tunesmith_computing_requests") == 1)
        others = [pool.submit(frozen.ask, body={"row": f"card {n} lost"}) for n in range(3)]
        wait_until(lambda: figure(frozen, "tunesmith_queue_requests ") == 3)
        os.kill(lost, signal.SIGKILL)
        reply = first.result()
        assert reply.status == 503
        assert "it was lost" in reply.fields["problems"][0]["must"]
        assert int(reply.headers["retry-after"]) >= 1
        assert [other.result().status for other in others] == [200] * 3
    frozen.wait_for("worker_ready", before + 1)
    assert frozen.worker != lost
    assert frozen.ask("/readyz").status == 200


def test_request_whose_client_left_is_never_computed(frozen):
    body = json.dumps({"row": "is it good"}).encode()
    head = b"POST /v1/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    gone = figure(frozen, "tunesmith_clients_gone_total")
    rows = figure(frozen, "tunesmith_batch_rows_sum")
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(frozen.ask, body={"row": "where is it"})
        wait_until(lambda: figure(frozen, "tunesmith_computing_requests") == 1)
        for _ in range(5):
            with socket.create_connection(("127.0.0.1", frozen.port)) as leaver:
                leaver.sendall(head + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
                time.sleep(0.2)
        wait_until(lambda: figure(frozen, "tunesmith_clients_gone_total") == gone + 5)
        os.kill(frozen.worker, signal.SIGCONT)
        assert first.result().status == 200
    assert frozen.ask(body={"row": "late"}).status == 200
    # A batch is counted once it is over, which may be just after its last answer was sent.
    wait_until(lambda: figure(frozen, "tunesmith_batch_rows_sum") >= rows + 2)
    assert figure(frozen, "tunesmith_batch_rows_sum") == rows + 2


@pytest.fixture(scope="module")
def narrow(tmp_path_factory, bundle):
    words = ["--set", "limits.queue_requests=2", "--set", "limits.deadline_ms=4000"]
    with running(tmp_path_factory.mktemp("narrow"), str(bundle), *words, *FREE) as found:
        yield found


def test_full_queue_sends_away_and_late_answers_are_given_up(narrow):
    wait_until(lambda: figure(narrow, "tunesmith_computing_requests") == 0)
    os.kill(narrow.worker, signal.SIGSTOP)
    try:
        with ThreadPoolExecutor(6) as pool:
            first = pool.submit(narrow.ask, body={"row": "card"})
            wait_until(lambda: figure(narrow, "tunesmith_computing_requests") == 1)
            others = [pool.submit(narrow.ask, body={"row": "lost"}) for _ in range(5)]
            replies = [first.result(), *(other.result() for other in others)]
    finally:
        os.kill(narrow.worker, signal.SIGCONT)
    assert sorted(reply.status for reply in replies) == [503] * 3 + [504] * 3
    assert all(int(reply.headers["retry-after"]) >= 1 for reply in replies)
    full = next(reply for reply in replies if reply.status == 503)
    assert "the queue must have room" in full.fields["problems"][0]["must"]
    wait_until(lambda: narrow.ask(body={"row": "late"}).status == 200)
    assert figure(narrow, 'tunesmith_refusals_total{reason="gateway_timeout"}') == 3


def test_idle_worker_that_is_lost_is_replaced_and_who_asks_meanwhile_waits(service):
    lost, before = service.worker, len(service.events("worker_ready"))
    os.kill(lost, signal.SIGKILL)
    wait_until(lambda: service.ask("/readyz").status == 503)
    assert service.ask(body={"row": "card"}).status == 200
    service.wait_for("worker_ready", before + 1)
    assert service.worker != lost


def test_second_worker_answers_while_the_first_is_replaced(tmp_path, bundle):
    with running(tmp_path, str(bundle), "--workers", "2", *FREE) as service:
        service.wait_for("worker_ready", 2)
        os.kill(service.worker, signal.SIGKILL)
        service.wait_for("worker_lost")
        assert [service.ask(body={"row": f"card {n}"}).status for n in range(5)] == [200] * 5
        service.wait_for("worker_ready", 3)


def test_service_with_a_certificate_speaks_https(tmp_path, bundle):
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.create_default_context(cafile=str(cert))
    with running(tmp_path, str(bundle), "--certfile", str(cert), "--keyfile", str(key)) as service:
        asking = http.client.HTTPSConnection("127.0.0.1", service.port, timeout=60, context=context)
        with contextlib.closing(asking):
            asking.request("GET", "/readyz")
            reply = asking.getresponse()
            assert reply.status == 200
            assert reply.getheader("strict-transport-security")


def test_certificate_without_its_key_is_refused(tmp_path, bundle):
    with pytest.raises(SpecError, match="must be given together"):
        tunesmith.serve(bundle, certfile=tmp_path / "cert.pem", log=tmp_path / "log")
    (tmp_path / "cert.pem").write_text("no certificate")
    files = {"certfile": tmp_path / "cert.pem", "keyfile": tmp_path / "cert.pem"}
    with pytest.raises(SpecError, match="a certificate and its key, in PEM"):
        tunesmith.serve(bundle, **files, log=tmp_path / "log")


def test_stop_answers_what_was_accepted_and_leaves_with_0(tmp_path, bundle):
    with running(tmp_path, str(bundle), *FREE) as service, ThreadPoolExecutor(8) as pool:
        worker = service.worker
        os.kill(worker, signal.SIGSTOP)
        asked = [pool.submit(service.ask, body={"row": f"card {n}"}) for n in range(8)]
        time.sleep(1)
        service.process.send_signal(signal.SIGTERM)
        service.wait_for("stopping")
        os.kill(worker, signal.SIGCONT)
        assert [each.result().status for each in asked] == [200] * 8
        assert service.stop() == 0
        assert service.events("stopped")[0]["answered"] == 8
        with pytest.raises(ProcessLookupError):
            os.kill(worker, 0)


def test_service_whose_answers_differ_from_the_record_is_never_ready(tmp_path, bundle):
    with running(tmp_path, str(spoil(bundle, tmp_path)), event="worker_lost") as service:
        reply = service.ask("/readyz")
        assert reply.status == 503
        assert "canary rows must be those on record" in reply.fields["reasons"][0]
        assert service.ask("/healthz").status == 200
        assert service.ask(body={"row": "card"}).status == 503
        assert not service.events("ready")


def test_check_refuses_a_bundle_whose_answers_differ(tmp_path, bundle):
    with pytest.raises(GateError, match="canary rows must be those on record"):
        tunesmith.serve(spoil(bundle, tmp_path), check=True, log=tmp_path / "log")


def test_check_replays_the_canary_rows_by_the_path_of_requests(tmp_path, bundle):
    result = tunesmith.serve(f"mine={bundle}", check=True, log=tmp_path / "log")
    assert result.models[0]["model"] == "mine"
    events = [json.loads(line) for line in (tmp_path / "log").read_text("utf-8").splitlines()]
    (replayed,) = [event for event in events if event["event"] == "canary_replayed"]
    assert replayed["rows"] == len((bundle / "canary.jsonl").read_text("utf-8").splitlines())


def test_canary_rows_beyond_the_limits_do_not_keep_a_service_from_being_ready(tmp_path, bundle):
    limits = {"rows": 1, "characters": 41, "body_bytes": 1000}
    assert tunesmith.serve(bundle, check=True, log=tmp_path / "log", limits=limits).models
    events = [json.loads(line) for line in (tmp_path / "log").read_text("utf-8").splitlines()]
    (replayed,) = [event for event in events if event["event"] == "canary_replayed"]
    lengths = [len(row["text"]) for row in canary_of(bundle)]
    assert 0 < replayed["rows"] < len(lengths)


def canary_of(bundle: Path) -> list[dict]:
    return [json.loads(line) for line in (bundle / "canary.jsonl").read_text().splitlines()]


def test_bundle_that_vanishes_is_answered_with_until_its_worker_is_lost(tmp_path, bundle):
    copy = shutil.copytree(bundle, tmp_path / "bundle")
    with running(tmp_path, str(copy)) as service:
        shutil.rmtree(copy)
        assert service.ask(body={"row": "card"}).status == 200
        os.kill(service.worker, signal.SIGKILL)
        service.wait_for("worker_lost", 2)
        reply = service.ask("/readyz")
        assert reply.status == 503
        assert "a bundle must stand at" in reply.fields["reasons"][0]
        assert service.ask(body={"row": "card"}).status == 503


def test_two_services_cannot_have_one_port(tmp_path, service, bundle):
    with pytest.raises(ResourceError, match=f"`port` {service.port} .* must be free"):
        tunesmith.serve(bundle, port=service.port, log=tmp_path / "log")


def test_admin_port_alone_gives_figures(tmp_path, bundle):
    with running(tmp_path, str(bundle), "--admin-port", "0") as service:
        assert service.ask("/metrics").status == 404
        shown = service.ask("/metrics", port=service.admin_port)
        assert shown.status == 200
        assert b"tunesmith_ready 1.0" in shown.body
        assert service.ask("/v1/models", port=service.admin_port).status == 404
        path = "/v1/models/default/reload"
        assert service.ask(path, method="POST").status == 404
        reply = service.ask(path, method="POST", port=service.admin_port).fields
        assert reply["version"] == reply["before"]
        assert reply["replaced"] == []


def test_figures_count_labels_refusals_and_confidence(service):
    before = figure(service, "tunesmith_answers_total")
    assert service.ask(body={"rows": ["it is good", "it is bad"]}).status == 200
    assert service.ask(body={"rows": []}).status == 422
    assert figure(service, "tunesmith_answers_total") == before + 2
    assert figure(service, 'tunesmith_refusals_total{reason="unprocessable_entity"}') >= 1
    assert figure(service, "tunesmith_confidence_count") >= 2
    assert figure(service, "tunesmith_workers_ready") == 1
