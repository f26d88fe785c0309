"""runs: what was done here, how it ended, what came of it, and what it is called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from tunesmith.core.data_spec import LARGEST_SEED, Columns, Language
from tunesmith.core.locations import OptionalPathText
from tunesmith.core.operation import Operation
from tunesmith.core.spec import Spec

if TYPE_CHECKING:
    from tunesmith.session import Session

ACTIONS = (
    *("list", "show", "compare", "leaderboard", "name", "note", "tag", "untag"),
    *("alias", "unalias", "delete", "gc"),
)


def _listed(value: Any) -> Any:
    """Turn a single name into a list of one, and paths into texts."""
    if isinstance(value, list | tuple):
        return tuple(item if isinstance(item, str) else str(item) for item in value)
    return (str(value),)


class RunsSpec(Spec):
    """List the recorded runs, show or compare them, name them, or remove them."""

    action: str = Field("list", json_schema_extra={"positional": True})
    """What to do: list, show, compare, leaderboard, name, note, tag, untag, alias, unalias, delete
    or gc; the id or name of a run shows that."""

    names: Annotated[tuple[str, ...], BeforeValidator(_listed)] = Field(
        (), json_schema_extra={"positional": True}
    )
    """What to do it with: `show RUN`, `compare A B [DATA]`, `leaderboard DATA`, `name RUN NAME`,
    `note RUN TEXT`, `tag RUN TAG…`, `alias @NAME BUNDLE`, `unalias @NAME`, `delete RUN…`."""

    operation: str | None = None
    """list: only the runs of this verb."""

    status: Literal["queued", "running", "done", "failed", "interrupted", "stopped"] | None = None
    """list: only the runs that stand so."""

    tag: str | None = None
    """list: only the runs with this tag."""

    data: str | None = None
    """list: only the runs whose data argument holds this text."""

    since: str | None = None
    """list: only the runs since a day (2026-11-28), a moment (2026-11-28T09:30), or so many days
    or hours ago (7d, 12h)."""

    limit: int = Field(20, ge=1, le=1000)
    """list, leaderboard: rows to show at most."""

    measure: str | None = None
    """leaderboard: the measure to rank by; none takes the first of each report."""

    column: Columns
    """compare, leaderboard: `ROLE=NAME`, the column of DATA that holds a role."""

    seed: int = Field(0, ge=0, le=LARGEST_SEED)
    """compare: seed of the bootstrap."""

    device: str = "auto"
    """compare: device that computes: auto, cpu, cuda, cuda:1."""

    language: Language = "en"
    """compare: language of the page."""

    out: OptionalPathText = None
    """compare: folder for compare.html, with the curves of both, and compare.json; none writes no
    files."""

    overwrite: bool = False
    """compare: replace what stands in `out`."""

    folders: bool = False
    """delete, gc: remove folders too, but never one that an alias or a child needs."""

    yes: bool = False
    """gc: remove what was found; without it nothing is removed."""

    @property
    def verb(self) -> str:
        """What to do; a word that is none of `ACTIONS` is a run to show."""
        return self.action if self.action in ACTIONS else "show"

    @property
    def operands(self) -> tuple[str, ...]:
        """What to do it with."""
        return self.names if self.action in ACTIONS else (self.action, *self.names)


@dataclass(frozen=True, slots=True)
class RunsResult:
    """What the `action` found or did, by name: `runs` where it lists or shows them."""

    action: str
    fields: Mapping[str, Any]

    @property
    def runs(self) -> tuple[dict[str, Any], ...]:
        """The runs that were listed or shown, newest first."""
        return tuple(self.fields.get("runs", ()))

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON-ready fields."""
        return dict(self.fields)


def run(spec: RunsSpec, session: Session) -> RunsResult:
    """Read or change the records of the workspace."""
    if spec.verb == "compare":
        from tunesmith.operations.comparing import compare_bundles

        return RunsResult(spec.verb, compare_bundles(spec, session))
    if spec.verb in ("delete", "gc"):
        from tunesmith.operations import tidying

        do = tidying.delete_runs if spec.verb == "delete" else tidying.collect_garbage
        return RunsResult(spec.verb, do(spec, session))
    if spec.verb == "leaderboard":
        from tunesmith.operations.leaderboards import rank_results

        return RunsResult(spec.verb, rank_results(spec, session))
    from tunesmith.operations import bookkeeping

    return RunsResult(spec.verb, bookkeeping.DEEDS[spec.verb](spec, session))


OPERATION = Operation(
    "runs",
    "List the recorded runs, show or compare them, name them, or remove them.",
    RunsSpec,
    RunsResult,
    run,
)
