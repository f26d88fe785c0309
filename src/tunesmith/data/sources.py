"""Opening what rows are read from: a path, a list in a file, `-` for standard input, or a stream.

Compression is undone here; encodings and formats are not known.
"""

from __future__ import annotations

import gzip
import io
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import IO, BinaryIO, TypeAlias, cast

from tunesmith.core.errors import DataError, NotFoundError, Problem, SpecError
from tunesmith.core.locations import paths_in

Source: TypeAlias = str | os.PathLike[str] | IO[bytes] | IO[str]

STDIN = "-"
GZIP_MAGIC = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class KeyedList:
    """The list under one key of a JSON file that is an object of lists, written `PATH#KEY`."""

    path: Path
    key: str

    def __str__(self) -> str:
        """Return the list as a data argument names it."""
        return f"{self.path}#{self.key}"


def is_path(source: Source) -> bool:
    """Tell whether `source` names a file, rather than being a stream or `-`."""
    return isinstance(source, str | os.PathLike) and source != STDIN


def source_name(source: Source) -> str:
    """Return the name that places and problems give to `source`."""
    if is_path(source):
        return os.fspath(cast("str", source))
    if source == STDIN:
        return "<stdin>"
    name = getattr(source, "name", None)
    return name if isinstance(name, str) else "<stream>"


def find_file(source: str | os.PathLike[str]) -> Path:
    """Return the path of an existing, readable file.

    Raises `NotFoundError` with the nearest existing name, `SpecError` for a folder, `DataError`
    where the file may not be read.
    """
    path = Path(source)
    if not os.path.exists(path):
        raise NotFoundError(
            Problem(f"file `{path}` must exist", "no such file"), hint=_nearest(path)
        )
    if path.is_dir():
        raise SpecError(
            Problem(f"`{path}` must be a file", "a folder"), hint=f"ls {shlex.quote(str(path))}"
        )
    if not os.access(path, os.R_OK):
        raise DataError(
            Problem(f"file `{path}` must be readable", "no permission"),
            hint=f"chmod u+r {shlex.quote(str(path))}",
        )
    return path


def find_source(source: str | os.PathLike[str]) -> Path | KeyedList:
    """Return the file that `source` names, or the list in one that `PATH#KEY` does.

    A file of the whole name comes first. Raises what `find_file` does.
    """
    text = os.fspath(source)
    path = next((path for path in paths_in(text) if os.path.exists(path)), text)
    if path == text or os.path.isdir(path):
        return find_file(text)
    return KeyedList(find_file(path), text[len(path) + 1 :])


def file_of(found: Path | KeyedList) -> Path:
    """Return the file that rows stand in."""
    return found.path if isinstance(found, KeyedList) else found


def is_there(source: str) -> bool:
    """Tell whether a data argument names what exists: a file, a folder, or a file with a key."""
    return any(map(os.path.exists, paths_in(source)))


@contextmanager
def open_stream(source: Source) -> Iterator[BinaryIO | IO[str]]:
    """Open `source` for reading: bytes, without gzip, or the text stream that was given.

    Files are closed at the end; streams that were handed in stay open.
    """
    if is_path(source):
        with find_file(cast("str", source)).open("rb") as file, _unzipped(file) as stream:
            yield stream
        return
    given = sys.stdin if source == STDIN else source
    given = getattr(given, "buffer", given)
    if isinstance(given, io.TextIOBase):
        yield cast("IO[str]", given)
        return
    with _peekable(cast("BinaryIO", given)) as buffered, _unzipped(buffered) as unzipped:
        yield unzipped


def peek(stream: BinaryIO, size: int) -> bytes:
    """Return up to `size` of the next bytes without consuming them."""
    return stream.peek(size)[:size]  # type: ignore[attr-defined]


@contextmanager
def _unzipped(stream: BinaryIO) -> Iterator[BinaryIO]:
    if peek(stream, 2) != GZIP_MAGIC:
        yield stream
        return
    with gzip.GzipFile(fileobj=stream, mode="rb") as unzipped:
        yield cast("BinaryIO", unzipped)


@contextmanager
def _peekable(stream: BinaryIO) -> Iterator[BinaryIO]:
    if hasattr(stream, "peek"):
        yield stream
        return
    buffered = io.BufferedReader(cast("io.RawIOBase", stream))
    try:
        yield cast("BinaryIO", buffered)
    finally:
        with suppress(ValueError):  # the caller may have closed his stream already
            buffered.detach()  # a BufferedReader that is dropped would close the caller's stream


def _nearest(path: Path) -> str:
    """Return the existing path most like a missing one, or the command that lists its folder."""
    missing = path
    while not missing.parent.exists() and missing.parent != missing:
        missing = missing.parent
    folder = missing.parent
    names = os.listdir(folder) if folder.is_dir() and os.access(folder, os.R_OK) else []
    name, mark, key = missing.name.partition("#")
    if near := get_close_matches(name, names, n=1, cutoff=0.6):
        return shlex.quote(f"{folder / near[0]}{mark}{key}")
    return f"ls {shlex.quote(str(folder))}"
