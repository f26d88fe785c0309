"""mask: rows without the personal data in them."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field

from tunesmith.core.data_spec import Columns
from tunesmith.core.errors import Problem, SpecError
from tunesmith.core.events import Progress
from tunesmith.core.locations import OptionalPathText, PathText
from tunesmith.core.masking import PATTERNED, MaskedKinds
from tunesmith.core.operation import Operation
from tunesmith.core.spec import Spec

if TYPE_CHECKING:
    from tunesmith.data.formats import Scan
    from tunesmith.data.masking import MaskedRow
    from tunesmith.data.rows import RawRow
    from tunesmith.operations.masking import Masker
    from tunesmith.session import Session

CHUNK_ROWS = 256
READABLE = {"jsonl": (".jsonl", ".ndjson"), "json": (".jsonl",), "csv": (".csv",), "tsv": (".tsv",)}
"""Formats that can be masked, and the endings of what they become."""


def _listed(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]


class MaskSpec(Spec):
    """Replace personal data in rows by placeholders such as `[EMAIL]`."""

    data: PathText = Field(json_schema_extra={"positional": True})
    """Rows to mask: a file of JSONL, JSON, CSV or TSV, of any size."""

    out: PathText
    """File for the masked rows, of the same format."""

    mask: MaskedKinds = PATTERNED
    """Kinds to mask: all, or some of email, resident_id, credit_code, iban, card, bank_card, ip,
    mobile, phone."""

    mask_names: OptionalPathText = None
    """A bundle for ner whose people are masked too."""

    mask_numbered: bool = False
    """Number the placeholders, `[PHONE_1]`: the same value of a row has the same number."""

    only: Names = ()
    """Columns to mask; none masks all."""

    column: Columns
    """`ROLE=NAME`: the column that holds a role (text, entities, tokens, context, answers, head,
    tail), so that offsets move with their text."""

    device: str = "auto"
    """Device that finds names: auto, cpu, cuda, cuda:1."""

    overwrite: bool = False
    """Replace the file `out`."""


@dataclass(frozen=True, slots=True)
class MaskResult:
    """How many rows were written, how many were changed, and what was replaced by kind."""

    data: str
    out: str
    rows: int
    changed: int
    masked: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON-ready fields."""
        return {
            "data": self.data,
            "out": self.out,
            "rows": self.rows,
            "changed": self.changed,
            "masked": dict(sorted(self.masked.items())),
        }


def run(spec: MaskSpec, session: Session) -> MaskResult:
    """Read, mask and write a chunk of rows at a time.

    Raises `DataError` with every row that cannot be read, or whose offsets would be cut through;
    nothing is written then. `SpecError` for formats that cannot be masked.
    """
    from tunesmith.data.formats import scan_rows
    from tunesmith.data.writing import open_writer
    from tunesmith.operations.masking import Masker, open_names

    scan = scan_rows(spec.data)
    _require_format(spec, scan)
    counts: Counter[str] = Counter()
    rows = changed = 0
    with contextlib.ExitStack() as stack:
        names = None
        if spec.mask_names is not None:
            names = stack.enter_context(open_names(spec.mask_names, session, device=spec.device))
        masker = Masker(
            spec.mask,
            names=names,
            numbered=spec.mask_numbered,
            columns=spec.column,
            only=spec.only or None,
        )
        kind = "jsonl" if scan.kind == "json" else scan.kind
        writer = stack.enter_context(
            open_writer(spec.out, kind, overwrite=spec.overwrite, inputs=[spec.data])
        )
        for row in _masked(scan, masker, spec):
            writer.write(row.row)
            counts += row.counts
            rows += 1
            changed += bool(row.counts)
            if rows % 1000 == 0:
                session.emit(Progress("masking", rows, None))
    return MaskResult(spec.data, spec.out, rows, changed, dict(counts))


def _require_format(spec: MaskSpec, scan: Scan) -> None:
    endings = READABLE.get(scan.kind)
    if endings is None:
        raise SpecError(
            f"`data` must be JSONL, JSON, CSV or TSV to be masked; got {scan.kind}",
            hint="write it as JSONL: a row a line",
        )
    if Path(spec.out).suffix.lower() not in endings:
        raise SpecError(
            f"`out` must have the format of `data`, so end with {' or '.join(endings)}; "
            f"got `{spec.out}`",
            hint=f"--out {Path(spec.out).with_suffix(endings[0])}",
        )


def _masked(scan: Scan, masker: Masker, spec: MaskSpec) -> Iterator[MaskedRow]:
    """Yield masked rows; after the last, raise what was wrong with any."""
    from tunesmith.data.rows import BadRow, ProblemLog

    log = ProblemLog()
    items = iter(scan.items)
    while chunk := list(islice(items, CHUNK_ROWS)):
        good: list[RawRow] = []
        for item in chunk:
            if isinstance(item, BadRow):
                log.add(item)
            else:
                good.append(item)
        _require_columns(spec, good)
        for raw, row in zip(good, masker.mask([raw.values for raw in good]), strict=True):
            for problem in row.problems:
                where = f"{scan.name}:{raw.line}"
                log.add(BadRow(replace(problem, where=where), _hint(row)))
            if not log.count:
                yield row
    log.raise_any()


def _hint(row: MaskedRow) -> str:
    """Return the kinds that cut nothing through."""
    left = [kind for kind in PATTERNED if kind not in row.counts]
    return f"--mask {','.join(left)}, or mend the offsets of the row"


def _require_columns(spec: MaskSpec, rows: list[RawRow]) -> None:
    """Raise `SpecError` where a named column is in no row: nothing would be masked, unnoticed."""
    if not rows:
        return
    known = {name for row in rows for name in row.values}
    missing = [name for name in spec.only if name not in known]
    if missing:
        raise SpecError(
            [
                Problem(f"`only` must name columns of the rows; `{name}` is none", ", ".join(known))
                for name in missing
            ],
            hint=f"--only {sorted(known)[0]}",
        )


OPERATION = Operation(
    "mask",
    "Replace personal data in rows by placeholders such as `[EMAIL]`.",
    MaskSpec,
    MaskResult,
    run,
)
