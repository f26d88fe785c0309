"""Keys: who may ask, for how long, and what a service says to everybody else."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path

import pytest

import tunesmith
from tunesmith.core.errors import DataError, NotFoundError, SpecError
from tunesmith.stages.serve.keys import Gatekeeper, hash_key, make_key, require_scope
from tunesmith.stages.serve.problems import Refusal
from tunesmith.store.keys import KeyFile, KeyRecord

from .conftest import running

PAST = "2020-01-01T00:00:00+00:00"


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "keys.json"


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def recognise(path: Path, headers: dict[str, str]):
    keeper = Gatekeeper(KeyFile(path))
    try:
        return asyncio.run(keeper.recognise(headers))
    finally:
        keeper.close()


def status_of(path: Path, headers: dict[str, str]) -> int:
    with pytest.raises(Refusal) as caught:
        recognise(path, headers)
    return caught.value.status


def test_key_is_recognised_by_either_header_and_never_stored(path):
    key = tunesmith.keys("add", "shop", keys=path).key
    assert recognise(path, bearer(key)).name == "shop"
    assert recognise(path, {"x-api-key": key}).name == "shop"
    content = path.read_text("utf-8")
    assert key not in content
    assert key.split("_", 2)[2] not in content
    assert "$argon2id$" in content
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Basic abc"},
        {"authorization": "Bearer "},
        {"x-api-key": "ts_000000000000_x"},
        {"x-api-key": "x" * 1000},
        {"x-api-key": "é_\udc00_x"},
    ],
)
def test_request_without_a_right_key_is_refused(path, headers):
    tunesmith.keys("add", "shop", keys=path)
    assert status_of(path, headers) == 401


def test_key_with_one_letter_changed_is_refused(path):
    key = tunesmith.keys("add", "shop", keys=path).key
    other = key[:-1] + ("A" if key[-1] != "A" else "B")
    assert status_of(path, bearer(other)) == 401


def test_revoked_and_expired_keys_are_refused_with_the_reason(path):
    key = tunesmith.keys("add", "shop", keys=path).key
    tunesmith.keys("revoke", "shop", keys=path)
    with pytest.raises(Refusal, match="one that is revoked"):
        recognise(path, bearer(key))
    key = tunesmith.keys("add", "desk", days=1, keys=path).key
    assert recognise(path, bearer(key)).name == "desk"
    KeyFile(path).change(lambda records: tuple(replace(r, expires=PAST) for r in records))
    with pytest.raises(Refusal, match="one that is expired"):
        recognise(path, bearer(key))


def test_rotated_key_stays_valid_for_its_hours_and_its_scope_goes_on(path):
    old = tunesmith.keys("add", "shop", scope="admin", keys=path).key
    new = tunesmith.keys("rotate", "shop", keys=path).key
    assert recognise(path, bearer(old)).scope == recognise(path, bearer(new)).scope == "admin"
    last = tunesmith.keys("rotate", "shop", overlap_hours=0, keys=path).key
    assert status_of(path, bearer(old)) == status_of(path, bearer(new)) == 401
    assert recognise(path, bearer(last)).name == "shop"


def test_known_key_is_not_hashed_again(path):
    key = tunesmith.keys("add", "shop", keys=path).key
    keeper = Gatekeeper(KeyFile(path))

    async def ask_often() -> float:
        await keeper.recognise(bearer(key))
        started = time.process_time()
        for _ in range(200):
            await keeper.recognise(bearer(key))
        return (time.process_time() - started) / 200

    try:
        once = time.process_time()
        hash_key(key)
        assert asyncio.run(ask_often()) < (time.process_time() - once) / 5
    finally:
        keeper.close()


def test_service_that_had_a_key_is_never_open_again(path):
    tunesmith.keys("add", "shop", keys=path)
    keeper = Gatekeeper(KeyFile(path))
    assert not keeper.is_open
    path.unlink()
    assert not keeper.is_open
    keeper.close()


def test_broken_file_of_keys_lets_nobody_in(path):
    key = tunesmith.keys("add", "shop", keys=path).key
    path.write_text("{}")
    assert status_of(path, bearer(key)) == 503
    with pytest.raises(DataError, match="as `tunesmith keys` writes it"):
        tunesmith.keys(keys=path)


def test_scope_opens_what_it_names_and_admin_opens_all():
    identity, key = make_key()
    record = KeyRecord(identity, "shop", "predict", hash_key(key), PAST)
    with pytest.raises(Refusal, match="must have the scope `admin`"):
        require_scope(record, "admin")
    require_scope(record, "predict")
    require_scope(replace(record, scope="admin"), "predict")


def test_wrong_wishes_for_keys_are_refused(path):
    with pytest.raises(SpecError, match="whose key to add"):
        tunesmith.keys("add", keys=path)
    with pytest.raises(NotFoundError, match="must have a valid key"):
        tunesmith.keys("revoke", "nobody", keys=path)
    tunesmith.keys("add", "shop", keys=path)
    with pytest.raises(SpecError, match="`shop` has a valid key"):
        tunesmith.keys("add", "shop", keys=path)
    with pytest.raises(SpecError, match="`name`"):
        tunesmith.keys("add", "../x", keys=path)


def test_open_service_on_a_network_is_refused(bundle, tmp_path):
    with pytest.raises(SpecError, match="`host` must be this machine's own address"):
        tunesmith.serve(bundle, host="0.0.0.0", log=tmp_path / "log")


@pytest.mark.allow_hosts(["127.0.0.1"])
def test_service_with_keys_asks_for_them_on_every_route_that_tells(tmp_path, bundle):
    path = tmp_path / "keys.json"
    shop = tunesmith.keys("add", "shop", keys=path).key
    chief = tunesmith.keys("add", "chief", scope="admin", keys=path).key
    words = ["--keys", str(path), "--set", "limits.failed_keys_a_minute=3"]
    with running(tmp_path, str(bundle), *words) as service:

        def ask(route: str, key: str, body: object = None) -> int:
            return service.ask(route, body, headers={"X-API-Key": key}).status

        reply = service.ask(body={"row": "card"})
        assert reply.status == 401
        assert reply.headers["www-authenticate"].startswith("Bearer")
        assert ask("/v1/predict", shop, {"row": "card"}) == 200
        assert ask("/metrics", shop) == 403
        assert ask("/metrics", chief) == 200
        assert [service.ask(route).status for route in ("/healthz", "/readyz", "/docs")] == [
            200
        ] * 3
        tunesmith.keys("revoke", "shop", keys=path)
        assert ask("/v1/predict", shop, {"row": "card"}) == 401
        assert [ask("/v1/models", "ts_0_x") for _ in range(3)] == [401, 429, 429]
        logged = service.log.read_text("utf-8")
        assert shop not in logged
        assert shop.split("_")[1] in logged
