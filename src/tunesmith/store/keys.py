"""The keys of a service on disk: who may ask, never what he must say. One JSON file, mode 0600."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tunesmith.core.errors import DataError, ResourceError
from tunesmith.core.serving import Scope
from tunesmith.store.atomic import make_folder, write_file

PRIVATE = 0o600
VERSION = 1


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """One key: its id (the part of it that is no secret), its owner's name, and what it opens.

    `digest` is the argon2 hash of the whole key. Times are ISO 8601 in UTC; `expires` None is
    never. A key that was revoked is kept, so that its id is never given again.
    """

    id: str
    name: str
    scope: Scope
    digest: str
    created: str
    expires: str | None = None
    revoked: str | None = None

    def state(self, now: datetime) -> str:
        """Return `valid`, `expired` or `revoked`."""
        if self.revoked is not None:
            return "revoked"
        is_over = self.expires is not None and datetime.fromisoformat(self.expires) <= now
        return "expired" if is_over else "valid"

    def to_json(self, now: datetime) -> dict[str, Any]:
        """Return what may be shown: all but the digest."""
        fields = asdict(self)
        del fields["digest"]
        return {**fields, "state": self.state(now)}


def utc_now() -> datetime:
    """Return the time, to a second."""
    return datetime.now(UTC).replace(microsecond=0)


def key_changes(
    before: tuple[KeyRecord, ...], after: tuple[KeyRecord, ...]
) -> dict[str, list[dict[str, Any]]]:
    """Return which keys were added, revoked or given another end, without their digests."""
    old = {record.id: record for record in before}
    added = [record for record in after if record.id not in old]
    kept = [(old[record.id], record) for record in after if record.id in old]
    revoked = [new for was, new in kept if new.revoked != was.revoked]
    ending = [new for was, new in kept if new.expires != was.expires]
    gone = [record for record in before if record.id not in {each.id for each in after}]
    named = {"added": added, "revoked": revoked, "ending": ending, "gone": gone}
    return {name: [_shown(each) for each in records] for name, records in named.items() if records}


def _shown(record: KeyRecord) -> dict[str, Any]:
    return {
        "key": record.id,
        "name": record.name,
        "scope": record.scope,
        "expires": record.expires,
        "revoked": record.revoked,
    }


class KeyFile:
    """The records of a file, read anew when it changed. A file that is not there holds none."""

    def __init__(self, path: Path) -> None:
        """Read nothing yet."""
        self.path = path
        self._stamp: tuple[int, ...] | None = None
        self._records: tuple[KeyRecord, ...] = ()

    def records(self) -> tuple[KeyRecord, ...]:
        """Return all records. Raises `DataError` where the file is not as it was written."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            self._stamp, self._records = None, ()
            return ()
        except OSError as error:
            raise ResourceError(
                f"the key file `{self.path}` must be readable; {error.strerror}",
                hint="--keys FILE",
            ) from error
        stamp = (found.st_mtime_ns, found.st_ino, found.st_size)
        if stamp != self._stamp:
            self._records, self._stamp = _parse(self.path), stamp
        return self._records

    def change(self, revise: Callable[[tuple[KeyRecord, ...]], tuple[KeyRecord, ...]]) -> None:
        """Replace the records by what `revise` makes of them; several processes take turns."""
        make_folder(self.path.parent)
        lock = self.path.with_name(f"{self.path.name}.lock")
        with lock.open("a") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            records = revise(self.records())
            fields = {"version": VERSION, "keys": [asdict(record) for record in records]}
            write_file(self.path, json.dumps(fields, indent=1) + "\n", mode=PRIVATE)


def _parse(path: Path) -> tuple[KeyRecord, ...]:
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        if fields["version"] != VERSION:
            raise ValueError(f"version {fields['version']}, this one reads {VERSION}")
        records = tuple(KeyRecord(**entry) for entry in fields["keys"])
        for record in records:
            record.state(utc_now())
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"a key file must be as `tunesmith keys` writes it; {type(error).__name__} ({path})",
            hint="--keys FILE",
        ) from error
    return records
