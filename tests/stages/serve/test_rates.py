from __future__ import annotations

import asyncio
import threading

import pytest

from tunesmith.core.serving import ServiceLimits
from tunesmith.stages.serve import rates
from tunesmith.stages.serve.problems import Refusal

LIMITS = ServiceLimits(requests_a_minute=10, failed_keys_a_minute=2)


@pytest.fixture
def clock(monkeypatch):
    """Give the time that counts are kept by; it stands until it is set."""
    now = {"s": 6_000_000.0}  # a minute begins
    monkeypatch.setattr("time.time", lambda: now["s"])
    return now


def let_through(counted: rates.Rates, who: str, times: int) -> int:
    """Return how many of so many requests are let through."""

    async def ask() -> int:
        passed = 0
        while passed < times:
            try:
                await counted.count(who)
            except Refusal as error:
                refusal = error
                break
            passed += 1
        if passed < times:
            assert refusal.status == 429
            assert 1 <= float(refusal.headers["retry-after"]) <= 60
        return passed

    return asyncio.run(ask())


def test_no_minute_has_more_requests_than_the_limit(clock):
    counted = rates.Rates(LIMITS)
    clock["s"] += 50
    assert let_through(counted, "a", 15) == 10
    assert let_through(counted, "b", 15) == 10
    clock["s"] += 15  # five seconds into the next minute: 55 of 60 still count
    assert let_through(counted, "a", 15) == 1
    clock["s"] += 30
    assert let_through(counted, "a", 15) == 5
    clock["s"] += 120
    assert let_through(counted, "a", 15) == 10


def test_counts_that_are_over_are_forgotten_and_nothing_runs_beside(clock):
    counted = rates.Rates(LIMITS)
    threads = threading.active_count()
    for number in range(100):
        assert let_through(counted, f"caller {number}", 1) == 1
    kept = counted._limiter.storage
    assert len(kept.storage) == len(kept.expirations) == 100
    clock["s"] += 1000
    assert let_through(counted, "another", 1) == 1
    assert len(kept.storage) == len(kept.expirations) == 1
    assert threading.active_count() <= threads
