"""The figures of a service, in the format of Prometheus. No text of a request is among them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
COUNTS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
TOKENS = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192)
RATIOS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)


class Metrics:
    """All counters, gauges and histograms of one service, in a registry of their own."""

    def __init__(self) -> None:
        """Begin at zero."""
        disable_created_metrics()  # a second series for each, with the time it began
        self.registry = CollectorRegistry()
        self.requests = self._counter("requests", "Requests by route and status", "route", "status")
        self.seconds = self._histogram("request_seconds", "From head to answer", SECONDS, "route")
        self.refusals = self._counter("refusals", "Requests not answered, by reason", "reason")
        self.gone = self._counter("clients_gone", "Clients that left before their answer")
        self.queue_requests = self._gauge("queue_requests", "Requests that wait")
        self.queue_rows = self._gauge("queue_rows", "Rows that wait")
        self.computing = self._gauge("computing_requests", "Requests in the hands of workers")
        self.queue_seconds = self._histogram(
            "queue_seconds", "From arrival to the end of the batch", SECONDS, "model"
        )
        self.batch_requests = self._histogram("batch_requests", "Requests a batch", COUNTS, "model")
        self.batch_rows = self._histogram("batch_rows", "Rows a batch", COUNTS, "model")
        self.batch_tokens = self._histogram("batch_tokens", "Tokens a batch", TOKENS, "model")
        self.batch_seconds = self._histogram("batch_seconds", "Computing", SECONDS, "model")
        self.answers = self._counter("answers", "Answers by label", "model", "version", "label")
        self.confidence = self._histogram("confidence", "Of answers", RATIOS, "model", "version")
        self.abstentions = self._counter("abstentions", "Answers abstained", "model", "version")
        self.outside = self._counter("outside", "Texts found outside", "model", "version")
        self.tokens_read = self._counter(
            "tokens_read", "Tokens of chats and embedded texts", "model", "version"
        )
        self.tokens_written = self._counter(
            "tokens_written", "Tokens of chat replies, given up ones too", "model", "version"
        )
        self.first_piece_seconds = self._histogram(
            "first_piece_seconds", "From a chat request to its first words", SECONDS, "model"
        )
        self.workers = self._gauge("workers_ready", "Worker processes that take batches")
        self.lost = self._counter("workers_lost", "Worker processes that ended")
        self.jobs = Gauge(
            "tunesmith_jobs", "Long jobs by status.", ("status",), registry=self.registry
        )
        self.ready = self._gauge("ready", "1 where /readyz says 200")

    def note_answers(self, model: str, version: str, answers: Iterable[Mapping[str, Any]]) -> None:
        """Count answers by label, with their confidence and whether they abstain."""
        for answer in answers:
            for label in _labels(answer):
                self.answers.labels(model, version, label).inc()
            if isinstance(answer.get("confidence"), float):
                self.confidence.labels(model, version).observe(answer["confidence"])
            if answer.get("abstained"):
                self.abstentions.labels(model, version).inc()
            if answer.get("outside"):
                self.outside.labels(model, version).inc()

    def show(self) -> bytes:
        """Return all figures as Prometheus reads them."""
        return generate_latest(self.registry)

    def _counter(self, name: str, words: str, *labels: str) -> Counter:
        return Counter(f"tunesmith_{name}", f"{words}.", labels, registry=self.registry)

    def _gauge(self, name: str, words: str) -> Gauge:
        return Gauge(f"tunesmith_{name}", f"{words}.", registry=self.registry)

    def _histogram(
        self, name: str, words: str, buckets: tuple[float, ...], *labels: str
    ) -> Histogram:
        name = f"tunesmith_{name}"
        return Histogram(name, f"{words}.", labels, buckets=buckets, registry=self.registry)


def _labels(answer: Mapping[str, Any]) -> list[str]:
    """Return what an answer is counted under: its labels, the types it found, or nothing."""
    if "label" in answer:
        return [answer["label"]]
    if "labels" in answer:
        return answer["labels"]
    return [entity["type"] for entity in answer.get("entities", [])]
