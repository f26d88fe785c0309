"""Signed tokens: which are believed, what they open, and what is said to all others."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import time
from pathlib import Path

import pytest
from joserfc import jwk, jwt

import tunesmith
from tunesmith.core.errors import DataError, NotFoundError, SpecError
from tunesmith.stages.serve.keys import Gatekeeper, require_scope
from tunesmith.stages.serve.problems import Refusal
from tunesmith.stages.serve.tokens import TokenReader
from tunesmith.store.keys import KeyFile

from .conftest import running

ISSUER, AUDIENCE = "https://id.example", "tunesmith"


@pytest.fixture(scope="module")
def keys() -> dict[str, jwk.Key]:
    """Return a private key for each way of signing."""
    return {
        "RS256": jwk.RSAKey.generate_key(2048, {"kid": "rsa"}),
        "ES256": jwk.ECKey.generate_key("P-256", {"kid": "ec"}),
        "EdDSA": jwk.OKPKey.generate_key("Ed25519", {"kid": "ed"}),
    }


def publish(path: Path, *keys: jwk.Key) -> Path:
    path.write_text(json.dumps({"keys": [key.as_dict(private=False) for key in keys]}))
    return path


@pytest.fixture
def jwks(tmp_path, keys) -> Path:
    return publish(tmp_path / "jwks.json", *keys.values())


@pytest.fixture
def reader(jwks) -> TokenReader:
    return TokenReader(jwks, issuer=ISSUER, audience=AUDIENCE)


def claims(**changes) -> dict:
    own = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ana@example.com", "scope": "predict"}
    all_ = {**own, "exp": int(time.time()) + 600, **changes}
    return {name: value for name, value in all_.items() if value is not None}


def sign(key, algorithm="ES256", header=None, **changes) -> str:
    head = {"alg": algorithm, "kid": key.kid, **(header or {})}
    return jwt.encode(head, claims(**changes), key, algorithms=[algorithm])


def part(fields: dict) -> str:
    return base64.urlsafe_b64encode(json.dumps(fields).encode()).rstrip(b"=").decode()


def refusal(reader: TokenReader, token: str) -> Refusal:
    with pytest.raises(Refusal) as caught:
        reader.read(token)
    return caught.value


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_token_that_is_signed_by_a_public_key_is_believed(reader, keys, algorithm):
    identity, scope = reader.read(sign(keys[algorithm], algorithm))
    assert scope == "predict"
    assert identity.startswith("jwt-")
    assert "ana" not in identity
    assert reader.read(sign(keys["ES256"], sub="another"))[0] != identity


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"exp": 1}, "one that is expired"),
        ({"exp": None}, "claim `exp`"),
        ({"exp": "soon"}, "claim `exp`"),
        ({"nbf": int(time.time()) + 9999}, "claim `nbf`"),
        ({"aud": "another"}, "claim `aud`"),
        ({"aud": None}, "claim `aud`"),
        ({"iss": "https://evil.example"}, "claim `iss`"),
        ({"sub": None}, "claim `sub`"),
    ],
)
def test_token_with_a_wrong_claim_is_refused(reader, keys, changes, found):
    error = refusal(reader, sign(keys["ES256"], **changes))
    assert error.status == 401
    assert found in str(error)
    assert 'error="invalid_token"' in error.headers["www-authenticate"]


def test_clocks_may_differ_a_little_and_audiences_may_be_several(reader, keys):
    assert reader.read(sign(keys["ES256"], exp=int(time.time()) - 5))
    assert reader.read(sign(keys["ES256"], aud=["x", AUDIENCE]))


def test_token_without_a_signature_is_refused(reader):
    for algorithm in ("none", "None", ""):
        token = f"{part({'alg': algorithm, 'kid': 'ec'})}.{part(claims())}."
        assert refusal(reader, token).status == 401


def test_public_key_is_never_a_shared_secret(reader, keys, jwks):
    """HS256 with the bytes of a public key, which everybody has."""
    for secret in (keys["RS256"].as_pem(private=False), jwks.read_bytes()):
        for kid in ("rsa", "ec", None):
            head = {"alg": "HS256", **({"kid": kid} if kid else {})}
            signed = f"{part(head)}.{part(claims())}"
            digest = hmac.digest(secret, signed.encode(), "sha256")
            mark = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
            error = refusal(reader, f"{signed}.{mark}")
            assert error.status == 401
            assert "signed in another way" in str(error) or "another key" in str(error)


def test_token_of_another_key_or_way_of_signing_is_refused(reader, keys):
    stranger = jwk.ECKey.generate_key("P-256", {"kid": "ec"})
    assert "signature" in str(refusal(reader, sign(stranger)))
    unknown = jwk.ECKey.generate_key("P-256", {"kid": "nobody"})
    assert "one of another key" in str(refusal(reader, sign(unknown)))
    crossed = sign(keys["ES256"], header={"kid": "rsa"})
    assert "one of another key" in str(refusal(reader, crossed))
    assert refusal(reader, sign(keys["RS256"], "PS256")).status == 401


def test_places_for_keys_in_a_header_are_not_looked_at(reader):
    stranger = jwk.ECKey.generate_key("P-256", {"kid": "ec"})
    header = {"jku": "https://evil.example/jwks", "jwk": stranger.as_dict(private=False)}
    assert refusal(reader, sign(stranger, header=header)).status == 401


@pytest.mark.parametrize("token", ["ey..", "eyA.eyB.c", "ey" + "a" * 9000 + ".b.c", "eyé.b.c"])
def test_what_is_no_token_is_refused(reader, token):
    assert refusal(reader, token).status == 401


@pytest.mark.parametrize(
    ("changes", "scope"),
    [
        ({"scope": "openid tunesmith:admin"}, "admin"),
        ({"scope": "predict admin"}, "admin"),
        ({"scope": None, "scp": ["tunesmith:predict", "x"]}, "predict"),
    ],
)
def test_scopes_of_a_token_are_mapped_to_ours(reader, keys, changes, scope):
    assert reader.read(sign(keys["ES256"], **changes))[1] == scope


@pytest.mark.parametrize("changes", [{"scope": None}, {"scope": "openid"}, {"scope": ""}])
def test_token_without_a_scope_of_ours_opens_nothing(reader, keys, changes):
    error = refusal(reader, sign(keys["ES256"], **changes))
    assert error.status == 403
    assert "must name one of predict" in str(error)


def test_keys_are_read_anew_when_their_file_changes(reader, keys, jwks):
    token = sign(keys["ES256"])
    assert reader.read(token)
    publish(jwks, keys["RS256"])
    assert refusal(reader, token).status == 401
    jwks.write_text("{}")
    assert refusal(reader, token).status == 503
    publish(jwks, *keys.values())
    assert reader.read(token)


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({"kty": "oct", "k": "c2VjcmV0"}, "of the kind RSA, EC or OKP"),
        ({"kty": "EC", "crv": "P-521", "x": "a", "y": "b"}, "on the curve P-256"),
        ({"kty": "RSA", "n": "AQAB", "e": "AQAB"}, "must"),
        ("nothing", "of the kind"),
    ],
)
def test_file_with_a_key_that_is_not_to_be_believed_is_refused(tmp_path, entry, problem):
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps({"keys": [entry]}))
    with pytest.raises(DataError, match=problem):
        TokenReader(path, issuer=ISSUER, audience=AUDIENCE)


def test_private_and_small_keys_and_none_are_refused(tmp_path, keys):
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps({"keys": [keys["ES256"].as_dict(private=True)]}))
    with pytest.raises(DataError, match="must be public; it is private"):
        TokenReader(path, issuer=ISSUER, audience=AUDIENCE)
    publish(path, keys["ES256"], keys["ES256"])
    with pytest.raises(DataError, match="a `kid` of its own"):
        TokenReader(path, issuer=ISSUER, audience=AUDIENCE)
    path.write_text('{"keys": []}')
    with pytest.raises(DataError, match="at least one"):
        TokenReader(path, issuer=ISSUER, audience=AUDIENCE)
    with pytest.raises(NotFoundError, match="must be a file"):
        TokenReader(tmp_path / "none", issuer=ISSUER, audience=AUDIENCE)


def test_issuer_that_is_named_by_half_is_refused(tmp_path, bundle):
    with pytest.raises(SpecError, match="`jwt_issuer` must be given"):
        tunesmith.serve(bundle, jwt_keys=tmp_path / "k", check=True, log=tmp_path / "log")


def test_gatekeeper_takes_keys_and_tokens_side_by_side(tmp_path, keys, reader):
    made = tunesmith.keys("add", "shop", scope="admin", keys=tmp_path / "keys.json").key
    keeper = Gatekeeper(KeyFile(tmp_path / "keys.json"), tokens=reader)
    token = sign(keys["EdDSA"], "EdDSA")
    try:
        assert asyncio.run(keeper.recognise({"x-api-key": made})).name == "shop"
        caller = asyncio.run(keeper.recognise({"authorization": f"Bearer {token}"}))
        with pytest.raises(Refusal, match="must have the scope `admin`"):
            require_scope(caller, "admin")
    finally:
        keeper.close()


def test_gatekeeper_with_tokens_alone_is_never_open(tmp_path, reader):
    keeper = Gatekeeper(KeyFile(tmp_path / "keys.json"), tokens=reader)
    try:
        assert not keeper.is_open
        with pytest.raises(Refusal) as caught:
            asyncio.run(keeper.recognise({}))
        assert caught.value.status == 401
    finally:
        keeper.close()


@pytest.mark.allow_hosts(["127.0.0.1"])
def test_service_answers_tokens_and_says_no_to_others_in_one_form(tmp_path, bundle, jwks, keys):
    words = ["--jwt-keys", str(jwks), "--jwt-issuer", ISSUER, "--jwt-audience", AUDIENCE]
    with running(tmp_path, str(bundle), *words) as service:

        def ask(token: str):
            headers = {"Authorization": f"Bearer {token}"}
            return service.ask(body={"row": "card"}, headers=headers)

        assert ask(sign(keys["RS256"], "RS256")).status == 200
        for token, status in (
            (sign(keys["ES256"], exp=1), 401),
            (sign(keys["ES256"], aud="another"), 401),
            (sign(keys["ES256"], scope="openid"), 403),
        ):
            reply = ask(token)
            assert reply.status == status
            assert set(reply.fields) == {"error", "problems", "hint", "request_id"}
        assert service.ask(body={"row": "card"}).status == 401
        assert "ana@example.com" not in service.log.read_text("utf-8")
