"""verify: whether an audit log is as it was written."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from tunesmith.core.errors import GateError
from tunesmith.core.events import Warned
from tunesmith.core.locations import PathText
from tunesmith.core.operation import Operation
from tunesmith.core.spec import Spec

if TYPE_CHECKING:
    from tunesmith.session import Session

HASH = r"^[0-9a-fA-F]{64}$"


class VerifySpec(Spec):
    """Tell whether an audit log is as it was written."""

    log: PathText = Field(json_schema_extra={"positional": True})
    """The log that `serve --audit-log` or `keys` writes; its older files are read too."""

    expect: str | None = Field(None, pattern=HASH)
    """Hash of the last line, as it was kept elsewhere: without it nobody can tell whether that line
    was changed, or lines are missing after it."""


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """A log that is whole: its lines and files, and the hash of its last line, to be kept."""

    log: str
    lines: int
    files: tuple[str, ...]
    first_sequence: int
    last_hash: str
    torn_bytes: int
    is_anchored: bool

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON-ready fields."""
        return {
            "log": self.log,
            "lines": self.lines,
            "files": list(self.files),
            "first_sequence": self.first_sequence,
            "last_hash": self.last_hash,
            "torn_bytes": self.torn_bytes,
            "is_anchored": self.is_anchored,
        }


def run(spec: VerifySpec, session: Session) -> VerifyResult:
    """Read the log from its first line to its last.

    Raises `GateError` with the first line that was changed, removed, inserted or moved.
    """
    from tunesmith.store.audit_check import check_chain

    found = check_chain(Path(spec.log), expect=spec.expect)
    if found.fault:
        raise GateError(
            f"an audit log must be as it was written; {found.fault}",
            hint=f"compare it with a copy, and keep both: sha256sum {shlex.quote(spec.log)}",
        )
    if found.torn_bytes:
        session.emit(
            Warned(
                f"{found.torn_bytes:,} bytes at the end are no whole line: the writer was stopped "
                "within it, and puts them aside when it starts again"
            )
        )
    if spec.expect is None:
        session.emit(
            Warned(
                "a last line that was changed, and lines missing at the end, cannot be seen "
                "without the last hash, kept elsewhere: --expect HASH"
            )
        )
    return VerifyResult(
        log=spec.log,
        lines=found.lines,
        files=found.files,
        first_sequence=found.first_sequence,
        last_hash=found.last_hash,
        torn_bytes=found.torn_bytes,
        is_anchored=spec.expect is not None,
    )


OPERATION = Operation(
    "verify", "Tell whether an audit log is as it was written.", VerifySpec, VerifyResult, run
)
