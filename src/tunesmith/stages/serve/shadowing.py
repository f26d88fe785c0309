"""Which requests a candidate answers, and what a shadow would have said to the others.

A shadow is asked after the client has his answer. It never delays or fails anybody: what does not
fit its queue is dropped and counted.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

from tunesmith.stages.serve.canary import decisions_of
from tunesmith.stages.serve.deployments import Side
from tunesmith.stages.serve.metrics import Metrics
from tunesmith.stages.serve.problems import Refusal
from tunesmith.stages.serve.queue import Waiting

MOST_SHADOWED = 128
"""Requests that a shadow has yet to answer; what comes then is dropped."""

LONGEST_SECONDS = 60
"""What a shadow may take for a request before it is given up."""


def is_in_share(model: str, key: str, share: float) -> bool:
    """Tell whether the requests of a key belong to the share that a model's candidate answers.

    The same key always does or never does, on every machine; a larger share keeps a smaller one's.
    """
    digest = hashlib.sha256(f"{model}\0{key}".encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:8]) < share * 2**64


class Shadowing:
    """Asks shadows what was answered already, and counts where they would have said otherwise."""

    def __init__(self, metrics: Metrics) -> None:
        """Begin with nothing to compare."""
        self._metrics = metrics
        self._tasks: set[asyncio.Task] = set()

    def compare(
        self,
        side: Side,
        rows: tuple[dict[str, Any], ...],
        tokens: int,
        *,
        demands: dict[str, Any],
        answers: Sequence[Mapping[str, Any]],
    ) -> None:
        """Ask the shadow `side` for rows that got `answers`, some time later."""
        if len(self._tasks) >= MOST_SHADOWED:
            self._drop(side, "full")
        elif not side.deployment.can_answer:
            self._drop(side, "not_ready")
        else:
            reply = asyncio.get_running_loop().create_future()
            waiting = Waiting(side.served.name, rows, tokens, demands, reply)
            task = asyncio.create_task(self._compare(side, waiting, answers))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _compare(
        self, side: Side, waiting: Waiting, answers: Sequence[Mapping[str, Any]]
    ) -> None:
        try:
            await side.deployment.ask(waiting, (), LONGEST_SECONDS)
        except Refusal:
            self._drop(side, "full")
            return
        if waiting.reply.cancelled():
            self._drop(side, "late")
            return
        theirs = waiting.reply.result().get("answers")
        if theirs is None:
            self._drop(side, "failed")
            return
        own = (side.served.name, side.served.version)
        self._metrics.note_answers(side, theirs, time.monotonic() - waiting.arrived)
        self._metrics.shadow_rows.labels(*own).inc(len(theirs))
        different = sum(
            decisions_of(a) != decisions_of(b) for a, b in zip(answers, theirs, strict=True)
        )
        self._metrics.shadow_disagreements.labels(*own).inc(different)

    def _drop(self, side: Side, reason: str) -> None:
        self._metrics.shadow_dropped.labels(side.served.name, side.served.version, reason).inc()

    def close(self) -> None:
        """Compare nothing more."""
        for task in list(self._tasks):
            task.cancel()
