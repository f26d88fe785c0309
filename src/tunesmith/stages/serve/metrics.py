"""The figures of a service, in the format of Prometheus. No text of a request is among them."""

from __future__ import annotations

from collections import deque
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

from tunesmith.stages.serve.deployments import Role, Side

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
MINUTES = (1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
COUNTS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
TOKENS = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192)
RATIOS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
MODEL = ("model", "version")
SIDE = ("model", "version", "role")
KEPT_VERSIONS = 8
"""Versions that answer no more whose figures are still shown; those of older ones are dropped, so
that a service whose model is replaced every day does not grow."""


class Metrics:
    """All counters, gauges and histograms of one service, in a registry of their own."""

    def __init__(self) -> None:
        """Begin at zero."""
        disable_created_metrics()  # a second series for each, with the time it began
        self.registry = CollectorRegistry()
        self._by_version: list[Counter | Gauge | Histogram] = []
        self._past: deque[tuple[str, str]] = deque()
        self.requests = self._counter("requests", "Requests by route and status", "route", "status")
        self.seconds = self._histogram("request_seconds", "From head to answer", SECONDS, "route")
        self.refusals = self._counter("refusals", "Requests not answered, by reason", "reason")
        self.gone = self._counter("clients_gone", "Clients that left before their answer")
        self.queue_requests = self._gauge("queue_requests", "Requests that wait")
        self.queue_rows = self._gauge("queue_rows", "Rows that wait")
        self.computing = self._gauge("computing_requests", "Requests in the hands of workers")
        self.workers = self._gauge("workers_ready", "Worker processes that take batches")
        self.lost = self._counter("workers_lost", "Worker processes that ended")
        self.jobs = Gauge(
            "tunesmith_jobs", "Long jobs by status.", ("status",), registry=self.registry
        )
        self.ready = self._gauge("ready", "1 where /readyz says 200")
        self._add_batches()
        self._add_answers()
        self._add_versions()

    def _add_batches(self) -> None:
        self.queue_seconds = self._histogram(
            "queue_seconds", "From arrival to the end of the batch", SECONDS, *MODEL
        )
        self.batch_requests = self._histogram("batch_requests", "Requests a batch", COUNTS, *MODEL)
        self.batch_rows = self._histogram("batch_rows", "Rows a batch", COUNTS, *MODEL)
        self.batch_tokens = self._histogram("batch_tokens", "Tokens a batch", TOKENS, *MODEL)
        self.batch_seconds = self._histogram("batch_seconds", "Computing", SECONDS, *MODEL)

    def _add_answers(self) -> None:
        """Add what tells how answers and rows drift."""
        self.answers = self._counter("answers", "Answers by label", *SIDE, "label")
        self.answer_seconds = self._histogram(
            "answer_seconds", "From the queue to the answers of a request", SECONDS, *SIDE
        )
        self.confidence = self._histogram("confidence", "Of answers", RATIOS, *SIDE)
        self.abstentions = self._counter("abstentions", "Answers abstained", *SIDE)
        self.outside = self._counter("outside", "Texts found outside", *SIDE)
        self.row_tokens = self._histogram(
            "row_tokens", "Tokens a row, guessed from its bytes", TOKENS, "model"
        )
        self.tokens_counted = self._counter(
            "tokens_counted", "Tokens of one row of every eighth batch", *MODEL
        )
        self.tokens_unknown = self._counter(
            "tokens_unknown", "Those among them that the model has no word for", *MODEL
        )

        self.tokens_read = self._counter(
            "tokens_read", "Tokens of chats and embedded texts", *MODEL
        )
        self.tokens_written = self._counter(
            "tokens_written", "Tokens of chat replies, given up ones too", *MODEL
        )
        self.first_piece_seconds = self._histogram(
            "first_piece_seconds", "From a chat request to its first words", SECONDS, *MODEL
        )

    def _add_versions(self) -> None:
        """Add what tells of replacements, candidates and shadows."""
        self.served = self._gauge("served", "1 for each version that answers", *SIDE)
        self.replacements = self._counter(
            "replacements", "Models put in the place of others", "model", "role", "outcome"
        )
        self.replacement_seconds = self._histogram(
            "replacement_seconds", "From the wish to the first request", MINUTES
        )
        self.refused = self._gauge(
            "replacement_refused", "1 where the last replacement was refused", "model", "role"
        )
        self.candidate_failures = self._counter(
            "candidate_failures", "Requests that fell back to the live model", *MODEL, "reason"
        )
        self.shadow_rows = self._counter("shadow_rows", "Rows that were compared", *MODEL)
        self.shadow_disagreements = self._counter(
            "shadow_disagreements", "Rows that the live model decided otherwise", *MODEL
        )
        self.shadow_dropped = self._counter(
            "shadow_dropped", "Requests that were not compared", *MODEL, "reason"
        )

    def note_answers(
        self, side: Side, answers: Iterable[Mapping[str, Any]], seconds: float
    ) -> None:
        """Count the answers to a request by label, with their confidence and whether they abstain.

        `seconds` is what it took from the queue on.
        """
        own = _labels_of(side)
        self.answer_seconds.labels(*own).observe(seconds)
        for answer in answers:
            for label in _labels(answer):
                self.answers.labels(*own, label).inc()
            if isinstance(answer.get("confidence"), float):
                self.confidence.labels(*own).observe(answer["confidence"])
            if answer.get("abstained"):
                self.abstentions.labels(*own).inc()
            if answer.get("outside"):
                self.outside.labels(*own).inc()

    def note_lengths(self, model: str, lengths: Iterable[int]) -> None:
        """Count how long the rows of a request are."""
        observed = self.row_tokens.labels(model)
        for length in lengths:
            observed.observe(length)

    def note_served(self, model: str, version: str, role: Role, *, serves: bool) -> None:
        """Tell that a version serves from now on, or no more."""
        if serves:
            self.served.labels(model, version, role).set(1)
            return
        self.served.remove(model, version, role)
        self._past.append((model, version))

    def forget_past(self, present: Iterable[tuple[str, str]]) -> None:
        """Drop the figures of old versions, but for the last few and those of `present`."""
        kept = set(present)
        while len(self._past) > KEPT_VERSIONS:
            model, version = self._past.popleft()
            if (model, version) not in {*kept, *self._past}:
                for metric in self._by_version:
                    metric.remove_by_labels({"model": model, "version": version})

    def show(self) -> bytes:
        """Return all figures as Prometheus reads them."""
        return generate_latest(self.registry)

    def _counter(self, name: str, words: str, *labels: str) -> Counter:
        made = Counter(f"tunesmith_{name}", f"{words}.", labels, registry=self.registry)
        return self._kept(made, labels)

    def _gauge(self, name: str, words: str, *labels: str) -> Gauge:
        made = Gauge(f"tunesmith_{name}", f"{words}.", labels, registry=self.registry)
        return self._kept(made, labels)

    def _histogram(
        self, name: str, words: str, buckets: tuple[float, ...], *labels: str
    ) -> Histogram:
        name = f"tunesmith_{name}"
        made = Histogram(name, f"{words}.", labels, buckets=buckets, registry=self.registry)
        return self._kept(made, labels)

    def _kept(self, metric: Any, labels: Iterable[str]) -> Any:
        """Remember a metric that has a series for each version."""
        if "version" in labels:
            self._by_version.append(metric)
        return metric


def _labels_of(side: Side) -> tuple[str, str, Role]:
    return side.served.name, side.served.version, side.deployment.role


def _labels(answer: Mapping[str, Any]) -> list[str]:
    """Return what an answer is counted under: its labels, the types it found, or nothing."""
    if "label" in answer:
        return [answer["label"]]
    if "labels" in answer:
        return answer["labels"]
    return [entity["type"] for entity in answer.get("entities", [])]
