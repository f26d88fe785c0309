"""Cached tokens that cannot be trusted, or cannot be kept: the run says so and goes on."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tunesmith.operations import tokens
from tunesmith.store.token_cache import TokenCache
from tunesmith.store.workspace import default_workspace

pytestmark = pytest.mark.usefixtures("rows")
WORDS = ("--set", "training.max_steps=2", "--overwrite")
LIMIT_SECONDS = 60

WRITER = """
import sys
from pathlib import Path
import numpy as np
from tunesmith.store.token_cache import TokenCache

arrays = {name: np.ones(40_000_000, dtype=np.uint8) for name in ("ids", "lengths", "rows")}
TokenCache(Path(sys.argv[1])).write("key", arrays)
"""


@pytest.fixture
def fit(type_in, fit_words, monkeypatch):
    """Return a function that tunes on the rows, which are enough for the cache, and is told how."""
    monkeypatch.setattr(tokens, "FEWEST_CACHED_ROWS", 10)

    def run(*words: object):
        typed = type_in("fit", "rows.csv", *fit_words, *WORDS, *words)
        assert typed.status == 0, typed.err
        return typed

    return run


@pytest.fixture
def folder() -> Path:
    """Return where the cache keeps its folders."""
    return default_workspace().tokens.folder


def weights(here: Path) -> bytes:
    return (here / "out/bundle/model/model.safetensors").read_bytes()


def test_second_run_takes_the_tokens_of_the_first_and_ends_alike(fit, folder, here):
    first = fit()
    assert "by an earlier run" not in first.err
    (entry,) = folder.iterdir()
    assert len(entry.name) == 64
    before = weights(here)
    second = fit()
    assert "train: 54 rows tokenised by an earlier run" in second.err
    assert weights(here) == before
    assert "by an earlier run" not in fit("--set", "training.token_cache=false").err
    assert weights(here) == before


def test_run_without_cache_writes_none(fit, folder):
    fit("--set", "training.token_cache=false")
    assert not folder.exists()


def test_few_rows_are_not_cached(fit, folder, monkeypatch):
    monkeypatch.setattr(tokens, "FEWEST_CACHED_ROWS", 55)
    fit()
    assert not folder.exists()


def test_cache_with_one_byte_flipped_is_made_again(fit, folder, here):
    fit()
    before = weights(here)
    (entry,) = folder.iterdir()
    content = bytearray((entry / "ids.npy").read_bytes())
    content[-1] ^= 1
    (entry / "ids.npy").write_bytes(content)
    again = fit()
    assert "warning: cached tokens must be as they were written" in again.err
    assert "`ids.npy` has changed; the rows are tokenised again" in again.err
    assert weights(here) == before
    assert "train: 54 rows tokenised by an earlier run" in fit().err


def test_cache_of_another_tokenizer_is_never_read(fit, folder, here, tiny_model):
    """Neither by its key, nor where somebody put it under the key of ours."""
    fit()
    before = weights(here)
    (ours,) = folder.iterdir()
    other = Path(shutil.copytree(tiny_model, here / "other"))
    rules = json.loads((other / "tokenizer.json").read_text("utf-8"))
    names = rules["model"]["vocab"]
    names["good"], names["bad"] = names["bad"], names["good"]
    (other / "tokenizer.json").write_text(json.dumps(rules), "utf-8")
    made = fit("--model", other)
    assert "by an earlier run" not in made.err
    (theirs,) = set(folder.iterdir()) - {ours}

    shutil.rmtree(ours)
    shutil.copytree(theirs, ours)
    again = fit()
    assert "they belong to other rows, another tokenizer or another reading" in again.err
    assert weights(here) == before


def test_cache_half_written_by_a_killed_process_is_never_read(fit, folder):
    with subprocess.Popen([sys.executable, "-c", WRITER, str(folder)]) as process:
        end = time.monotonic() + LIMIT_SECONDS
        while not [path for path in folder.glob(".key.*/*.npy") if path.stat().st_size]:
            assert time.monotonic() < end
            assert process.poll() is None
            time.sleep(0.001)
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait(LIMIT_SECONDS) == -signal.SIGKILL
    assert [path.name[:5] for path in folder.iterdir()] == [".key."]
    cache = TokenCache(folder)
    assert cache.read("key") is None
    cache.write("key", {"ids": np.ones(3)})
    assert cache.read("key")["ids"].tolist() == [1, 1, 1]
    assert "by an earlier run" not in fit().err
    assert "by an earlier run" in fit().err


def test_cache_copied_without_its_manifest_is_made_again(fit, folder, here):
    fit()
    before = weights(here)
    (entry,) = folder.iterdir()
    (entry / "manifest.json").unlink()
    assert "warning: cached tokens must be as they were written" in fit().err
    assert weights(here) == before


def test_full_disk_under_the_cache_stops_nothing(fit, folder, small_disk):
    folder.parent.mkdir(parents=True)
    folder.symlink_to(small_disk(4 * 1024))
    typed = fit()
    assert "warning: the tokens are not kept for the next run: the disk must have room" in typed.err
    assert not list(folder.iterdir())


def test_cache_that_may_not_be_written_stops_nothing(fit, folder, locked_folder):
    folder.parent.mkdir(parents=True)
    folder.symlink_to(locked_folder)
    typed = fit()
    assert "warning: the tokens are not kept for the next run:" in typed.err
    assert "must be writable" in typed.err


def test_file_in_place_of_the_cache_stops_nothing(fit, folder):
    folder.parent.write_text("not a folder", "utf-8")
    assert "warning: the tokens are not kept for the next run:" in fit().err
