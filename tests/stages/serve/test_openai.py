"""OpenAI's own client against a service: chats, streams, vectors, refusals, who leaves early."""

from __future__ import annotations

import base64
import http.client
import json
import os
import signal
import socket
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import openai
import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig

import tunesmith
from tunesmith.core.examples import PairInput
from tunesmith.runtime.engine import answer, text_vectors
from tunesmith.runtime.loading import load_engine

from .conftest import FREE, REPLY, running
from .test_lifecycle import wait_until
from .test_openapi import check

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
WHERE = [{"role": "user", "content": "where?"}]
COUNT = [{"role": "user", "content": "count"}]
MOST_TOKENS = 500
TOKEN_MS = 5_000


@pytest.fixture(scope="module")
def service(tmp_path_factory, bundles):
    """Give a service of all bundles that asks for a key, with the key."""
    folder = tmp_path_factory.mktemp("service")
    keys = folder / "keys.json"
    key = tunesmith.keys("add", "tester", scope="admin", keys=keys).key
    words = [f"{name}={path}" for name, path in bundles.items()]
    words += ["--keys", str(keys), *FREE, "--set", f"limits.written_tokens={MOST_TOKENS}"]
    words += ["--set", f"limits.token_ms={TOKEN_MS}", "--set", "limits.failed_keys_a_minute=1000"]
    with running(folder, *words) as found:
        found.headers = {"Authorization": f"Bearer {key}"}
        found.key = key
        yield found


@pytest.fixture(scope="module")
def client(service):
    url = f"http://127.0.0.1:{service.port}/v1"
    with openai.OpenAI(base_url=url, api_key=service.key, max_retries=0, timeout=60) as made:
        yield made


def said(client, messages=WHERE, model="desk", **wishes):
    return client.chat.completions.create(model=model, messages=messages, **wishes)


def pieces(client, messages=WHERE, model="desk", **wishes) -> list:
    with client.chat.completions.create(
        model=model, messages=messages, stream=True, **wishes
    ) as stream:
        return list(stream)


def joined(chunks) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def test_chat_reply_is_that_of_predict_with_its_tokens(client, service, bundles):
    reply = said(client)
    (row,) = tunesmith.predict(bundles["desk"], ["where?"]).predictions
    (choice,) = reply.choices
    assert choice.message.content == row["written"] == REPLY
    assert (choice.message.role, choice.finish_reason) == ("assistant", "stop")
    assert reply.system_fingerprint == tunesmith.predict(bundles["desk"], ["x"]).fingerprint
    assert reply.usage.completion_tokens == len(REPLY.encode()) + 2  # a space before, and the end
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens
    event = service.events("request")[-1]
    assert event["tokens"] == reply.usage.prompt_tokens
    assert event["written_tokens"] == reply.usage.completion_tokens


def test_streamed_pieces_are_the_reply_and_split_no_character(client):
    chunks = pieces(client, stream_options={"include_usage": True})
    assert joined(chunks) == REPLY
    assert sum(bool(chunk.choices and chunk.choices[0].delta.content) for chunk in chunks) > 8
    assert not any("\ufffd" in joined([chunk]) for chunk in chunks)
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage.completion_tokens == len(REPLY.encode()) + 2
    assert len({chunk.id for chunk in chunks}) == 1


def test_stream_is_events_that_end_with_done(service):
    body = {"model": "desk", "messages": WHERE, "stream": True}
    reply = service.ask("/v1/chat/completions", body, headers=service.headers)
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert reply.headers["cache-control"] == "no-store"
    events = reply.body.decode().split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    assert all(json.loads(each.removeprefix("data: ")) for each in events[:-2])


@pytest.mark.parametrize("stop", [", it", ["nowhere", "🚚"]])
def test_reply_ends_before_a_stop_word(client, stop):
    word = stop if isinstance(stop, str) else stop[-1]
    reply = said(client, stop=stop).choices[0]
    assert reply.message.content == REPLY[: REPLY.index(word)]
    assert reply.finish_reason == "stop"
    assert joined(pieces(client, stop=stop)) == reply.message.content


def test_reply_has_at_most_the_tokens_that_were_asked_for(client):
    reply = said(client, max_tokens=6)
    assert reply.choices[0].message.content == "订"
    assert reply.choices[0].finish_reason == "length"
    assert reply.usage.completion_tokens == 6
    assert said(client, COUNT, max_completion_tokens=9).usage.completion_tokens == 9


def test_drawn_replies_follow_from_their_seed(client):
    wishes = {"temperature": 1.9, "top_p": 0.99, "max_tokens": 30}
    first, again, other = (said(client, COUNT, seed=n, **wishes) for n in (1, 1, 2))
    texts = [each.choices[0].message.content for each in (first, again, other)]
    assert texts[0] == texts[1] != texts[2]
    assert joined(pieces(client, COUNT, seed=2, **wishes)) == texts[2]


def test_messages_in_other_forms_are_read_as_one_conversation(client):
    parts = [{"type": "text", "text": "where?"}]
    assert said(client, [{"role": "user", "content": parts}]).choices[0].message.content == REPLY
    turns = [
        {"role": "system", "content": "a"},
        {"role": "developer", "content": "b"},
        *WHERE,
        {"role": "assistant", "content": "c", "refusal": None},
        *WHERE,
        *WHERE,
    ]
    as_one = [
        {"role": "system", "content": "a\n\nb"},
        *WHERE,
        {"role": "assistant", "content": "c"},
        {"role": "user", "content": "where?\n\nwhere?"},
    ]
    assert said(client, turns).usage.prompt_tokens == said(client, as_one).usage.prompt_tokens


def test_translation_by_beams_is_that_of_predict_streamed_too(client, bundles):
    (row,) = tunesmith.predict(bundles["beams"], ["my order 3"]).predictions
    asked = [{"role": "user", "content": "my order 3"}]
    assert said(client, asked, "beams").choices[0].message.content == row["written"]
    assert joined(pieces(client, asked, "beams")) == row["written"]
    drawn = said(client, asked, "beams", temperature=0.7, max_tokens=5)
    assert drawn.usage.completion_tokens <= 5


IMAGE = [{"type": "image_url", "image_url": {"url": "data:,"}}]
REFUSED = {
    "several choices": ({"n": 2}, "n", "`n` must be 1, or left out"),
    "tools": ({"tools": [{"type": "function"}]}, "tools", "must be [], or left out"),
    "probabilities": ({"logprobs": True}, "logprobs", "must be false"),
    "another form": ({"response_format": {"type": "json_object"}}, "response_format", "text"),
    "penalty": ({"frequency_penalty": 0.5}, "frequency_penalty", "must be 0"),
    "unknown field": ({"tempreature": 1}, "tempreature", "must be one of `model`"),
    "too many tokens": ({"max_tokens": 501}, "max_tokens", "at most 500"),
    "no tokens": ({"max_tokens": 0}, "max_tokens", "greater than or equal to 1"),
    "too hot": ({"temperature": 3}, "temperature", "less than or equal to 2"),
    "number as text": ({"temperature": "1"}, "temperature", "valid number"),
    "long stop word": ({"stop": "x" * 101}, "stop", "at most 100"),
    "no messages": ({"messages": []}, "messages", "at least 1"),
    "blank message": ({"messages": [{"role": "user", "content": " "}]}, "messages", "be text"),
    "image": ({"messages": [{"role": "user", "content": IMAGE}]}, "messages", "must be text"),
    "tool's message": ({"messages": [{"role": "tool", "content": "x"}]}, "messages", "role of"),
    "late system": (
        {"messages": [*WHERE, {"role": "system", "content": "x"}, *WHERE]},
        "messages",
        "before all others",
    ),
    "assistant last": (
        {"messages": [*WHERE, {"role": "assistant", "content": "x"}]},
        "messages",
        "first and the last",
    ),
    "half a character": ({"messages": [{"role": "user", "content": "\ud800"}]}, "messages", "Uni"),
    "labels": ({"model": "labels"}, "model", "must be one that writes texts"),
    "system for one text": (
        {"model": "beams", "messages": [{"role": "system", "content": "x"}, *WHERE]},
        "messages",
        "a user's alone",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_chat_that_cannot_be_honoured_is_a_bad_request(name, service):
    wishes, param, must = REFUSED[name]
    body = {"model": "desk", "messages": WHERE, **wishes}
    reply = service.ask("/v1/chat/completions", body, headers=service.headers)
    assert reply.status == 400
    error = reply.fields["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert must in error["message"]
    assert reply.fields["request_id"] == reply.headers["x-request-id"]


def test_openai_errors_are_raised_as_what_they_are(client, service):
    with pytest.raises(openai.BadRequestError) as caught:
        said(client, n=3)
    assert (caught.value.param, caught.value.code) == ("n", "unsupported_parameter")
    with pytest.raises(openai.NotFoundError) as caught:
        said(client, model="gpt-4o")
    assert caught.value.code == "model_not_found"
    with pytest.raises(openai.AuthenticationError) as caught:
        said(client.with_options(api_key="sk-wrong"))
    assert caught.value.code == "invalid_api_key"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-4o")
    reply = service.ask("/v1/chat/completions", b"{", headers=service.headers)
    assert (reply.status, reply.fields["error"]["type"]) == (400, "invalid_request_error")
    assert service.ask("/v1/chat/completions", headers=service.headers).status == 405


def test_models_are_listed_and_found(client, bundles):
    assert [model.id for model in client.models.list()] == list(bundles)
    found = client.models.retrieve("pairs")
    assert (found.id, found.owned_by) == ("pairs", "tunesmith")


def test_embeddings_are_the_vectors_that_the_bundle_compares(client, bundles):
    texts = ["my order 1", "is it late? " * 60]
    reply = client.embeddings.create(model="pairs", input=texts)
    (known,) = answer(load_engine(bundles["pairs"]), [PairInput(*texts)])
    given = np.array([each.embedding for each in reply.data])
    assert given == pytest.approx(np.asarray(known.vectors), abs=1e-5)
    assert [each.index for each in reply.data] == [0, 1]
    assert reply.usage.prompt_tokens == reply.usage.total_tokens > 100
    plain = client.embeddings.create(model="pairs", input=texts, encoding_format="float")
    assert np.array([each.embedding for each in plain.data]) == pytest.approx(given, abs=1e-7)
    (alone,) = client.embeddings.create(model="pairs", input=texts[0], dimensions=32).data
    assert alone.embedding == pytest.approx(given[0].tolist(), abs=1e-5)


def test_classifier_gives_the_vector_that_its_head_stands_on(service, bundles):
    texts = ["it is good", "where"]
    body = {"model": "labels", "input": texts, "encoding_format": "base64"}
    reply = service.ask("/v1/embeddings", body, headers=service.headers).fields
    vectors = [np.frombuffer(base64.b64decode(each["embedding"]), "<f4") for each in reply["data"]]
    known = text_vectors(load_engine(bundles["labels"]), texts)
    units = known / np.linalg.norm(known, axis=1, keepdims=True)
    assert np.stack(vectors) == pytest.approx(units, abs=1e-5)


@pytest.mark.parametrize(
    ("wishes", "param", "must"),
    [
        ({"dimensions": 16}, "dimensions", "be the 32 that the model gives"),
        ({"input": [1, 2]}, "input", "another vocabulary"),
        ({"input": [[1, 2]]}, "input", "another vocabulary"),
        ({"input": []}, "input", "at least 1"),
        ({"input": ["x"] * 257}, "input", "at most 256 texts"),
        ({"input": "x" * 50_001}, "input", "at most 50,000 characters"),
        ({"input": "\ud800"}, "input", "Unicode"),
        ({"encoding_format": "int8"}, "encoding_format", "'float' or 'base64'"),
        ({"model": "desk"}, "model", "must be one that gives vectors"),
    ],
)
def test_embeddings_that_cannot_be_given_are_a_bad_request(service, wishes, param, must):
    body = {"model": "pairs", "input": "x", **wishes}
    reply = service.ask("/v1/embeddings", body, headers=service.headers)
    assert (reply.status, reply.fields["error"]["param"]) == (400, param)
    assert must in reply.fields["error"]["message"]


def written(service) -> float:
    lines = service.ask("/metrics", headers=service.headers).body.decode().splitlines()
    found = [line for line in lines if line.startswith("tunesmith_tokens_written_total{")]
    return sum(float(line.rsplit(" ", 1)[1]) for line in found)


class Stream:
    """A stream of a long reply whose worker was stopped as soon as the first piece was there."""

    def __init__(self, service) -> None:
        self.service = service
        self.worker = service.worker
        self.connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)
        body = {"model": "desk", "messages": COUNT, "stream": True, "max_tokens": MOST_TOKENS}
        headers = {"Content-Type": "application/json", **service.headers}
        self.connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
        self.reply = self.connection.getresponse()
        os.kill(self.worker, signal.SIGSTOP)

    def leave(self) -> None:
        """Hang up."""
        self.connection.sock.shutdown(socket.SHUT_RDWR)
        self.connection.close()


def test_stream_whose_client_left_stops_costing(service):
    """What is asked meanwhile waits, and comes as soon as the text is given up."""
    before, asked = written(service), len(service.events("request"))
    stream = Stream(service)
    try:
        with ThreadPoolExecutor(1) as pool:
            body = {"model": "labels", "row": "good"}
            waiting = pool.submit(service.ask, body=body, headers=service.headers)
            stream.leave()
            wait_until(
                lambda: 499 in [each["status"] for each in service.events("request")[asked:]]
            )
            os.kill(stream.worker, signal.SIGCONT)
            assert waiting.result().status == 200
    finally:
        os.kill(stream.worker, signal.SIGCONT)
    assert 0 < written(service) - before < MOST_TOKENS / 2


def test_token_that_does_not_come_ends_the_stream_with_an_error(service, client):
    stream = Stream(service)
    try:
        *_, last, nothing = stream.reply.read().decode().split("\n\n")
    finally:
        os.kill(stream.worker, signal.SIGCONT)
    error = json.loads(last.removeprefix("data: "))["error"]
    assert nothing == ""
    assert error["type"] == "server_error"
    assert "the next token must be there within 5 seconds" in error["message"]
    assert said(client).choices[0].message.content == REPLY


def test_long_reply_is_whole_where_it_is_waited_for(client):
    reply = said(client, COUNT, max_tokens=300)
    assert (reply.usage.completion_tokens, reply.choices[0].finish_reason) == (300, "length")


def test_figures_tell_tokens_and_the_time_to_the_first_piece(service):
    shown = service.ask("/metrics", headers=service.headers).body.decode()
    for name in ("tokens_read_total", "tokens_written_total", "first_piece_seconds_count"):
        found = [line for line in shown.splitlines() if line.startswith(f"tunesmith_{name}{{")]
        assert any('model="desk"' in line for line in found)


def test_no_text_of_a_chat_stands_in_the_log(service):
    log = service.log.read_text("utf-8")
    assert "/v1/chat/completions" in log
    assert not [word for word in ("where?", "订单", "my order", "late") if word in log]


def test_document_tells_what_these_routes_do(service):
    """A conversation whose roles are out of order is described in words alone."""
    document = service.ask("/openapi.json").fields
    fields = document["components"]["schemas"]["Chat"]["properties"]
    assert fields["model"]["enum"] == ["desk", "beams"]
    assert all(field.get("description") for field in fields.values())
    fields["messages"] = {"const": WHERE}
    fields["max_tokens"] = fields["max_completion_tokens"] = {"enum": [1, 5, 20]}
    config = SchemathesisConfig()
    schema = schemathesis.openapi.from_dict(document, config=config)
    schema.config.update(base_url=f"http://127.0.0.1:{service.port}")
    asked = set()
    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.path not in ("/v1/chat/completions", "/v1/embeddings"):
            continue
        asked.add(operation.path)
        for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):
            assert check(operation.as_strategy(generation_mode=mode), service.headers, []) >= 5
    assert len(asked) == 2
