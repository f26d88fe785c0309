"""How often a key, or an address, may ask: sliding windows of a minute, in memory or in Redis.

What was counted in the minute before the running one weighs as much as still lies in the window.
"""

from __future__ import annotations

import inspect
import time
from http import HTTPStatus
from typing import Any

from limits import RateLimitItemPerMinute, strategies
from limits.aio import strategies as waiting_strategies
from limits.errors import ConfigurationError
from limits.storage import MemoryStorage, storage_from_string

from tunesmith.core.errors import MissingExtraError, SpecError
from tunesmith.core.serving import ServiceLimits
from tunesmith.stages.serve.problems import Refusal

MEMORY = "memory://"
SWEEP_SECONDS = 10.0


class Rates:
    """Counts requests. Several services share the counts where they name one Redis."""

    def __init__(self, limits: ServiceLimits, store: str = MEMORY) -> None:
        """Begin at zero, or where the store stands.

        Raises `SpecError` for a store that is none, and `MissingExtraError` where what speaks to it
        is not installed.
        """
        self._limiter = _limiter(store)
        self._requests = RateLimitItemPerMinute(limits.requests_a_minute)
        self._failures = RateLimitItemPerMinute(limits.failed_keys_a_minute)

    async def count(self, who: str) -> None:
        """Count a request. Raises `Refusal` (429) where it is one too many."""
        if not await _done(self._limiter.hit(self._requests, "requests", who)):
            raise await self._refusal(self._requests, "requests", who, "requests")

    async def check_failures(self, address: str) -> None:
        """Raise `Refusal` (429) where an address got too many keys wrong."""
        if not await _done(self._limiter.test(self._failures, "failures", address)):
            raise await self._refusal(self._failures, "failures", address, "wrong keys")

    async def count_failure(self, address: str) -> None:
        """Count a wrong key of an address."""
        await _done(self._limiter.hit(self._failures, "failures", address))

    async def _refusal(
        self, item: RateLimitItemPerMinute, kind: str, who: str, what: str
    ) -> Refusal:
        window = await _done(self._limiter.get_window_stats(item, kind, who))
        return Refusal(
            HTTPStatus.TOO_MANY_REQUESTS,
            f"at most {item.amount:,} {what} a minute are let through",
            hint="try again after the seconds of Retry-After",
            retry_seconds=max(1.0, window.reset_time - time.time()),
        )


async def _done(found: Any) -> Any:
    """Return what a limiter says: one in memory says it at once, others must be waited for.

    Raises `Refusal` (503) where a store cannot be reached: nobody is let through uncounted.
    """
    if not inspect.isawaitable(found):
        return found
    try:
        return await found
    except Exception as error:  # noqa: BLE001 (whatever a store over the network fails with)
        raise Refusal(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "the store that counts requests must be reachable; it is not",
            hint="try again after the seconds of Retry-After",
            retry_seconds=5,
        ) from error


class _Counts(MemoryStorage):
    """Counts in memory; who counts drops what is over.

    The library's own starts a thread to do so, up to a hundred times a second, which was a fifth
    of what a request costs the service.
    """

    def __init__(self) -> None:
        super().__init__()
        self._sweep_at = 0.0

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Count, and return how many there are by now."""
        now = time.time()
        if now >= self._sweep_at:
            self._sweep_at = now + SWEEP_SECONDS
            for old in [old for old, until in self.expirations.items() if until <= now]:
                self.clear(old)
        self.storage[key] = self.get(key) + amount
        self.expirations.setdefault(key, now + expiry)
        return self.storage[key]


def _limiter(store: str) -> Any:
    """Return what counts in a store."""
    if store == MEMORY:
        return strategies.SlidingWindowCounterRateLimiter(_Counts())
    try:
        return waiting_strategies.SlidingWindowCounterRateLimiter(
            storage_from_string(f"async+{store}")
        )
    except ConfigurationError as error:
        first = str(error).splitlines()[0]
        if "prerequisite" in first or "not available" in first:
            raise MissingExtraError(
                f"`rate_store` needs a package that is not installed: {first}",
                hint="pip install 'limits[async-redis]'",
            ) from error
        raise _no_store(type(error).__name__) from error
    except Exception as error:  # noqa: BLE001 (an address may be wrong in any way)
        raise _no_store(type(error).__name__) from error


def _no_store(found: str) -> SpecError:
    return SpecError(
        f"`rate_store` must be {MEMORY} or redis://HOST:PORT; got {found}",
        hint=f"--rate-store {MEMORY}",
    )
