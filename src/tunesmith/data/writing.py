"""Rows out: JSON Lines, CSV or TSV, to a file or standard output, in constant memory.

A file appears whole or not at all: rows go to a temporary file beside it, which takes its name at
the end.
"""

from __future__ import annotations

import errno
import json
import math
import os
import re
import secrets
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from pathlib import Path
from typing import IO, Any

from tunesmith.core.errors import NotFoundError, Problem, ResourceError, SpecError
from tunesmith.core.locations import paths_in

STDOUT = "-"
ENDINGS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".tsv": "tsv"}
KINDS = ("jsonl", "csv", "tsv")

_NEEDS_QUOTES = re.compile('[",;\t\r\n\ufeff]|^$')


class RowWriter:
    """Writes dict rows of one format to one open stream, and counts them."""

    def __init__(self, put: Callable[[str], object], *, kind: str) -> None:
        """Write through `put`, in the format `kind`."""
        self.count = 0
        self._put = put
        self._kind = kind
        self._columns: list[str] = []

    def write(self, row: Mapping[str, Any]) -> None:
        """Write one row.

        In CSV and TSV the first row names the columns, later ones may leave some out, and lists and
        objects are written as JSON. Raises `SpecError` for a column the first row did not have.
        """
        if self._kind == "jsonl":
            self._put(_to_json(dict(row)) + "\n")
        else:
            self._put(self._record(row))
        self.count += 1

    def _record(self, row: Mapping[str, Any]) -> str:
        header = ""
        if not self._columns:
            self._columns = list(row)
            header = self._join(self._columns)
        foreign = [column for column in row if column not in self._columns]
        if foreign:
            raise SpecError(
                Problem(
                    f"a {self._kind.upper()} row must have the columns of the first row "
                    f"({', '.join(self._columns)})",
                    ", ".join(foreign),
                ),
                hint="--out FILE.jsonl",
            )
        return header + self._join(_cell(row.get(column)) for column in self._columns)

    def _join(self, cells: Iterable[str]) -> str:
        delimiter = "\t" if self._kind == "tsv" else ","
        return delimiter.join(_quoted(cell) for cell in cells) + "\n"


@contextmanager
def open_writer(
    target: str | os.PathLike[str],
    kind: str | None = None,
    *,
    overwrite: bool = False,
    inputs: Iterable[str | os.PathLike[str]] = (),
) -> Iterator[RowWriter]:
    """Open `target` (`-` is standard output) for rows; its ending, or `kind`, names the format.

    If the block fails, nothing is left behind and an existing file stays as it was. Raises
    `SpecError` for an unknown format, for a file that exists (unless `overwrite`) and for one of
    the `inputs`; `NotFoundError` where the folder is missing; `ResourceError` where the disk is
    full.
    """
    if target == STDOUT:
        yield RowWriter(_stdout_put(), kind=_kind_of(target, kind))
        sys.stdout.flush()
        return
    path = Path(os.path.realpath(target))
    known = _kind_of(target, kind)
    _check_target(path, overwrite=overwrite, inputs=inputs)
    if os.path.exists(path) and not path.is_file():  # a pipe or a device, which nothing can replace
        with _open_text(path, "w", path) as stream:
            yield RowWriter(_file_put(stream, path), kind=known)
        return
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with _open_text(part, "x", path) as stream:
            yield RowWriter(_file_put(stream, path), kind=known)
            with _translated(path):
                stream.flush()
                os.fsync(stream.fileno())
                part.replace(path)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _kind_of(target: str | os.PathLike[str], kind: str | None) -> str:
    known = kind or ("jsonl" if target == STDOUT else ENDINGS.get(Path(target).suffix.lower()))
    if known in KINDS:
        return known
    if kind:
        near = get_close_matches(kind, KINDS, n=1, cutoff=0.3) or ["jsonl"]
        must = f"an output format must be one of {', '.join(KINDS)}"
        raise SpecError(Problem(must, kind), hint=near[0])
    path = Path(target)
    raise SpecError(
        Problem(
            f"the ending of `{path}` must be one of {', '.join(ENDINGS)}", path.suffix or "none"
        ),
        hint=f"--out {shlex.quote(str(path.with_suffix('.jsonl')))}",
    )


def _check_target(path: Path, *, overwrite: bool, inputs: Iterable[str | os.PathLike[str]]) -> None:
    if os.path.isdir(path):
        hint = f"--out {shlex.quote(str(path / 'rows.jsonl'))}"
        raise SpecError(Problem(f"`{path}` must be a file", "a folder"), hint=hint)
    for above in path.parents:
        if above.is_file():
            hint = f"--out {shlex.quote(str(above.with_name(path.name)))}"
            raise SpecError(Problem(f"`{above}` must be a folder", "a file"), hint=hint)
    if not path.parent.is_dir():
        problem = Problem(f"the folder `{path.parent}` must exist", "no such folder")
        raise NotFoundError(problem, hint=f"mkdir -p {shlex.quote(str(path.parent))}")
    if os.path.isfile(path):
        read = [name for own in inputs for name in paths_in(os.fspath(own))]
        if any(os.path.exists(name) and path.samefile(name) for name in read):
            other = path.with_name(f"{path.stem}.out{path.suffix}")
            raise SpecError(
                Problem("the output must be another file than the input", f"`{path}` for both"),
                hint=f"--out {shlex.quote(str(other))}",
            )
        if not overwrite:
            raise SpecError(Problem(f"`{path}` must not exist yet", "a file"), hint="--overwrite")


def _open_text(file: Path, mode: str, path: Path) -> IO[str]:
    r"""Open for UTF-8 text with bare line ends; problems name `path`, the file the user asked for.

    A lone surrogate is written as `\udXXX`, which is its JSON escape.
    """
    with _translated(path):
        return file.open(mode, encoding="utf-8", errors="backslashreplace", newline="")


def _file_put(stream: IO[str], path: Path) -> Callable[[str], object]:
    def put(text: str) -> None:
        with _translated(path):
            stream.write(text)

    return put


def _stdout_put() -> Callable[[str], object]:
    stream = sys.stdout
    if stream is None:
        raise SpecError(
            Problem("standard output must be open", "a closed one"), hint="--out FILE.jsonl"
        )
    stream.flush()
    if not hasattr(stream, "buffer"):
        return stream.write
    return lambda text: stream.buffer.write(text.encode("utf-8", "backslashreplace"))


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            problem = Problem(f"the disk of `{path}` must have room", "none left")
            raise ResourceError(problem, hint=f"df -h {shlex.quote(str(path.parent))}") from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            problem = Problem(f"`{path}` must be writable", str(error.strerror))
            raise ResourceError(problem, hint=f"ls -ld {shlex.quote(str(path.parent))}") from error
        if error.errno == errno.ENAMETOOLONG:
            problem = Problem("the name of a file must be one the disk takes", str(error.strerror))
            raise SpecError(problem, hint="--out FILE.jsonl") from error
        raise


def _to_json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_plain)
    except ValueError:
        return json.dumps(_without_nan(value), ensure_ascii=False, default=_plain)


def _without_nan(value: Any) -> Any:
    """Return `value` with null where JSON knows no number."""
    value = _plain(value) if hasattr(value, "tolist") else value
    if isinstance(value, Mapping):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _plain(value: Any) -> Any:
    """Return numpy values as Python's, sets as sorted lists and anything else as text."""
    if hasattr(value, "tolist"):
        return value.tolist()
    return sorted(value) if isinstance(value, set | frozenset) else str(value)


def _cell(value: Any) -> str:
    value = _without_nan(value)
    if value is None or isinstance(value, str):
        return value or ""
    is_json = isinstance(value, Mapping | list | tuple | set | frozenset | bool | int | float)
    return _to_json(value) if is_json else str(value)


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if _NEEDS_QUOTES.search(cell) else cell
