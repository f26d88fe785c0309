"""Fetching a model's files: room first, then bytes, then their digests, and only then a name.

A file grows as `DIGEST.part` beside where it will lie in the hub's cache, so that a cut download
goes on where it stopped, also in another process; what enters the cache has been verified.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from huggingface_hub import get_hf_file_metadata, get_session, hf_hub_download, hf_hub_url
from huggingface_hub.utils import WeakFileLock, build_hf_headers

from tunesmith.core.errors import NO_SPACE, DataError, Problem, ResourceError
from tunesmith.core.events import Event, Progress, Said
from tunesmith.core.units import show_bytes
from tunesmith.model.hub import (
    HubFile,
    HubModel,
    cache_folder,
    repository_folder,
    translate_hub_error,
)

TRIES = 3
BLOCK_BYTES = 1 << 20
SPARE_BYTES = 64 << 20
"""Room that a download leaves on the disk."""

Tell = Callable[[Event], None]


def fetch_files(
    model: HubModel,
    files: tuple[HubFile, ...],
    *,
    mirror: str | None = None,
    tell: Tell = lambda _: None,
) -> Path:
    """Return the folder that holds `files` of a repository, fetching those that are not here.

    Whether there is room is asked before (`require_room`). Raises `ResourceError` where the disk is
    full or the download is cut (what arrived is kept), and `DataError` where bytes are not those
    that the repository states.
    """
    for file in _missing(model, files):
        _fetch(model, file, mirror=mirror, tell=tell)
    if model.branch != model.revision:  # so that the branch is found here without asking
        _write_reference(repository_folder(model.id) / "refs" / model.branch, model.revision)
    return _snapshot(model)


def require_room(
    model: HubModel, files: tuple[HubFile, ...], *, tell: Tell = lambda _: None
) -> None:
    """Tell how much of `files` is still to be fetched and how much room there is.

    Raises `ResourceError` where it will not fit.
    """
    missing = _missing(model, files)
    if not missing:
        return
    needed = sum(max(0, file.size_bytes - _arrived(model, file)) for file in missing)
    place = next(path for path in (cache_folder(), *cache_folder().parents) if path.exists())
    free = shutil.disk_usage(place).free
    tell(
        Said(
            f"{model.id}: {show_bytes(needed)} to fetch in {len(missing)} files, "
            f"{show_bytes(free)} free in {place}"
        )
    )
    if needed + SPARE_BYTES > free:
        raise ResourceError(
            Problem(
                f"the disk must have room for {model.id}: {show_bytes(needed)} and "
                f"{show_bytes(SPARE_BYTES)} to spare",
                f"{show_bytes(free)} free; nothing was fetched",
                str(place),
            ),
            hint="export HF_HOME=FOLDER on a larger disk, or tunesmith zoo list --max-parameters "
            "50M",
        )


def _write_reference(path: Path, commit: str) -> None:
    """Note the commit of a branch as the hub's library does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(commit, encoding="utf-8")
    fresh.replace(path)


def _fetch(model: HubModel, file: HubFile, *, mirror: str | None, tell: Tell) -> None:
    """Bring one file into the cache, whole and verified."""
    try:
        url = hf_hub_url(model.id, file.name, revision=model.revision, endpoint=mirror)
        facts = get_hf_file_metadata(url, endpoint=mirror)
        digest = facts.etag or file.sha256 or file.blob or file.name.replace("/", "-")
        blob = _blobs(model) / digest
        if not blob.exists():
            part = _part(model, file)
            part.parent.mkdir(parents=True, exist_ok=True)
            with WeakFileLock(part.with_suffix(".lock")):
                _receive(url, facts.location, part, file, tell=tell)
                _verify(part, file, model)
                part.replace(blob)
            part.with_suffix(".lock").unlink(missing_ok=True)
        hf_hub_download(model.id, file.name, revision=model.revision, endpoint=mirror)
    except OSError as error:
        if error.errno is not None:  # of the disk; the network's have none
            raise
        raise translate_hub_error(error, model.id, mirror=mirror) from error
    except Exception as error:
        raise translate_hub_error(error, model.id, mirror=mirror) from error


def _receive(url: str, location: str, part: Path, file: HubFile, *, tell: Tell) -> None:
    """Append to `part` until it has the size of the file, beginning anew where it was cut."""
    problem = ""
    for _ in range(TRIES):
        before = part.stat().st_size if part.exists() else 0
        if before > file.size_bytes:
            part.unlink()
        try:
            _append(url, location, part, file, tell=tell)
        except Exception as error:  # noqa: BLE001 (whatever cut it, what arrived is there)
            _raise_for_disk(error, part)
            problem = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        if part.exists() and part.stat().st_size == file.size_bytes:
            return
    arrived = part.stat().st_size if part.exists() else 0
    raise ResourceError(
        Problem(
            f"{file.name} must arrive whole: {file.size_bytes:,} bytes",
            f"{arrived:,}, which are kept" + (f" ({problem})" if problem else ""),
            urlsplit(location).netloc,
        ),
        hint="type the same command again; it goes on from there",
    )


def _raise_for_disk(error: Exception, part: Path) -> None:
    """Raise what a full disk becomes; return for the failures of the network."""
    if isinstance(error, OSError) and error.errno in NO_SPACE:
        raise ResourceError(
            f"the disk must have room for `{part}`; it is full", hint=f"df -h {part.parent}"
        ) from error


def _append(url: str, location: str, part: Path, file: HubFile, *, tell: Tell) -> None:
    headers = build_hf_headers() | {"Accept-Encoding": "identity"}
    if urlsplit(url).netloc != urlsplit(location).netloc:
        headers.pop("authorization", None)  # ours is for the hub, not for where it sends us
    done = part.stat().st_size if part.exists() else 0
    if done == file.size_bytes:
        part.touch()
        return
    if done:
        headers["Range"] = f"bytes={done}-"
    client: Any = get_session()
    with client.stream("GET", location, headers=headers, follow_redirects=True) as response:
        response.raise_for_status()
        is_rest = response.status_code == 206  # noqa: PLR2004 (else the server sends it all)
        done = done if is_rest else 0
        with part.open("ab" if is_rest else "wb") as stream:
            for block in response.iter_raw():  # as it comes: a cut loses nothing that arrived
                stream.write(block)
                done += len(block)
                tell(Progress(file.name, done, file.size_bytes, unit="bytes"))


def _verify(part: Path, file: HubFile, model: HubModel) -> None:
    """Raise `DataError`, and remove the bytes, where they are not those that were announced."""
    if file.sha256:
        wanted, found = file.sha256, _digest(part, hashlib.sha256())
    elif file.blob:
        header = f"blob {part.stat().st_size}\0".encode()
        wanted, found = file.blob, _digest(part, hashlib.sha1(header, usedforsecurity=False))
    else:
        return
    if wanted != found:
        part.unlink()
        raise _wrong_digest(file.name, wanted, found, model)


def require_digest(found: str, wanted: str, model: HubModel) -> None:
    """Raise `DataError` where the weights are not those that the catalogue records."""
    if found != wanted:
        raise _wrong_digest("the weights", wanted, found, model)


def _wrong_digest(name: str, wanted: str, found: str, model: HubModel) -> DataError:
    return DataError(
        Problem(
            f"{name} must have the digest {wanted[:16]}…",
            f"{found[:16]}…",
            f"{model.id} at {model.revision[:12]}",
        ),
        hint=f"tunesmith zoo remove {model.id}, then fetch it again, by another mirror if it "
        "happens twice",
    )


def _digest(path: Path, digest: Any) -> str:
    for block in _blocks(path):
        digest.update(block)
    return digest.hexdigest()


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while block := stream.read(BLOCK_BYTES):
            yield block


def _blobs(model: HubModel) -> Path:
    return repository_folder(model.id) / "blobs"


def _part(model: HubModel, file: HubFile) -> Path:
    name = file.sha256 or file.blob or f"{model.revision}-{file.name.replace('/', '-')}"
    return _blobs(model) / f"{name}.part"


def _arrived(model: HubModel, file: HubFile) -> int:
    part = _part(model, file)
    return part.stat().st_size if part.exists() else 0


def _missing(model: HubModel, files: tuple[HubFile, ...]) -> list[HubFile]:
    return [file for file in files if not (_snapshot(model) / file.name).exists()]


def _snapshot(model: HubModel) -> Path:
    return repository_folder(model.id) / "snapshots" / model.revision
