"""zoo: which models there are, what they cost and allow, and how one comes here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from tunesmith.core.data_spec import LARGEST_SEED, Columns, TaskKind
from tunesmith.core.errors import SpecError
from tunesmith.core.locations import Location, OptionalPathText
from tunesmith.core.operation import Operation
from tunesmith.core.planning import split_names
from tunesmith.core.spec import Spec
from tunesmith.core.units import read_count

if TYPE_CHECKING:
    from tunesmith.session import Session

Action = Literal["list", "show", "fetch", "remove", "check", "rank", "add"]

SUBJECTS: dict[str, str] = {
    "show": "a model's id or alias",
    "fetch": "a model's id or alias",
    "remove": "a model's id or alias",
    "check": "the rows to read: a file or a folder",
    "rank": "the rows to learn from: a file or a folder",
    "add": "a folder that holds a model, or a hub id",
}
"""What stands behind an action."""


def _read_parameters(value: Any) -> Any:
    return read_count(value) if isinstance(value, str) else value


class ZooSpec(Spec):
    """Choose, fetch and keep pretrained models."""

    action: Action = Field(json_schema_extra={"positional": True})
    """What is done: `list`, `show`, `fetch`, `remove`, `check` (a model against your rows), `rank`
    (the models that are here, by what your rows say of them) or `add` (a model of your own)."""

    subject: OptionalPathText = Field(None, json_schema_extra={"positional": True})
    """A model's id or alias (show, fetch, remove), rows (check, rank), or a folder or hub id (add).
    """

    task: TaskKind | None = None
    """The task that a model must be made for (list), or that the rows are of (check, rank)."""

    language: str | None = None
    """A language that a model must speak, such as en or zh (list, rank)."""

    max_parameters: Annotated[int | None, BeforeValidator(_read_parameters)] = Field(None, gt=0)
    """The most parameters a model may have, such as 120M (list, rank)."""

    licence: str | None = None
    """A licence by its SPDX name, or `commercial`: one that allows commercial use (list, rank,
    add)."""

    family: str | None = None
    """A family, such as BERT (list, rank)."""

    model: OptionalPathText = None
    """The model whose tokenizer reads the rows (check), or one more to rank (rank)."""

    column: Columns
    """`ROLE=NAME`: the column that holds a role, where it has another name (check, rank)."""

    models: Annotated[tuple[str, ...], BeforeValidator(split_names), Location("model")] = ()
    """Models of this machine to rank, as `minilm,runs/zh/backbone`; none takes all that can do the
    task (rank)."""

    rows: int = Field(1000, ge=20, le=5000)
    """Training rows that models are compared on, drawn with the classes in proportion (rank)."""

    max_latency_ms: float | None = Field(None, gt=0)
    """Milliseconds that reading one row may take (median); none allows any (rank)."""

    max_memory_gb: float | None = Field(None, gt=0)
    """Gigabytes of memory that the process may hold while it reads rows; none allows any (rank)."""

    seed: int = Field(0, ge=0, le=LARGEST_SEED)
    """Seed of which rows are drawn (rank)."""

    name: str | None = None
    """The id of the new entry; none takes the folder's name, or the hub id (add)."""

    revision: str | None = None
    """The hub revision (branch, tag or commit); none takes the catalogue's, else the newest."""

    mirror: str | None = Field(None, pattern=r"^https?://\S+$")
    """Address of a mirror of the hub; none takes `$HF_ENDPOINT`, else the hub itself."""

    timed: bool = False
    """Time a few layers of the model's shape on this machine, so that milliseconds a row are told
    before it is here (show)."""


@dataclass(frozen=True, slots=True)
class ZooResult:
    """What an action found or did: models as fields, and its own figures in `details`."""

    action: str
    models: tuple[dict[str, Any], ...]
    details: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON-ready fields."""
        return {"action": self.action, "models": list(self.models), "details": self.details}


def run(spec: ZooSpec, session: Session) -> ZooResult:
    """Do the one action that was asked for."""
    from tunesmith.operations import zoo_actions

    if spec.action != "list" and spec.subject is None:
        raise SpecError(
            f"`zoo {spec.action}` must be told {SUBJECTS[spec.action]}; got nothing",
            hint=f"tunesmith zoo {spec.action} minilm"
            if spec.action in ("show", "fetch", "remove")
            else f"tunesmith zoo {spec.action} PATH",
        )
    if spec.action == "list" and spec.subject is not None:
        raise SpecError(
            f"`zoo list` takes no further word; got `{spec.subject}`",
            hint=f"tunesmith zoo show {spec.subject}",
        )
    models, details = zoo_actions.ACTIONS[spec.action](spec, session)
    return ZooResult(spec.action, tuple(models), details)


OPERATION = Operation(
    "zoo",
    "Choose, fetch and keep pretrained models.",
    ZooSpec,
    ZooResult,
    run,
)
