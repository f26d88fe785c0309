"""Fetching from a real server on loopback that speaks the hub's routes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import tunesmith
from tunesmith.core.errors import DataError, NotFoundError, ResourceError
from tunesmith.core.events import Progress, Said
from tunesmith.model.known import find_entry
from tunesmith.session import Session

from .hub_server import COMMIT, Hub, start

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

NAME = "someone/tiny-bert"


@pytest.fixture
def hub(tmp_path, monkeypatch, tiny_model):
    """Give a hub that serves the tiny model, and an empty cache to fetch into."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    hub = Hub()
    hub.offer(NAME, tiny_model)
    server = start(hub)
    yield hub
    server.shutdown()
    server.server_close()


@pytest.fixture
def fetch(hub):
    """Return what fetches from that hub, and the events it told."""
    told: list = []

    def run(name: str = NAME, **how):
        session = Session(listener=told.append)
        return tunesmith.zoo("fetch", name, mirror=hub.address, session=session, **how)

    run.told = told
    return run


def weights(hub: Hub) -> bytes:
    return hub.files[NAME]["model.safetensors"]


def test_fetch_brings_weights_configuration_and_tokenizer_and_nothing_else(hub, fetch):
    hub.files[NAME] |= {
        "pytorch_model.bin": b"pickled",
        "own.py": b"open('it-ran', 'w')",
        "onnx/model.onnx": b"graph",
        "1_Pooling/config.json": b'{"pooling_mode_cls_token": true}',
        "README.md": b"words",
    }
    result = fetch()
    folder = Path(result.details["path"])
    fetched = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= fetched
    assert "1_Pooling/config.json" in fetched
    assert not fetched & {"pytorch_model.bin", "own.py", "onnx/model.onnx", "README.md"}
    assert folder.name == COMMIT == result.details["revision"]
    assert (folder / "model.safetensors").read_bytes() == weights(hub)


def test_fetch_says_size_and_room_before_it_begins(fetch):
    fetch()
    said = [event.text for event in fetch.told if isinstance(event, Said)]
    line = next(number for number, text in enumerate(said) if "free in" in text)
    assert "to fetch in" in said[line]
    first = next(n for n, event in enumerate(fetch.told) if isinstance(event, Progress))
    assert first > fetch.told.index(Said(said[line]))


def test_fetch_again_asks_for_no_file(hub, fetch):
    fetch()
    before = len(hub.gets("/resolve/"))
    fetch()
    assert len(hub.gets("/resolve/")) == before


def test_download_that_is_cut_once_goes_on_where_it_stopped(hub, fetch):
    hub.cut_at, hub.cuts = len(weights(hub)) // 2, 1
    result = fetch()
    assert hub.gets("model.safetensors") == ["", f"bytes={hub.cut_at}-"]
    assert (Path(result.details["path"]) / "model.safetensors").read_bytes() == weights(hub)


def test_download_that_stays_cut_is_kept_and_goes_on_at_the_next_call(hub, fetch):
    hub.cut_at, hub.cuts = 10_000, 3
    with pytest.raises(ResourceError, match="must arrive whole: .*; got 30,000, which are kept"):
        fetch()
    cached = hub_cache(hub)
    assert [path.stat().st_size for path in cached.rglob("*.part")] == [30_000]
    assert not list(cached.rglob("model.safetensors"))
    result = fetch()
    assert hub.gets("model.safetensors")[-1] == "bytes=30000-"
    assert (Path(result.details["path"]) / "model.safetensors").read_bytes() == weights(hub)
    assert not list(cached.rglob("*.part"))


def test_bytes_with_another_digest_are_refused_and_removed(hub, fetch):
    hub.announced["model.safetensors"] = {"sha256": "ab" * 32}
    with pytest.raises(DataError, match=r"model.safetensors must have the digest abababab"):
        fetch()
    cached = hub_cache(hub)
    assert not list(cached.rglob("*.part"))
    assert not list(cached.rglob("model.safetensors"))


def test_small_file_with_another_digest_is_refused(hub, fetch, monkeypatch):
    told = hub.facts

    def lying(repository, name):
        return {**told(repository, name), **({"blobId": "0" * 40} if name == "vocab.txt" else {})}

    monkeypatch.setattr(hub, "facts", lying)
    with pytest.raises(DataError, match=r"vocab.txt must have the digest 000000"):
        fetch()


def test_weights_that_are_not_the_recorded_ones_are_refused(hub, fetch, tiny_model):
    name = "BAAI/bge-small-en-v1.5"
    hub.offer(name, tiny_model)
    recorded = find_entry(name).hub.sha256
    with pytest.raises(DataError, match=f"weights must have the digest {recorded[:16]}"):
        fetch("bge-small-en-v1.5")


def test_repository_with_pickled_weights_alone_is_refused_with_why(hub, fetch):
    hub.files[NAME]["pytorch_model.bin"] = hub.files[NAME].pop("model.safetensors")
    with pytest.raises(DataError, match=r"got pytorch_model.bin; reading such files may run code"):
        fetch()
    assert hub.gets("/resolve/") == []


def test_model_with_code_of_its_own_is_refused_before_its_weights(hub, fetch):
    config = json.loads(hub.files[NAME]["config.json"])
    config |= {"model_type": "own", "auto_map": {"AutoModel": "own.M"}}
    hub.files[NAME]["config.json"] = json.dumps(config).encode()
    with pytest.raises(DataError, match="must run without code of its own; got `own`"):
        fetch()
    assert hub.gets("model.safetensors") == []


def test_disk_too_small_is_said_before_the_download(hub, fetch):
    hub.announced["model.safetensors"] = {"size": 10**18}
    with pytest.raises(ResourceError, match=r"the disk must have room for .* nothing was fetched"):
        fetch()
    assert hub.gets("/resolve/") == []


def test_repository_that_is_not_there_gives_the_nearest_names(fetch):
    with pytest.raises(NotFoundError) as raised:
        fetch("google-bert/bert-base-uncasd")
    assert "bert-base-uncased" in raised.value.hint


def test_hub_that_does_not_answer_is_named(fetch, hub):
    hub.address = "http://127.0.0.1:9"
    with pytest.raises(ResourceError, match=r"must be reachable at http://127.0.0.1:9"):
        fetch()


def test_remove_frees_what_was_fetched(hub, fetch):
    folder = Path(fetch().details["path"])
    freed = tunesmith.zoo("remove", NAME).details["freed_bytes"]
    assert freed >= len(weights(hub))
    assert not folder.exists()
    with pytest.raises(NotFoundError, match="must have been fetched or added"):
        tunesmith.zoo("remove", NAME)


def test_add_of_a_repository_makes_an_entry_that_joins_the_list(hub):
    hub.card = {"license": "mit", "language": ["en", "zh-CN"]}
    hub.files[NAME]["README.md"] = b"---\nlicense: mit\n---\n"
    made = tunesmith.zoo("add", NAME, mirror=hub.address)
    assert made.models[0]["languages"] == ["en", "zh"]
    shown = tunesmith.zoo("show", NAME).models[0]
    assert (shown["licence"], shown["commercial"]) == ("MIT", "allowed")
    assert shown["sources"][0]["revision"] == COMMIT
    assert hub.gets("model.safetensors") == []
    listed = tunesmith.zoo("list", task="ner", max_parameters="100k").models
    assert [model["id"] for model in listed] == [NAME]


def test_command_line_fetches_from_the_endpoint_of_the_environment(hub, tmp_path):
    variables = {name: value for name, value in os.environ.items() if "PROXY" not in name.upper()}
    variables |= {
        "HF_ENDPOINT": hub.address,
        "HF_HOME": str(tmp_path / "own"),
        "HF_HUB_OFFLINE": "0",
        "TUNESMITH_HOME": str(tmp_path / "home"),
    }
    command = [sys.executable, "-m", "tunesmith", "zoo", "fetch", NAME, "--json"]
    made = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=300, env=variables
    )
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["details"]["path"].startswith(str(tmp_path / "own"))
    assert "free in" in made.stderr


def test_fit_by_a_fetched_name_needs_no_network(hub, fetch, tiny_rows, tmp_path, monkeypatch):
    fetch()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    before = len(hub.asked)
    fitted = tunesmith.fit(
        tiny_rows, task="classification", model=NAME, method="probe", out=tmp_path / "run"
    )
    assert fitted.bundle
    assert len(hub.asked) == before


def hub_cache(hub: Hub) -> Path:
    """Return the cache that the hub of this test is fetched into."""
    del hub
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)
