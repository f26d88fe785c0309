"""The cache of tokens: what is read is what was written, and nothing else is read."""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from hashlib import sha256

import numpy as np
import pytest

from tunesmith.core.errors import DataError, ResourceError, SpecError
from tunesmith.store.token_cache import LEFTOVER_SECONDS, TokenCache

ARRAYS = {
    "ids": np.arange(5000, dtype=np.uint16),
    "shares": np.linspace(0, 1, 7),
    "followers": np.empty((0, 2), dtype=np.int32),
}


@pytest.fixture
def cache(tmp_path) -> TokenCache:
    return TokenCache(tmp_path / "home" / "cache")


def test_arrays_come_back_mapped_from_disk(cache):
    assert cache.read("k") is None
    assert not cache.folder.exists()
    cache.write("k", ARRAYS)
    found = cache.read("k")
    assert found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert isinstance(found[name], np.memmap)
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)
    assert cache.read("other") is None


def test_arrays_of_one_key_are_replaced_as_a_whole(cache):
    cache.write("k", ARRAYS)
    cache.write("k", {"ids": np.ones(2)})
    assert list(cache.read("k")) == ["ids"]
    assert [path.name for path in cache.folder.iterdir()] == ["k"]


@pytest.mark.parametrize("name", ["ids.npy", "shares.npy", "followers.npy", "manifest.json"])
def test_any_flipped_byte_makes_the_cache_unread_and_gone(cache, name):
    for place in (0, 11, -1):
        cache.write("k", ARRAYS)
        path = cache.folder / "k" / name
        content = bytearray(path.read_bytes())
        content[place] ^= 0x20
        path.write_bytes(content)
        with pytest.raises(DataError, match="must be as they were written") as error:
            cache.read("k")
        assert error.value.hint == f"rm -r {cache.folder / 'k'}"
        assert cache.read("k") is None


@pytest.mark.parametrize("name", ["ids.npy", "manifest.json"])
@pytest.mark.parametrize("kept_bytes", [0, 100, None])
def test_half_a_file_makes_the_cache_unread_and_gone(cache, name, kept_bytes):
    cache.write("k", ARRAYS)
    path = cache.folder / "k" / name
    if kept_bytes is None:
        path.unlink()
    else:
        os.truncate(path, kept_bytes)
    with pytest.raises(DataError, match="must be as they were written"):
        cache.read("k")
    assert cache.read("k") is None


@pytest.mark.parametrize(
    "manifest", ["[]", "null", "{}", '{"key": "k"}', '{"key": "k", "files": 3}']
)
def test_manifest_of_another_form_makes_the_cache_unread(cache, manifest):
    cache.write("k", ARRAYS)
    (cache.folder / "k" / "manifest.json").write_text(manifest, "utf-8")
    with pytest.raises(DataError, match="must be as they were written"):
        cache.read("k")


def test_cache_under_the_name_of_another_key_is_refused(cache):
    cache.write("theirs", ARRAYS)
    shutil.copytree(cache.folder / "theirs", cache.folder / "ours")
    with pytest.raises(DataError, match="other rows, another tokenizer or another reading"):
        cache.read("ours")
    assert cache.read("theirs") is not None


def test_objects_are_never_unpickled(cache):
    cache.write("k", ARRAYS)
    path = cache.folder / "k" / "ids.npy"
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    manifest = cache.folder / "k" / "manifest.json"
    fields = json.loads(manifest.read_text("utf-8"))
    content = path.read_bytes()
    fields["files"]["ids"] = {"bytes": len(content), "sha256": sha256(content).hexdigest()}
    manifest.write_text(json.dumps(fields), "utf-8")
    with pytest.raises(DataError, match="Python objects"):
        cache.read("k")


def test_what_was_read_longest_ago_goes_first_beyond_the_limit(tmp_path):
    cache = TokenCache(tmp_path, limit_bytes=25_000)
    for number, key in enumerate("abc"):
        if key == "c":
            assert cache.read("a")
        else:
            cache.write(key, {"ids": np.zeros(10_000, dtype=np.uint8)})
            long_ago = time.time() - 1000 + number
            os.utime(tmp_path / key / "manifest.json", (long_ago, long_ago))
    cache.write("c", {"ids": np.zeros(10_000, dtype=np.uint8)})
    assert cache.read("a")
    assert cache.read("b") is None
    assert cache.read("c")


def test_arrays_larger_than_the_limit_are_not_kept(tmp_path):
    cache = TokenCache(tmp_path, limit_bytes=100)
    cache.write("k", ARRAYS)
    assert cache.read("k") is None


def test_leftovers_of_a_killed_process_go_once_they_are_old(cache):
    cache.write("k", ARRAYS)
    for name, age in ((".old.abcdefgh", LEFTOVER_SECONDS + 60), (".new.abcdefgh", 60)):
        (cache.folder / name).mkdir()
        (cache.folder / name / "ids.npy").write_bytes(b"half")
        then = time.time() - age
        os.utime(cache.folder / name, (then, then))
    cache.write("l", ARRAYS)
    assert sorted(path.name for path in cache.folder.iterdir()) == [".new.abcdefgh", "k", "l"]


def test_cache_where_a_file_stands_is_an_error_of_ours(tmp_path):
    (tmp_path / "blocked").write_text("a file", "utf-8")
    with pytest.raises(SpecError, match="must be folders that can be made"):
        TokenCache(tmp_path / "blocked").write("k", ARRAYS)


def test_cache_on_a_full_disk_is_an_error_of_ours(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(ResourceError, match="must have room"):
        TokenCache(tmp_path).write("k", ARRAYS)
    assert list(tmp_path.iterdir()) == []
