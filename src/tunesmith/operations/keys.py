"""keys: who may ask a service, and for how long."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from tunesmith.core.errors import NotFoundError, SpecError
from tunesmith.core.locations import OptionalPathText
from tunesmith.core.operation import Operation
from tunesmith.core.serving import Scope
from tunesmith.core.spec import Spec

if TYPE_CHECKING:
    from tunesmith.session import Session
    from tunesmith.store.keys import KeyFile, KeyRecord

Records = tuple["KeyRecord", ...]
AUDIT_BYTES = 100_000_000
WAIT_SECONDS = 10.0
"""For another `tunesmith keys` that writes the same audit log."""


class KeysSpec(Spec):
    """List the keys of a service, add one, revoke one, or give one a successor."""

    action: Literal["list", "add", "revoke", "rotate"] = Field(
        "list", json_schema_extra={"positional": True}
    )
    """List, add, revoke, or rotate: a new key, and the old one for `overlap_hours` more."""

    name: str | None = Field(
        None,
        max_length=64,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        json_schema_extra={"positional": True},
    )
    """Whose key it is: letters, digits, dots, dashes."""

    scope: Scope = "predict"
    """What a new key opens: answers, long jobs too, or also the figures of the service."""

    days: float | None = Field(None, gt=0, le=36_500)
    """Days until a new key expires; none keeps it valid until it is revoked."""

    overlap_hours: float = Field(24.0, ge=0, le=8_760)
    """Hours that a rotated key stays valid beside the new one."""

    keys: OptionalPathText = None
    """The file of the keys; none takes `keys.json` of the workspace."""

    audit_log: OptionalPathText = None
    """File for the audit log of changes; none takes one beside the keys,
    `keys.json.audit.jsonl`."""


@dataclass(frozen=True, slots=True)
class KeysResult:
    """The keys, the newest last, without their secrets; `key` is a new one, shown this once."""

    keys: tuple[dict[str, Any], ...]
    key: str | None
    file: str

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON-ready fields."""
        return {"keys": list(self.keys), "key": self.key, "file": self.file}


def run(spec: KeysSpec, session: Session) -> KeysResult:
    """Change the file of keys, or only read it. A service that runs notices at once."""
    from tunesmith.store.keys import KeyFile, utc_now

    file = KeyFile(key_path(spec.keys, session))
    made: str | None = None
    if spec.action != "list":
        if spec.name is None:
            raise SpecError(
                f"`name` must say whose key to {spec.action}; got nothing",
                hint=f"tunesmith keys {spec.action} NAME",
            )
        name = spec.name
        if spec.action == "revoke":
            _change(spec, file, lambda records: _revoke(records, name, utc_now()))
        else:
            make = _add if spec.action == "add" else _rotate
            made, change = make(spec, name, utc_now())
            _change(spec, file, change)
    now = utc_now()
    shown = tuple(record.to_json(now) for record in file.records())
    return KeysResult(shown, made, str(file.path))


def _change(spec: KeysSpec, file: KeyFile, change: Change) -> None:
    """Change the file, and write down what was changed; where that cannot be, change nothing."""
    from tunesmith.store.audit import AuditLog
    from tunesmith.store.keys import key_changes

    path = spec.audit_log or f"{file.path}.audit.jsonl"
    log = AuditLog(Path(path), largest_bytes=AUDIT_BYTES, wait_seconds=WAIT_SECONDS)
    with contextlib.closing(log):
        before = file.records()
        file.change(change)
        log.append(f"keys_{spec.action}", fields=key_changes(before, file.records()))


def key_path(given: str | None, session: Session) -> Path:
    """Return where the keys stand."""
    return Path(given) if given else session.workspace.root / "keys.json"


Change = Callable[[Records], Records]


def _add(spec: KeysSpec, name: str, now: datetime) -> tuple[str, Change]:
    key, record = _make(spec, name, now)

    def change(records: Records) -> Records:
        if any(old.name == name and old.state(now) == "valid" for old in records):
            raise SpecError(
                f"`name` must be new; `{name}` has a valid key",
                hint=f"tunesmith keys rotate {name}",
            )
        return (*records, record)

    return key, change


def _rotate(spec: KeysSpec, name: str, now: datetime) -> tuple[str, Change]:
    key, record = _make(spec, name, now)
    ends = now + timedelta(hours=spec.overlap_hours)

    def change(records: Records) -> Records:
        old = _valid(records, name, now)
        scope = record.scope if "scope" in spec.model_fields_set else old[-1].scope
        ended = [replace(each, expires=_earlier(each.expires, ends)) for each in old]
        kept = {each.id: each for each in ended}
        return (*(kept.get(each.id, each) for each in records), replace(record, scope=scope))

    return key, change


def _revoke(records: Records, name: str, now: datetime) -> Records:
    gone = {record.id for record in _valid(records, name, now)}
    return tuple(
        replace(record, revoked=now.isoformat()) if record.id in gone else record
        for record in records
    )


def _valid(records: Records, name: str, now: datetime) -> list[KeyRecord]:
    found = [each for each in records if each.name == name and each.state(now) == "valid"]
    if not found:
        raise NotFoundError(
            f"`{name}` must have a valid key; it has none", hint="tunesmith keys list"
        )
    return found


def _earlier(expires: str | None, ends: datetime) -> str:
    return min(ends, datetime.fromisoformat(expires)).isoformat() if expires else ends.isoformat()


def _make(spec: KeysSpec, name: str, now: datetime) -> tuple[str, KeyRecord]:
    from tunesmith.operations.extras import needing
    from tunesmith.store.keys import KeyRecord

    with needing("serve", "a key"):
        from tunesmith.stages.serve.keys import hash_key, make_key
    identity, key = make_key()
    expires = (now + timedelta(days=spec.days)).isoformat() if spec.days else None
    record = KeyRecord(identity, name, spec.scope, hash_key(key), now.isoformat(), expires)
    return key, record


OPERATION = Operation(
    "keys",
    "List the keys of a service, add one, revoke one, or give one a successor.",
    KeysSpec,
    KeysResult,
    run,
)
