"""What a service writes into its audit log: who asked for what and how it ended, no text.

Where the log cannot be written the service lets nobody in: what is not recorded does not happen.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from tunesmith.core.errors import ResourceError, TunesmithError
from tunesmith.stages.serve.keys import Caller, claimed_id
from tunesmith.stages.serve.logs import EventLog, masked
from tunesmith.stages.serve.problems import Refusal
from tunesmith.store.audit import AuditLog, last_event
from tunesmith.store.keys import KeyFile, KeyRecord, key_changes

AUDITED = "/v1/"
"""Where routes begin that answer somebody."""

TOLD = ("model", "version", "rows", "role")
"""Facts of a request that are written, where it has them."""

_KEY_ID = re.compile(r"[0-9a-f]{12}")


class Auditor:
    """Writes what a service does into its audit log; without a log, nothing."""

    def __init__(self, log: AuditLog | None = None, *, keys: KeyFile | None = None) -> None:
        """Write to a log that is open; `keys` is the file whose changes are noted."""
        self._log = log
        self._keys = keys
        self._records: tuple[KeyRecord, ...] = ()
        self._admitted: set[str] = set()
        self._failure = ""

    @property
    def is_on(self) -> bool:
        """Whether there is a log."""
        return self._log is not None

    def started(
        self, log: EventLog, *, models: Mapping[str, str], limits: Mapping[str, Any]
    ) -> None:
        """Note the start, and limits that are others than at the last start.

        The hash of the line goes into the ordinary log too: an anchor outside this one. Raises
        `ResourceError` where that cannot be written.
        """
        if self._log is None:
            return
        before = last_event(self._log.path, "started", "continued")
        self._log.carried = {"limits": dict(limits)}
        self._records = self._known_keys()
        keys = [record.id for record in self._records]
        began = {"models": dict(models), "limits": dict(limits), "keys": keys}
        self._log.append("started", fields=began)
        if before is not None and before.get("limits") != limits:
            changed = {"before": before.get("limits"), "now": dict(limits)}
            self._log.append("limits_changed", fields=changed)
        self._anchor(log)

    def replaced(self, log: EventLog, *, fields: Mapping[str, Any]) -> None:
        """Note that another version answers from now on, of which model and in which role."""
        if self._log is None:
            return
        try:
            self._log.append("replaced", fields=dict(fields))
        except ResourceError as error:
            self._failure = self._failure or str(error.problems[0])
            log.write("audit_failed", reason=str(error.problems[0]))

    def stopped(self, log: EventLog, *, answered: int, refused: int) -> None:
        """Note the end; where it cannot be written, the ordinary log says so."""
        if self._log is None:
            return
        try:
            self._log.append("stopped", fields={"answered": answered, "refused": refused})
            self._anchor(log)
        except ResourceError as error:
            log.write("audit_failed", reason=str(error.problems[0]))

    def _anchor(self, log: EventLog) -> None:
        if self._log is not None:
            log.write("audit_anchor", sequence=self._log.sequence, hash=self._log.last_hash)

    def require_writable(self) -> None:
        """Raise `Refusal` (503) while the log cannot be written; each call tries once more."""
        if self._log is None or not self._failure:
            return
        try:
            self._log.append("writable_again", fields={"reason": self._failure})
        except ResourceError:
            raise Refusal(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "the audit log must be writable; it is not now",
                hint="ask whoever runs this service",
                retry_seconds=10,
            ) from None
        self._failure = ""

    def note(
        self,
        log: EventLog,
        *,
        caller: Caller,
        headers: Mapping[str, str],
        fields: Mapping[str, Any],
    ) -> None:
        """Note a request whose answer is about to be sent; `fields` are of the ordinary log."""
        if self._log is None or not str(fields["route"]).startswith(AUDITED):
            return
        try:
            self._note(caller, headers, fields)
        except ResourceError as error:
            if not self._failure:
                log.write("audit_failed", reason=str(error.problems[0]))
            self._failure = str(error.problems[0])

    def _note(self, caller: Caller, headers: Mapping[str, str], fields: Mapping[str, Any]) -> None:
        if self._log is None:
            return
        self._note_keys()
        if fields["status"] == HTTPStatus.UNAUTHORIZED:
            claimed = claimed_id(headers)
            known = claimed if _KEY_ID.fullmatch(claimed) else ""
            self._log.append("key_refused", fields={"key": known}, sure=False)
        elif caller.id and caller.id not in self._admitted:
            self._admitted.add(caller.id)
            admitted = {"key": caller.id, "scope": caller.scope}
            self._log.append("key_admitted", fields=admitted, sure=False)
        told = {name: fields[name] for name in TOLD if name in fields}
        own = {name: fields[name] for name in ("route", "status")}
        asked = {"request_id": masked(fields["request_id"]), "key": caller.id, **own, **told}
        self._log.append("request", fields=asked, sure=False)

    def _note_keys(self) -> None:
        """Note what `tunesmith keys` changed since the last request."""
        now = self._known_keys()
        if now is self._records or self._log is None:
            return
        self._log.append("keys_changed", fields=key_changes(self._records, now))
        self._records = now

    def _known_keys(self) -> tuple[KeyRecord, ...]:
        with contextlib.suppress(TunesmithError):
            return self._keys.records() if self._keys else self._records
        return self._records
