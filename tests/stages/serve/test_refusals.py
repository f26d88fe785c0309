"""Hostile and mistaken requests: each is refused with a problem in JSON and the right status."""

from __future__ import annotations

import contextlib
import json
import socket
import time

import pytest

from .conftest import running

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
DEEP = '{"row":' + "[" * 100_000 + "]" * 100_000 + "}"
REFUSED = {
    "no JSON": (b"{", 400, "the body must be JSON"),
    "no object": (b"[1]", 400, "the body must be a JSON object"),
    "another encoding": ('{"row": "é"}'.encode("latin-1"), 400, "the body must be UTF-8"),
    "NaN": (b'{"row": NaN}', 400, "numbers of the body must be finite"),
    "infinity": (b'{"row": "x", "coverage": 1e999}', 400, "numbers of the body must be finite"),
    "long integer": (b'{"row": ' + b"9" * 5000 + b"}", 400, "numbers of the body must be finite"),
    "very deep": (DEEP.encode(), 400, "lists and objects of the body must be at most 16 deep"),
    "deep": (b'{"row":' + b"[" * 30 + b"]" * 30 + b"}", 400, "must be at most 16 deep"),
    "nothing asked": (b"{}", 422, "`rows` or `row` must be given, not both"),
    "both asked": (b'{"row": "x", "rows": ["y"]}', 422, "`rows` or `row` must be given, not both"),
    "no rows": (b'{"rows": []}', 422, "`rows` must hold a row"),
    "null": (b'{"row": null}', 422, "`row` must be given or left out"),
    "number as row": (b'{"rows": [3]}', 422, "a row must be a text or an object"),
    "number as text": (b'{"row": "x", "coverage": "0.9"}', 422, "`coverage`"),
    "unknown field": (b'{"row": "x", "coverege": 0.9}', 422, "`coverege` must be a setting"),
    "row without text": (b'{"row": {"body": "x"}}', 422, "column `text` must be present"),
    "half a character": (rb'{"row": "\ud800"}', 422, "every text must be Unicode"),
    "half a character in a row": (rb'{"row": {"text": "\udc00"}}', 422, "must be Unicode"),
    "path in a name": (b'{"model": "../../etc/passwd", "row": "x"}', 404, "`model` must be one of"),
    "too many rows": (json.dumps({"rows": ["x"] * 257}).encode(), 422, "at most 256 rows"),
    "long text": (json.dumps({"row": "x " * 100_000}).encode(), 422, "at most 50,000 characters"),
    "large body": (b" " * 1_000_001, 413, "at most 1,000,000 bytes"),
}


def check_problem(reply, status: int) -> dict:
    """Check that a refusal has the form of all, and that nothing of our inside stands in it."""
    assert reply.status == status, reply.body
    fields = reply.fields
    assert set(fields) == {"error", "problems", "hint", "request_id"}
    assert fields["problems"]
    assert fields["hint"]
    assert reply.headers["content-type"] == "application/json"
    assert "Traceback" not in reply.body.decode()
    assert ".py" not in reply.body.decode()
    return fields


@pytest.mark.parametrize("name", REFUSED)
def test_bad_body_is_refused_in_clear_words(name, service):
    body, status, must = REFUSED[name]
    fields = check_problem(service.ask(body=body), status)
    assert must in fields["problems"][0]["must"]


def test_all_problems_of_a_request_are_named_at_once(service):
    rows = ["fine", {"text": None}, {"text": True}]
    fields = check_problem(service.ask(body={"rows": rows}), 422)
    assert [problem["where"] for problem in fields["problems"]] == ["request:2", "request:3"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Encoding": "gzip"},
    ],
)
def test_body_of_another_kind_is_refused(headers, service):
    check_problem(service.ask(body=b'{"row": "x"}', headers=headers), 415)


def test_unknown_path_and_method_are_refused(service):
    check_problem(service.ask("/v1/../../etc/passwd"), 404)
    check_problem(service.ask("/v1/predict/"), 404)
    reply = service.ask("/v1/predict")
    check_problem(reply, 405)
    assert reply.headers["allow"] == "POST"


def test_page_of_another_site_cannot_ask_an_open_service(service):
    check_problem(service.ask("/v1/models", headers={"Host": "evil.example"}), 421)
    assert service.ask("/v1/models", headers={"Host": f"localhost:{service.port}"}).status == 200


def test_every_reply_has_the_security_headers_and_an_id(service):
    for path in ("/healthz", "/docs", "/nothing"):
        headers = service.ask(path, headers={"X-Request-Id": "abc-1"}).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert headers["x-request-id"] == "abc-1"
        assert "server" not in headers


def test_request_id_that_is_no_plain_word_is_replaced(service):
    for given in ("a b", "x" * 65, "<script>", "é"):
        reply = service.ask("/healthz", headers={"X-Request-Id": given})
        assert len(reply.headers["x-request-id"]) == 16


def exchange(port: int, *parts: bytes, pause: float = 0.0) -> bytes:
    """Send bytes as they are, with a pause after each part, and return all that comes back."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for part in parts:
                connection.sendall(part)
                time.sleep(pause)
        found = b""
        with contextlib.suppress(ConnectionResetError):
            while part := connection.recv(65_536):
                found += part
        return found


def test_header_with_a_line_break_is_refused_and_adds_no_header(service):
    head = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Request-Id: a\rSet-Cookie: b=1\r\n\r\n"
    found = exchange(service.port, head)
    assert found.startswith(b"HTTP/1.1 400 ")
    assert b"set-cookie" not in found.lower().partition(b"\r\n\r\n")[0]


def test_bytes_that_are_no_http_are_refused_in_json(service):
    found = exchange(service.port, b"\x16\x03\x01 nonsense\r\n\r\n")
    assert found.startswith(b"HTTP/1.1 400 ")
    assert json.loads(found.partition(b"\r\n\r\n")[2])["error"] == "bad_request"


def test_head_without_end_is_refused(service):
    found = exchange(service.port, b"GET / HTTP/1.1\r\n" + b"X-A: " + b"a" * 70_000)
    assert found.startswith(b"HTTP/1.1 400 ")


def test_texts_never_stand_in_the_log(service):
    service.ask(body={"row": "a most secret text"})
    service.ask(body={"row": {"secret": "text"}, "coverege": "secret"})
    assert service.events("request")
    assert "secret" not in service.log.read_text("utf-8")


@pytest.fixture(scope="module")
def strict(tmp_path_factory, bundle):
    limits = ("read_ms=400", "connections=3", "body_bytes=2000", "deadline_ms=5000")
    words = [word for limit in limits for word in ("--set", f"limits.{limit}")]
    folder = tmp_path_factory.mktemp("strict")
    with running(folder, str(bundle), *words, "--set", "limits.requests_a_minute=25") as found:
        yield found


def test_slow_head_is_given_up(strict):
    started = time.monotonic()
    found = exchange(strict.port, b"GET /healthz HTTP/1.1\r\n", b"X-A: ", b"a", b"a", pause=0.3)
    assert found.startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - started < 10


def test_slow_body_is_given_up(strict):
    head = (
        b"POST /v1/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        b"Content-Length: 100\r\n\r\n"
    )
    found = exchange(strict.port, head, b"{", b'"', pause=0.3)
    assert found.startswith(b"HTTP/1.1 408 ")


def test_body_without_a_length_is_bounded_too(strict):
    head = (
        b"POST /v1/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )
    found = exchange(strict.port, head, b"7d0\r\n" + b" " * 2000 + b"\r\n1\r\n \r\n0\r\n\r\n")
    assert found.startswith(b"HTTP/1.1 413 ")


def test_connections_beyond_the_bound_are_sent_away(strict):
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(socket.create_connection(("127.0.0.1", strict.port), timeout=60))
        assert exchange(strict.port, b"").startswith(b"HTTP/1.1 503 ")


def test_requests_beyond_the_rate_are_sent_away_with_a_time(strict):
    time.sleep(0.5)
    replies = [strict.ask(body={"row": "x"}) for _ in range(30)]
    check_problem(replies[-1], 429)
    assert 1 <= int(replies[-1].headers["retry-after"]) <= 60
    assert replies[0].status == 200
    assert strict.ask("/healthz").status == 200
