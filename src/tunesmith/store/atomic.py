"""Writing so that a crash or a full disk leaves the old file whole.

The new one is written beside it, flushed, then renamed over it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tunesmith.core.errors import NO_SPACE, ResourceError, SpecError

_NOT_ALLOWED = {errno.EACCES, errno.EPERM, errno.EROFS}
_NO_PLACE = {errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP}


@contextlib.contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Give an empty folder beside `target` that takes its place when the block ends well.

    An older `target` is replaced as a whole. On any failure the new folder vanishes and the old one
    stays. Raises `ResourceError` where the disk is full.
    """
    with _translated(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        with _translated(target):
            yield fresh
            _flush_tree(fresh)
            fresh.chmod(0o755)
            _replace_folder(fresh, target)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise


def write_file(target: Path, content: str | bytes, *, mode: int = 0o644) -> None:
    """Write `target` whole or not at all. Raises `ResourceError` where the disk is full."""
    data = content.encode("utf-8") if isinstance(content, str) else content
    with _translated(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        fresh = Path(name)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            fresh.chmod(mode)
            fresh.replace(target)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise
        _flush(target.parent)


@contextlib.contextmanager
def new_files(folder: Path) -> Iterator[Path]:
    """Give an empty folder whose files move into `folder` when the block ends well.

    What else stands in `folder` stays; on any failure nothing in it changes. Raises `ResourceError`
    where the disk is full.
    """
    with tempfile.TemporaryDirectory(
        prefix=f".{folder.name}.", dir=folder, ignore_cleanup_errors=True
    ) as name:
        fresh = Path(name)
        with _translated(folder):
            yield fresh
            _flush_tree(fresh)
            for path in sorted(fresh.iterdir()):
                path.replace(folder / path.name)
            _flush(folder)


def make_folder(target: Path) -> None:
    """Make `target` and the folders above it, where they are missing.

    Raises `ResourceError` where that is not allowed and `SpecError` where a file is in the way.
    """
    with _translated(target):
        target.mkdir(parents=True, exist_ok=True)


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary folders that a killed process left in `folder`."""
    for leftover in folder.glob(".*.????????"):
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)


def _replace_folder(fresh: Path, target: Path) -> None:
    if not target.exists():
        fresh.rename(target)
    else:
        aside = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        try:
            target.rename(aside / "old")
            try:
                fresh.rename(target)
            except BaseException:
                (aside / "old").rename(target)
                raise
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    _flush(target.parent)


def _flush_tree(folder: Path) -> None:
    for path in [*folder.rglob("*"), folder]:
        _flush(path)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _translated(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in NO_SPACE:
            raise ResourceError(
                f"the disk must have room for `{target}`; it is full; "
                "what was there before is untouched",
                hint=f"df -h {target.parent}",
            ) from error
        if error.errno in _NOT_ALLOWED:
            raise ResourceError(
                f"`{target}` must be writable; got: {error.strerror}", hint="--out FOLDER"
            ) from error
        if error.errno in _NO_PLACE:
            above = [path for path in (target, *target.parents) if os.path.isfile(path)]
            found = f"`{above[0]}`, which is a file" if above else error.strerror
            raise SpecError(
                f"the folders of `{target}` must be folders that can be made; got: {found}",
                hint="--out FOLDER",
            ) from error
        raise
    except Exception as error:
        # safetensors wraps the OSError
        if "No space left" in str(error) or "File too large" in str(error):
            raise ResourceError(
                f"the disk must have room for `{target}`; it is full; "
                "what was there before is untouched",
                hint=f"df -h {target.parent}",
            ) from error
        raise
