"""An audit log: JSON lines that are only added, each with the SHA-256 of the line before.

The first line of the first file has a random `anchor`, so no two logs begin alike. Whoever can
write the file could write all of it anew: only a hash that was kept elsewhere shows that.

What is written: every line reaches the operating system before `append` returns, so that a process
that is killed loses none. A line that is `sure` is on the disk too (fsync) before `append` returns;
others are within `SYNC_SECONDS`, so that a power cut may lose a second of them.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tunesmith.core.errors import DataError, ResourceError
from tunesmith.store.atomic import make_folder

SYNC_SECONDS = 1.0
WAIT_STEP_SECONDS = 0.05
ANCHOR_BYTES = 16
LARGEST_LINE_BYTES = 65_536
PRIVATE = 0o600
FIRST = ""
"""What the first line of the first file has for the hash of a line before."""


def hash_line(line: bytes) -> str:
    """Return the SHA-256 of a line without its end, in hex."""
    return hashlib.sha256(line).hexdigest()


def part_path(path: Path, number: int) -> Path:
    """Return where the older part of a log goes that is its `number`th: `audit.jsonl.000001`."""
    return path.with_name(f"{path.name}.{number:06d}")


def part_paths(path: Path) -> list[Path]:
    """Return the files of a log that stand there, the oldest first, `path` itself last."""
    older = sorted(path.parent.glob(f"{path.name}.[0-9][0-9][0-9][0-9][0-9][0-9]"))
    return [*older, *([path] if path.exists() else [])]


class AuditLog:
    """The writer of one log. It holds a lock as long as it is open: there is never a second."""

    def __init__(self, path: Path, *, largest_bytes: int, wait_seconds: float = 0.0) -> None:
        """Open a log, or begin one; what was torn off its last line by a crash is put aside.

        Another writer is waited for as long as `wait_seconds`.

        Raises `ResourceError` where it cannot be written or another process writes it, `DataError`
        where its last line is none of ours.
        """
        self.path = path
        self.carried: dict[str, Any] = {}
        """What the first line of a next file says again."""
        self._largest_bytes = largest_bytes
        self._mutex = threading.Lock()
        self._is_synced = True
        self._closing = threading.Event()
        make_folder(path.parent)
        self._lock = self._take_lock(time.monotonic() + wait_seconds)
        try:
            self.sequence, self.last_hash, torn = self._resume()
            self._handle = self._open()
            if self.sequence < 0:
                self.append("begun", fields={"anchor": secrets.token_hex(ANCHOR_BYTES)})
            if torn:
                self.append("torn_line_put_aside", fields=torn)
        except BaseException:
            os.close(self._lock)
            raise
        self._syncing = threading.Thread(target=self._keep_synced, name="audit", daemon=True)
        self._syncing.start()

    def append(
        self, event: str, *, fields: Mapping[str, Any] | None = None, sure: bool = True
    ) -> str:
        """Add a line, and return its hash. Raises `ResourceError` where it cannot be written."""
        with self._mutex:
            if os.fstat(self._handle).st_size >= self._largest_bytes:
                self._rotate()
            return self._append(event, sure=sure, fields=fields or {})

    def _append(self, event: str, *, sure: bool, fields: Mapping[str, Any]) -> str:
        own = {
            "sequence": self.sequence + 1,
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "event": event,
            **fields,
            "previous": self.last_hash,
        }
        line = json.dumps(own, default=str).encode("ascii")
        if len(line) > LARGEST_LINE_BYTES:
            raise ValueError(f"a line of an audit log of {len(line):,} bytes")
        with self._translated():
            size = os.fstat(self._handle).st_size
            try:
                if os.write(self._handle, line + b"\n") != len(line) + 1:
                    raise OSError("only a part of a line was written")
            except OSError:
                os.ftruncate(self._handle, size)
                raise
            self.sequence, self.last_hash = self.sequence + 1, hash_line(line)
            self._is_synced = False
            if sure:
                os.fsync(self._handle)
                self._is_synced = True
        return self.last_hash

    def _keep_synced(self) -> None:
        """Have lines on the disk soon after they were written, while nobody waits for it."""
        while not self._closing.wait(SYNC_SECONDS):
            with self._mutex:
                if self._is_synced:
                    continue
                self._is_synced = True
                handle = os.dup(self._handle)
            with contextlib.suppress(OSError):
                os.fsync(handle)
            os.close(handle)

    def close(self) -> None:
        """Have all lines on the disk, and let another process write."""
        self._closing.set()
        self._syncing.join()
        with contextlib.suppress(OSError):
            os.fsync(self._handle)
        os.close(self._handle)
        os.close(self._lock)

    def _rotate(self) -> None:
        """Put the file aside under the next number, and go on with the chain in a new one."""
        number = len(part_paths(self.path))
        older = part_path(self.path, number)
        while older.exists():
            number += 1
            older = part_path(self.path, number)
        with self._translated():
            os.fsync(self._handle)
            os.close(self._handle)
            self.path.rename(older)
            self._handle = self._open()
        self._append("continued", sure=True, fields={"part": older.name, **self.carried})

    def _take_lock(self, until: float) -> int:
        with self._translated():
            lock = os.open(
                self.path.with_name(f"{self.path.name}.lock"), os.O_RDWR | os.O_CREAT, PRIVATE
            )
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return lock
            except OSError as error:
                if time.monotonic() < until:
                    time.sleep(WAIT_STEP_SECONDS)
                    continue
                os.close(lock)
                raise ResourceError(
                    f"an audit log must have one writer; another process writes `{self.path}`",
                    hint="--audit-log ANOTHER_FILE",
                ) from error

    def _open(self) -> int:
        with self._translated():
            return os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, PRIVATE)

    def _resume(self) -> tuple[int, str, dict[str, Any]]:
        """Return sequence and hash of the last line, and what was torn off it."""
        torn: dict[str, Any] = {}
        with self._translated():
            if self.path.exists():
                torn = self._put_aside()
            for path in reversed(part_paths(self.path)):
                if line := last_line(path):
                    return _sequence_of(line, path), hash_line(line), torn
        return -1, FIRST, torn

    def _put_aside(self) -> dict[str, Any]:
        """Move what follows the last end of a line into a file of its own."""
        with self.path.open("rb+") as stream:
            size = stream.seek(0, os.SEEK_END)
            reach = min(size, 2 * LARGEST_LINE_BYTES)
            stream.seek(size - reach)
            rest = stream.read().rpartition(b"\n")[2]
            if not rest:
                return {}
            aside = self.path.with_name(f"{self.path.name}.torn-{hash_line(rest)[:8]}")
            handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE)
            with os.fdopen(handle, "wb") as torn:
                torn.write(rest)
            stream.truncate(size - len(rest))
            os.fsync(stream.fileno())
        return {"bytes": len(rest), "sha256": hash_line(rest), "file": aside.name}

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ResourceError(
                f"the audit log `{self.path}` must be a file that can be written; "
                f"{error.strerror or error}",
                hint="--audit-log FILE",
            ) from error


def last_line(path: Path) -> bytes:
    """Return the last whole line of a file without its end, or nothing."""
    with path.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - 2 * LARGEST_LINE_BYTES))
        lines = stream.read().split(b"\n")
    return lines[-2] if len(lines) > 1 else b""


def last_event(path: Path, *events: str) -> dict[str, Any] | None:
    """Return the last line of some events in a log, the newest file first, or None."""
    marks = [f'"event": "{event}"'.encode() for event in events]
    for part in reversed(part_paths(path)):
        with part.open("rb") as stream:
            found = [line for line in stream if any(mark in line for mark in marks)][-1:]
        if found:
            with contextlib.suppress(ValueError):
                return json.loads(found[0])
    return None


def _sequence_of(line: bytes, path: Path) -> int:
    try:
        return int(json.loads(line)["sequence"])
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"an audit log must end with a line of ours; this one does not ({path})",
            hint=f"tunesmith verify {path}",
        ) from error
