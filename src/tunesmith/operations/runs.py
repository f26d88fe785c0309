"""runs: what was done here, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import Field

from tunesmith.core.operation import Operation
from tunesmith.core.spec import Spec

if TYPE_CHECKING:
    from tunesmith.session import Session


class RunsSpec(Spec):
    """List the recorded runs, or show one."""

    run: str | None = Field(None, json_schema_extra={"positional": True})
    """Id of one run, or its first digits; none lists the newest."""

    limit: int = Field(20, ge=1, le=1000)
    """Runs to list at most."""


@dataclass(frozen=True, slots=True)
class RunsResult:
    """The runs, newest first; `is_single` where one was asked for."""

    runs: tuple[dict[str, Any], ...]
    is_single: bool

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON-ready fields."""
        return {"runs": list(self.runs)}


def run(spec: RunsSpec, session: Session) -> RunsResult:
    """Read the run log of the workspace."""
    log = session.workspace.runs
    found = [log.show(spec.run)] if spec.run else log.list(limit=spec.limit)
    return RunsResult(tuple(item.to_json() for item in found), spec.run is not None)


OPERATION = Operation("runs", "List the recorded runs, or show one.", RunsSpec, RunsResult, run)
