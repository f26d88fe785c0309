"""Whether an audit log is as it was written: the first line that is not, and what became of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunesmith.core.errors import NotFoundError
from tunesmith.store.audit import FIRST, LARGEST_LINE_BYTES, hash_line, part_paths


@dataclass(frozen=True, slots=True)
class ChainCheck:
    """What was read: whole lines, files, the first sequence, the last hash, bytes torn at the end.

    `fault` says what is wrong first, and is empty where nothing is. A log whose oldest files were
    put elsewhere begins at another sequence than 0.
    """

    lines: int
    files: tuple[str, ...]
    first_sequence: int
    last_hash: str
    torn_bytes: int
    fault: str


@dataclass(frozen=True, slots=True)
class _Line:
    place: str
    hash: str
    sequence: int
    previous: str


def check_chain(path: Path, *, expect: str | None = None) -> ChainCheck:
    """Read a log with its older files, and return what was found.

    `expect` is the hash of its last line, as it was kept elsewhere: without it lines that are
    missing at the end cannot be noticed. Raises `NotFoundError` where there is no file.
    """
    files = part_paths(path)
    if path not in files:
        raise NotFoundError(f"`{path}` must be an audit log; there is none", hint=f"ls {path}*")
    reading = _Reading(files)
    fault, last, count, first = "", None, 0, -1
    lines = iter(reading)
    for line in lines:
        count += 1
        first = line.sequence if count == 1 else first
        fault = _fault(last, line, lines)
        if fault:
            break
        last = line
    fault = fault or reading.fault
    end = last.hash if last else FIRST
    if not fault and not count:
        fault = "a log must have a line; it has none"
    if not fault and expect is not None and end != expect.strip().lower():
        fault = (
            f"the last line must have the hash {expect}; it has {end}: "
            "lines are missing at the end, or were added"
        )
    names = tuple(file.name for file in files)
    return ChainCheck(count, names, first, end, reading.torn_bytes, fault)


class _Reading:
    """The lines of all files in order; what is no line of ours ends it with a fault."""

    def __init__(self, files: list[Path]) -> None:
        self._files = files
        self.fault = ""
        self.torn_bytes = 0

    def __iter__(self) -> Iterator[_Line]:
        for file in self._files:
            with file.open("rb") as stream:
                number = 0
                while raw := stream.readline(2 * LARGEST_LINE_BYTES):
                    number += 1
                    if not raw.endswith(b"\n") and file == self._files[-1]:
                        self.torn_bytes = len(raw)
                        return
                    place = f"{file.name}:{number}"
                    line = _parse(raw.removesuffix(b"\n"), place)
                    if line is None:
                        self.fault = f"{place} was changed: it is no line of an audit log"
                        return
                    yield line


def _parse(raw: bytes, place: str) -> _Line | None:
    try:
        fields: dict[str, Any] = json.loads(raw)
        return _Line(place, hash_line(raw), int(fields["sequence"]), str(fields["previous"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _fault(last: _Line | None, line: _Line, rest: Iterator[_Line]) -> str:
    """Return what is wrong where `line` does not go on from `last`, or nothing."""
    if last is None:
        is_first = line.sequence == 0
        return f"{line.place} was changed" if is_first and line.previous != FIRST else ""
    wanted = last.sequence + 1
    if line.previous == last.hash:
        is_right = line.sequence == wanted
        return "" if is_right else f"{line.place} was changed: its sequence must be {wanted}"
    following = next(rest, None)
    if following and following.previous == last.hash and following.sequence == wanted:
        is_copy = line.sequence < wanted or any(
            other.sequence == line.sequence for other in (following, *rest)
        )
        return f"{line.place} was {'inserted' if is_copy else 'moved'}"
    if line.sequence == wanted:
        is_cut_off = following is not None and following.previous != line.hash
        return f"{(line if is_cut_off else last).place} was changed"
    if line.sequence <= last.sequence:
        is_bonded = following is not None and following.previous == line.hash
        is_twin = line.sequence == last.sequence and is_bonded
        return f"{(last if is_twin else line).place} was inserted"
    if any(other.sequence == wanted for other in (*_one(following), *rest)):
        return f"the line of sequence {wanted} was moved: it stands further down than {line.place}"
    until = f" to {line.sequence - 1}" if line.sequence - 1 > wanted else ""
    return f"lines were removed before {line.place}: sequence {wanted}{until}"


def _one(line: _Line | None) -> tuple[_Line, ...]:
    return () if line is None else (line,)
