"""Signed tokens of an identity provider (JWT), in the place of keys made here.

Only public keys of a file are believed, only three ways of signing, and nothing is fetched: headers
that name a place for keys (`jku`, `x5u`, `jwk`) are not looked at.
Source: RFC 7519 (claims), RFC 7517 (key sets), RFC 8725 (what to refuse).
"""

from __future__ import annotations

import hashlib
import json
import time
import warnings
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, get_args

from joserfc import errors, jwk, jwt

from tunesmith.core.errors import DataError, NotFoundError, TunesmithError
from tunesmith.core.serving import Scope
from tunesmith.stages.serve.problems import Refusal

ALGORITHMS = {"RS256": "RSA", "ES256": "EC", "EdDSA": "OKP", "Ed25519": "OKP"}
"""Ways of signing, and the kind of key each needs: never none, never a shared secret."""

CURVES = {"EC": "P-256", "OKP": "Ed25519"}
SMALLEST_RSA_BITS = 2048
LARGEST_TOKEN = 8_192
LARGEST_FILE_BYTES = 1_000_000
LEEWAY_SECONDS = 30
"""What clocks may differ by."""

ID_DIGITS = 16
CHALLENGE = {"www-authenticate": 'Bearer realm="tunesmith", error="invalid_token"'}
HINT = "ask for a new token where you got this one"


class TokenReader:
    """Judges tokens by the keys of a file, which is read anew when it changed."""

    def __init__(self, path: Path, *, issuer: str, audience: str) -> None:
        """Read the keys. Raises `NotFoundError` and `DataError` where they are none to believe."""
        self._path = path
        self._claims = jwt.JWTClaimsRegistry(
            now=lambda: int(time.time()),
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": audience},
            sub={"essential": True},
            exp={"essential": True},
        )
        self._stamp: tuple[int, ...] = ()
        self._keys: tuple[Any, ...] = ()
        self._refresh()

    def read(self, token: str) -> tuple[str, Scope]:
        """Return who asks, by an id made of issuer and subject, and what he may.

        Raises `Refusal`: 401 where the token is not to be believed, 403 where it names no scope of
        ours, 503 where the file of keys cannot be read now.
        """
        if len(token) > LARGEST_TOKEN or not token.isascii():
            raise _unauthorised("one that is too long or no plain text")
        try:
            self._refresh()
        except TunesmithError as error:  # where the file stands is nobody's affair
            raise Refusal(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "the file of public keys must be readable; it is not now",
                hint="ask whoever runs this service",
                retry_seconds=10,
            ) from error
        claims = self._verified(token)
        scope = _scope_of(claims)
        who = f"{claims['iss']}\0{claims['sub']}".encode("utf-8", "replace")
        return f"jwt-{hashlib.sha256(who).hexdigest()[:ID_DIGITS]}", scope

    def _verified(self, token: str) -> dict[str, Any]:
        try:
            with warnings.catch_warnings():  # RFC 9864 renames EdDSA; providers still send it
                warnings.simplefilter("ignore")
                found = jwt.decode(token, self._choose, algorithms=list(ALGORITHMS))
            self._claims.validate(found.claims)
        except errors.JoseError as error:
            raise _unauthorised(_reason(error)) from None
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise _unauthorised("one that cannot be read") from None
        return found.claims

    def _choose(self, guest: Any) -> Any:
        """Return the key that a token was signed with, by its id and its way of signing."""
        header = guest.headers()
        kind = ALGORITHMS.get(str(header.get("alg")))
        fit = [key for key in self._keys if key.key_type == kind]
        if header.get("kid") is not None:
            fit = [key for key in fit if key.kid == header["kid"]]
        if len(fit) != 1:
            raise errors.InvalidKeyIdError(str(header.get("kid")))
        stated = fit[0].as_dict(private=False).get("alg")
        if stated not in (None, header["alg"]):
            raise errors.UnsupportedAlgorithmError(str(header["alg"]))
        return fit[0]

    def _refresh(self) -> None:
        try:
            found = self._path.stat()
            stamp = (found.st_mtime_ns, found.st_ino, found.st_size)
            if stamp == self._stamp:
                return
            content = self._path.read_bytes()[: LARGEST_FILE_BYTES + 1]
        except OSError as error:
            raise NotFoundError(
                f"the public keys `{self._path}` must be a file; {error.strerror}",
                hint="--jwt-keys FILE",
            ) from error
        self._keys, self._stamp = _read_keys(content, self._path), stamp


def _read_keys(content: bytes, path: Path) -> tuple[Any, ...]:
    """Return the public keys of a key set. Raises `DataError` where one is not to be believed."""
    problems: list[str] = []
    keys: list[Any] = []
    try:
        entries = json.loads(content)["keys"] if len(content) <= LARGEST_FILE_BYTES else None
        if not isinstance(entries, list) or not entries:
            raise TypeError
    except (ValueError, KeyError, TypeError, RecursionError):
        entries = []
        problems.append("it must be a JSON object with a list `keys` of at least one")
    for number, entry in enumerate(entries, start=1):
        key, problem = _read_key(entry)
        if problem:
            problems.append(f"key {number} {problem}")
        elif key is not None:
            keys.append(key)
    named = [key.kid for key in keys]
    if len(set(named)) < len(named):
        problems.append("each of several keys must have a `kid` of its own")
    if problems:
        raise DataError(
            [f"public keys must be to be believed; {problem} ({path})" for problem in problems],
            hint="--jwt-keys FILE: the JWKS of the issuer",
        )
    return tuple(keys)


def _read_key(entry: Any) -> tuple[Any, str]:
    """Return a key, or what keeps it from being one; a key for encryption is neither."""
    if not isinstance(entry, Mapping) or entry.get("kty") not in ALGORITHMS.values():
        return None, "must be of the kind RSA, EC or OKP"
    if "d" in entry:
        return None, "must be public; it is private"
    if entry.get("use") == "enc":
        return None, ""
    wanted = CURVES.get(str(entry["kty"]))
    if wanted and entry.get("crv") != wanted:
        return None, f"must be on the curve {wanted}"
    try:
        key = jwk.import_key(dict(entry))
        bits = getattr(key.raw_value, "key_size", 0) if wanted is None else SMALLEST_RSA_BITS
    except (errors.JoseError, ValueError, TypeError, KeyError):
        return None, "must be a key"
    if bits < SMALLEST_RSA_BITS:
        return None, f"must have at least {SMALLEST_RSA_BITS} bits"
    return key, ""


def _scope_of(claims: Mapping[str, Any]) -> Scope:
    """Return the widest of our scopes that a token names, `admin` or `tunesmith:admin`."""
    given = claims.get("scope", claims.get("scp", ""))
    words = given.split() if isinstance(given, str) else given
    names = {str(word).removeprefix("tunesmith:") for word in words or ()}
    scopes: tuple[Scope, ...] = get_args(Scope)
    found = [scope for scope in scopes if scope in names]
    if not found:
        raise Refusal(
            HTTPStatus.FORBIDDEN,
            f"the token's `scope` must name one of {', '.join(scopes)}; it names none",
            hint=HINT,
        )
    return found[-1]


def _reason(error: errors.JoseError) -> str:
    match error:
        case errors.ExpiredTokenError():
            return "one that is expired"
        case errors.BadSignatureError():
            return "one whose signature is not that of its key"
        case errors.InvalidKeyIdError():
            return "one of another key"
        case errors.UnsupportedAlgorithmError() | errors.ConflictAlgorithmError():
            return f"one that is signed in another way than {', '.join(ALGORITHMS)}"
        case errors.ClaimError():
            return f"one whose claim `{error.claim}` is not right"
    return "one that cannot be read"


def _unauthorised(found: str) -> Refusal:
    return Refusal(
        HTTPStatus.UNAUTHORIZED,
        f"the token must be one that is valid here; got {found}",
        hint=HINT,
        headers=CHALLENGE,
    )
