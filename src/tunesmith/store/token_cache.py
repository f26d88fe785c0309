"""The cache of tokens: arrays of an earlier run, mapped from disk.

A folder a key, named after it, holds `.npy` files and a manifest with the size and sha256 of each.
It stands whole or not at all; what does not fit its manifest is removed and never read. Nothing is
lost with the cache: `rm -r` is safe.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tunesmith.core.errors import DataError
from tunesmith.store.atomic import new_folder

LIMIT_BYTES = 2 * 2**30
"""Room for about 20 million short rows; what was read longest ago is removed beyond it."""

MANIFEST = "manifest.json"
LEFTOVER_SECONDS = 24 * 3600
"""Age at which a folder that a killed process left is taken for what it is."""


@dataclass(frozen=True, slots=True)
class TokenCache:
    """Arrays by key below `folder`, which is made when the first are written."""

    folder: Path
    limit_bytes: int = LIMIT_BYTES

    def read(self, key: str) -> dict[str, np.ndarray] | None:
        """Return the arrays of a key, mapped read-only, or None where there are none.

        Raises `DataError` where they are not as they were written; they are gone then.
        """
        place = self.folder / key
        if not place.exists():
            return None
        try:
            files = _checked(place, key)
            with contextlib.suppress(OSError):  # a cache that may only be read is a cache too
                os.utime(place / MANIFEST)
            return {
                name: np.load(place / f"{name}.npy", mmap_mode="r", allow_pickle=False)
                for name in files
            }
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            shutil.rmtree(place, ignore_errors=True)
            raise DataError(
                f"cached tokens must be as they were written; {place}: {error}",
                hint=f"rm -r {place}",
            ) from error

    def write(self, key: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Keep the arrays of a key and remove what was read longest ago beyond the limit.

        Arrays that alone exceed the limit are not kept. Raises what `new_folder` raises.
        """
        self._remove_leftovers()
        if sum(array.nbytes for array in arrays.values()) > self.limit_bytes:
            return
        with new_folder(self.folder / key) as fresh:
            for name, array in arrays.items():
                np.save(fresh / f"{name}.npy", array, allow_pickle=False)
            files = {name: _figures(fresh / f"{name}.npy") for name in arrays}
            manifest = json.dumps({"key": key, "files": files}, indent=1)
            (fresh / MANIFEST).write_text(manifest, encoding="utf-8")
        self._trim(keep=key)

    def _trim(self, *, keep: str) -> None:
        """Remove the folders that were read longest ago until all others fit."""
        entries = [path for path in self.folder.iterdir() if not path.name.startswith(".")]
        room = self.limit_bytes
        for path in sorted(entries, key=lambda path: (path.name != keep, -_last_read(path))):
            room -= sum(file.stat().st_size for file in path.glob("*"))
            if room < 0 and path.name != keep:
                shutil.rmtree(path, ignore_errors=True)

    def _remove_leftovers(self) -> None:
        """Remove what killed processes left, once no living one can be writing it."""
        for path in self.folder.glob(".*"):
            if _last_read(path) < time.time() - LEFTOVER_SECONDS:
                shutil.rmtree(path, ignore_errors=True)


def _checked(place: Path, key: str) -> list[str]:
    """Return the names of the arrays. Raises `ValueError` where a file is not as written."""
    manifest = json.loads((place / MANIFEST).read_text(encoding="utf-8"))
    if manifest["key"] != key:
        raise ValueError("they belong to other rows, another tokenizer or another reading")
    for name, expected in manifest["files"].items():
        if _figures(place / f"{name}.npy") != expected:
            raise ValueError(f"`{name}.npy` has changed")
    return list(manifest["files"])


def _figures(path: Path) -> dict[str, Any]:
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return {"bytes": path.stat().st_size, "sha256": digest}


def _last_read(path: Path) -> float:
    """Return when a folder was read last, in seconds since the epoch; 0 where nobody can tell."""
    for dated in (path / MANIFEST, path):
        with contextlib.suppress(OSError):
            return dated.stat().st_mtime
    return 0.0
