"""API keys: how they are made, hashed and recognised. The words of a key are never stored."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, get_args

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from tunesmith.core.errors import TunesmithError
from tunesmith.core.serving import Scope
from tunesmith.stages.serve.problems import Refusal
from tunesmith.store.keys import KeyFile, KeyRecord, utc_now

if TYPE_CHECKING:
    from tunesmith.stages.serve.tokens import TokenReader

PREFIX = "ts"
SECRET_BYTES = 32
ID_BYTES = 6
HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
"""OWASP's least for argon2id: a key is drawn, 256 bits of it, so that nothing is to be guessed."""

MOST_CHECKS = 8
"""Keys that are hashed or wait to be: each costs tens of milliseconds and 19 MiB."""

LONGEST_KEY = 200
SCOPES: tuple[Scope, ...] = get_args(Scope)
CHALLENGE = {"www-authenticate": 'Bearer realm="tunesmith"'}
MAKE_ONE = "tunesmith keys add NAME"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the id and name of his key, and what it opens."""

    id: str
    name: str
    scope: Scope


ANYBODY = Caller("", "", "admin")
"""Who asks where no key was made, which a service allows on loopback alone."""


def make_key() -> tuple[str, str]:
    """Return a new key's id, and the key: `ts_ID_SECRET`."""
    identity = secrets.token_hex(ID_BYTES)
    return identity, f"{PREFIX}_{identity}_{secrets.token_urlsafe(SECRET_BYTES)}"


def hash_key(key: str) -> str:
    """Return the argon2id hash of a key, with its parameters and salt."""
    return HASHER.hash(key)


class Gatekeeper:
    """Recognises keys. A key that was verified is known by a digest of it from then on.

    The file is looked at for every request, so that what is revoked is refused at once.
    """

    def __init__(self, file: KeyFile, *, tokens: TokenReader | None = None) -> None:
        """Know no key yet; `tokens` judges signed ones of an identity provider."""
        self._file = file
        self._tokens = tokens
        self._was_closed = False
        self._secret = secrets.token_bytes(32)
        self._known: dict[str, tuple[str, bytes]] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="argon2")
        self._checks = 0
        self._decoy = hash_key(make_key()[1])

    @property
    def is_open(self) -> bool:
        """Whether everybody may ask: no key was made so far, and no provider's tokens are taken."""
        if self._tokens is not None:
            return False
        self._was_closed = self._was_closed or bool(self._records())
        return not self._was_closed

    async def recognise(self, headers: Mapping[str, str]) -> Caller:
        """Return who asks.

        Raises `Refusal`: 401 without a valid key, 503 where too many are tried at once.
        """
        if self.is_open:
            return ANYBODY
        given = presented_key(headers)
        if self._tokens is not None and _is_token(given):
            who, scope = self._tokens.read(given)
            return Caller(who, who, scope)
        key = _given_key(headers)
        identity = _id_of(key)
        record = next((found for found in self._records() if found.id == identity), None)
        if not await self._is_right(key, record):
            raise _unauthorised("the key must be one that was made here", "another")
        state = record.state(utc_now()) if record else "unknown"
        if record is None or state != "valid":
            raise _unauthorised("the key must be valid", f"one that is {state}")
        return Caller(record.id, record.name, record.scope)

    async def _is_right(self, key: str, record: KeyRecord | None) -> bool:
        """Tell whether a key is the record's; an unknown id takes as long as a known one."""
        digest = hmac.digest(self._secret, key.encode("utf-8", "replace"), hashlib.sha256)
        if record is not None:
            hashed, known = self._known.get(record.id, ("", b""))
            if hashed == record.digest and hmac.compare_digest(known, digest):
                return True
        if self._checks >= MOST_CHECKS:
            raise Refusal(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "keys must be tried one after the other; too many are tried now",
                hint="try again after the seconds of Retry-After",
                retry_seconds=1,
            )
        self._checks += 1
        try:
            loop = asyncio.get_running_loop()
            hashed = record.digest if record else self._decoy
            is_right = await loop.run_in_executor(self._thread, _verify, hashed, key)
        finally:
            self._checks -= 1
        if is_right and record is not None:
            self._known[record.id] = (record.digest, digest)
            return True
        return False

    def _records(self) -> tuple[KeyRecord, ...]:
        try:
            return self._file.records()
        except TunesmithError as error:  # where the file stands is nobody's affair
            raise Refusal(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "the file of keys must be readable; it is not now",
                hint="ask whoever runs this service",
                retry_seconds=10,
            ) from error

    def close(self) -> None:
        """End the thread that hashes."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def require_scope(caller: Caller, scope: Scope) -> None:
    """Raise `Refusal` (403) where a key does not open this."""
    if SCOPES.index(caller.scope) < SCOPES.index(scope):
        raise Refusal(
            HTTPStatus.FORBIDDEN,
            f"the key must have the scope `{scope}`; it has `{caller.scope}`",
            hint=f"{MAKE_ONE} --scope {scope}",
        )


def is_refused_key(error: TunesmithError) -> bool:
    """Tell whether a refusal is that of a wrong key."""
    return isinstance(error, Refusal) and error.status == HTTPStatus.UNAUTHORIZED


def presented_key(headers: Mapping[str, str]) -> str:
    """Return what a request gives as its key, whatever it is; empty where it gives none."""
    kind, _, token = headers.get("authorization", "").partition(" ")
    return headers.get("x-api-key", "") or (token.strip() if kind.lower() == "bearer" else "")


def claimed_id(headers: Mapping[str, str]) -> str:
    """Return the id that a request's key says it has, which may be anything, or nothing."""
    return _id_of(presented_key(headers))


def _id_of(key: str) -> str:
    return key.split("_")[1] if key.count("_") >= 2 else ""


def _is_token(key: str) -> bool:
    return key.count(".") == 2 and key.startswith("ey")


def _given_key(headers: Mapping[str, str]) -> str:
    key = presented_key(headers)
    if not key:
        found = "an Authorization of another kind" if headers.get("authorization") else "none"
        raise _unauthorised("a key must be given, as `Authorization: Bearer KEY`", found)
    if len(key) > LONGEST_KEY or not key.isascii():
        raise _unauthorised("the key must be one that was made here", "another")
    return key


def _unauthorised(must: str, found: str) -> Refusal:
    return Refusal(
        HTTPStatus.UNAUTHORIZED, f"{must}; got {found}", hint=MAKE_ONE, headers=CHALLENGE
    )


def _verify(hashed: str, key: str) -> bool:
    try:
        return HASHER.verify(hashed, key)
    except (VerificationError, InvalidHashError):
        return False
