"""Traces: what a collector on loopback is told of requests, and that none is harmed without one."""

from __future__ import annotations

import importlib.util
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import tunesmith
from tunesmith.core.errors import SpecError
from tunesmith.stages.serve.timeline import is_tracing_asked, note_stretch, note_waiting

from .conftest import FREE, Running, running

pytestmark = [
    pytest.mark.allow_hosts(["127.0.0.1"]),
    pytest.mark.skipif(
        importlib.util.find_spec("opentelemetry.sdk") is None,
        reason="pip install 'tunesmith[otel]' brings OpenTelemetry",
    ),
]
ABOVE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{ABOVE}-00f067aa0ba902b7-01"
SECRET = "my very own order is late"
SOON_SECONDS = 60


class Collector:
    """A server that keeps what it is sent, until it is told to be broken."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.status = 200
        collector = self

        class Kept(BaseHTTPRequestHandler):
            """One request of an exporter."""

            def do_POST(self) -> None:
                """Keep the body."""
                body = self.rfile.read(int(self.headers["content-length"]))
                if collector.status == 200:
                    collector.bodies.append(body)
                self.send_response(collector.status)
                self.end_headers()

            def log_message(self, *_) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Kept)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def endpoint(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server.server_port}/v1/traces"

    def spans(self) -> list:
        """Return all spans that came, decoded."""
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
            ExportTraceServiceRequest,
        )

        found = [ExportTraceServiceRequest.FromString(body) for body in self.bodies]
        groups = [group for each in found for group in each.resource_spans]
        return [span for group in groups for scope in group.scope_spans for span in scope.spans]

    def wait_for(self, request_id: str) -> tuple:
        """Wait for the span of a request; return it, and those below it by name."""
        until = time.monotonic() + SOON_SECONDS
        while time.monotonic() < until:
            spans = self.spans()
            for span in spans:
                if facts(span).get("tunesmith.request_id") == request_id:
                    return span, {s.name: s for s in spans if s.parent_span_id == span.span_id}
            time.sleep(0.05)
        raise AssertionError(f"no span of {request_id} among {len(self.spans())}")


def facts(span) -> dict:
    return {
        each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes
    }


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    found = Collector()
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.fixture(scope="module")
def traced(tmp_path_factory, bundle, collector) -> Iterator[Running]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        words = [str(bundle), "--trace-endpoint", collector.endpoint, *FREE]
        with running(tmp_path_factory.mktemp("traced"), *words) as found:
            yield found


def test_request_leaves_a_span_with_its_parts_below_the_one_of_its_client(traced, collector):
    reply = traced.ask(body={"rows": [SECRET, "card"]}, headers={"traceparent": PARENT})
    span, parts = collector.wait_for(reply.fields["request_id"])
    assert span.name == "POST /v1/predict"
    assert span.trace_id.hex() == ABOVE
    assert span.parent_span_id.hex() == "00f067aa0ba902b7"
    assert reply.headers["traceparent"] == f"00-{ABOVE}-{span.span_id.hex()}-01"
    told = facts(span)
    assert (told["http.response.status_code"], told["tunesmith.rows"]) == (200, 2)
    assert (told["http.route"], told["tunesmith.model"]) == ("/v1/predict", "default")
    assert set(parts) == {"read", "queue", "compute", "answer"}
    begun = [parts[name].start_time_unix_nano for name in ("read", "queue", "compute", "answer")]
    assert begun == sorted(begun)
    for part in parts.values():
        assert part.trace_id == span.trace_id
        assert part.start_time_unix_nano <= part.end_time_unix_nano
    assert parts["compute"].end_time_unix_nano == parts["answer"].start_time_unix_nano
    assert abs(span.start_time_unix_nano / 1e9 - time.time()) < 60


def test_request_without_a_parent_begins_a_trace_and_a_wrong_one_is_left_aside(traced, collector):
    for given in ({}, {"traceparent": "00-0-0-zz"}):
        reply = traced.ask("/v1/models", headers=given)
        span, parts = collector.wait_for(reply.headers["x-request-id"])
        assert not span.parent_span_id
        assert not parts
        assert reply.headers["traceparent"].split("-")[1] == span.trace_id.hex()


def test_refusal_is_told_by_its_status_and_reason(traced, collector):
    reply = traced.ask(body={"rows": []})
    span, parts = collector.wait_for(reply.fields["request_id"])
    assert facts(span)["http.response.status_code"] == 422
    assert facts(span)["error.type"] == "unprocessable_entity"
    assert set(parts) == {"read"}


def test_no_text_of_a_request_is_sent_and_no_probe_is_traced(traced, collector):
    assert traced.ask("/readyz").status == 200
    reply = traced.ask(f"/v1/predict?q={SECRET.replace(' ', '-')}", body={"row": SECRET})
    collector.wait_for(reply.fields["request_id"])
    words = [word for word in SECRET.split() if len(word) > 3]
    assert len(words) == 3
    assert not [word for body in collector.bodies for word in words if word.encode() in body]
    assert {facts(span).get("http.route") for span in collector.spans()} <= {
        None,
        "/v1/predict",
        "/v1/models",
    }


def test_collector_that_fails_harms_no_request(traced, collector):
    collector.status = 500
    try:
        assert [traced.ask(body={"row": f"card {n}"}).status for n in range(20)] == [200] * 20
        told = traced.wait_for("traces_failed")
    finally:
        collector.status = 200
    assert told["source"].startswith("opentelemetry")
    reply = traced.ask(body={"row": "card"})
    assert collector.wait_for(reply.fields["request_id"])


@pytest.mark.parametrize("endpoint", ["127.0.0.1:4318", "ftp://a/b", "http://", "http://[", ""])
def test_endpoint_that_is_no_web_address_is_refused(tmp_path, bundle, endpoint):
    with pytest.raises(SpecError, match="must be an address of the web"):
        tunesmith.serve(bundle, check=True, log=tmp_path / "log", trace_endpoint=endpoint)


def test_traces_are_asked_for_by_a_setting_or_by_the_standard_variables():
    there = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}
    assert not is_tracing_asked(None, {})
    assert is_tracing_asked("http://127.0.0.1:1", {})
    assert is_tracing_asked(None, there)
    assert is_tracing_asked(None, {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://a/v1/traces"})
    assert not is_tracing_asked(None, {**there, "OTEL_SDK_DISABLED": "true"})
    assert not is_tracing_asked(None, {**there, "OTEL_TRACES_EXPORTER": "none"})


def test_parts_of_a_request_that_nobody_traces_are_not_kept():
    note_stretch("read", 0.0, 1.0)
    note_waiting(0.0, None)
    from tunesmith.stages.serve.timeline import current_stretches

    assert current_stretches.get() is None
