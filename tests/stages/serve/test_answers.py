"""Answers over HTTP are those of `predict`, whatever else is asked at the same time."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

import pytest

import tunesmith

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
WORDS = ["my", "order", "refund", "late", "broken", "good", "bad", "card", "where", "退款"]


def texts_of_many_lengths(count: int) -> list[str]:
    draw = random.Random(5)
    return [" ".join(draw.choices(WORDS, k=draw.randint(1, 300))) for _ in range(count)]


def test_answers_of_concurrent_requests_are_those_of_predict(service, bundle):
    texts = texts_of_many_lengths(150)
    expected = tunesmith.predict(bundle, texts, engine="onnx", all_scores=True).predictions
    draw, cuts = random.Random(7), [0]
    while cuts[-1] < len(texts):
        cuts.append(min(len(texts), cuts[-1] + draw.randint(1, 7)))
    parts = list(zip(cuts, cuts[1:], strict=False))

    def ask(part: tuple[int, int]) -> list:
        reply = service.ask(body={"rows": texts[slice(*part)], "all_scores": True})
        assert reply.status == 200
        return reply.fields["answers"]

    with ThreadPoolExecutor(12) as pool:
        answers = [answer for found in pool.map(ask, parts) for answer in found]
    assert [answer["label"] for answer in answers] == [row["label"] for row in expected]
    for answer, row in zip(answers, expected, strict=True):
        for label, score in row["scores"].items():
            assert answer["scores"][label] == pytest.approx(score, abs=1e-4)
    shown = service.ask("/metrics").body.decode()
    batches = {
        line.split()[0].partition("{")[0]: float(line.split()[1])
        for line in shown.splitlines()
        if line.startswith("tunesmith_batch_requests_") and "bucket" not in line
    }
    assert batches["tunesmith_batch_requests_sum"] > batches["tunesmith_batch_requests_count"]


def test_every_answer_tells_model_version_confidence_and_abstention(service, bundle):
    reply = service.ask(body={"row": {"text": "my order is late"}, "abstain_below": 0.999}).fields
    (row,) = tunesmith.predict(bundle, ["my order is late"], abstain_below=0.999).predictions
    (answer,) = reply["answers"]
    assert reply["model"] == "default"
    assert reply["version"] == tunesmith.predict(bundle, ["x"]).fingerprint
    assert {**row, **answer} == {**answer, **row}
    assert answer["abstained"] is True
    plain = service.ask(body={"row": "my order is late"}).fields["answers"][0]
    assert plain["abstained"] is False
    assert plain["confidence"] == answer["confidence"]


def test_demand_that_the_bundle_cannot_meet_is_a_conflict_in_words_of_fields(service):
    reply = service.ask(body={"row": "late", "coverage": 0.9})
    assert reply.status == 409
    assert "remembers 50 validation rows" in reply.fields["problems"][0]["must"]
    assert "`abstain_below`" in reply.fields["hint"]
    assert "--" not in reply.fields["hint"]


def test_models_and_operations_describe_themselves(service):
    (model,) = service.ask("/v1/models").fields["models"]
    assert model["labels"] == ["bad", "good"]
    assert (model["task"], model["engine"]) == ("classification", "onnx fp32")
    operations = service.ask("/v1/operations").fields["operations"]
    fit = next(row for row in operations if row["name"] == "fit")
    assert fit["schema"]["properties"]["seed"]["minimum"] == 0


def test_text_with_nul_is_answered_however_it_is_given(service):
    one, many, named = (
        service.ask(body=body)
        for body in ({"row": "a\0b"}, {"rows": ["a\0b"]}, {"row": {"text": "a\0b"}})
    )
    assert [reply.status for reply in (one, many, named)] == [200] * 3
    assert one.fields["answers"] == many.fields["answers"] == named.fields["answers"]


def test_answer_names_no_trace_where_none_are_kept(service):
    given = {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
    reply = service.ask(body={"row": "card"}, headers=given)
    assert reply.status == 200
    assert "traceparent" not in reply.headers
