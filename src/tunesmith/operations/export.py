"""export: a bundle's model in another form: one that answers faster, or one to publish."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from tunesmith.core.data_spec import Columns
from tunesmith.core.locations import BundleText, OptionalPathText, OptionalRowsText
from tunesmith.core.operation import Operation
from tunesmith.core.spec import Spec

if TYPE_CHECKING:
    from tunesmith.session import Session


class ExportSpec(Spec):
    """Write a bundle's model in a form that answers faster, or as a folder for the hub."""

    bundle: BundleText = Field(json_schema_extra={"positional": True})
    """The bundle's folder, the run's that holds it, or an alias (`@production`), which then stands
    for the bundle with its export."""

    to: Literal["onnx", "hub-folder"] = "onnx"
    """Form of the export: onnx, which ONNX Runtime answers from, or hub-folder: the model in plain
    transformers format with a card, to be pushed to the Hugging Face hub."""

    precision: Literal["fp32", "int8"] = "fp32"
    """Number format: fp32 gives the same answers, int8 is a quarter of the size and faster, with at
    least 99 % of the answers."""

    data: OptionalRowsText = None
    """Labelled rows to measure the change of the score on, and to prune by; a folder's test split
    is taken for measuring, and none takes the bundle's canary rows."""

    column: Columns
    """`ROLE=NAME`: the column of `data` that holds a role; those of the tuning are remembered."""

    drop_layers: int = Field(0, ge=0)
    """Top layers to leave out, in a new bundle that is briefly tuned again on `data`."""

    trim_vocabulary: bool = False
    """Keep only the tokens of `data`, special ones and single characters, in a new bundle."""

    out: OptionalPathText = None
    """Folder for the new bundle of a pruned model, or for the hub; other exports go into the bundle
    they are of."""

    licence: str | None = None
    """Licence that the card of a hub folder states, by its SPDX name; none takes the backbone's,
    where it is known."""

    languages: tuple[str, ...] = ()
    """Languages that the card states, by their BCP 47 codes; none takes the backbone's."""

    datasets: tuple[str, ...] = ()
    """Ids of public data sets on the hub that the card names; your rows are never named."""

    adapter: bool = False
    """Also put what lora, adalora or ia3 learned into `adapter/` of the hub folder, as peft reads
    it."""


@dataclass(frozen=True, slots=True)
class ExportResult:
    """The file that was written and how its answers compare with the source's.

    `bytes` is the size of the file, `source_bytes` that of the weights it was made from; `pruned`
    holds what each step of pruning cost, by its name; `form` is what the spec calls `to`.
    """

    bundle: str
    fingerprint: str
    file: str
    precision: str
    bytes: int
    source_bytes: int
    parity: dict[str, Any]
    seconds: float
    pruned: dict[str, Any] = field(default_factory=dict)
    form: str = "onnx"

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON-ready fields."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        return {**fields, "seconds": round(self.seconds, 3)}


def run(spec: ExportSpec, session: Session) -> ExportResult:
    """Write the graph, hold it to the source, and put it into the bundle; or fill the folder."""
    if spec.to == "hub-folder":
        from tunesmith.operations.hub_folder import export_hub_folder

        return export_hub_folder(spec, session)
    from tunesmith.operations.exporting import export_bundle

    return export_bundle(spec, session)


OPERATION = Operation(
    "export",
    "Write a bundle's model in a form that answers faster, or as a folder for the hub.",
    ExportSpec,
    ExportResult,
    run,
    recorded=True,
)
