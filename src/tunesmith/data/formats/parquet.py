"""Parquet files, read in batches. The only code that knows pyarrow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import MissingExtraError, Problem
from tunesmith.data.rows import MAX_ROW_BYTES, BadRow, RawRow, shell_path, too_long
from tunesmith.data.sources import Source, find_file, is_path

if TYPE_CHECKING:
    import pyarrow.parquet

BATCH_ROWS = 1024


def scan_parquet(source: Source, *, name: str) -> Iterator[RawRow | BadRow]:
    """Yield one row a record; `line` counts records from 1, since the format has no lines.

    Raises `MissingExtraError` where pyarrow is not installed.
    """
    arrow = _import_arrow()
    file = find_file(source) if is_path(source) else getattr(source, "buffer", source)  # type: ignore[arg-type]
    try:
        table = arrow.parquet.ParquetFile(file)
        names = table.schema_arrow.names
        repeated = sorted({column for column in names if names.count(column) > 1})
        if repeated:
            found = ", ".join(f"`{column}`" for column in repeated)
            yield BadRow(Problem("each column name must stand once", f"{found} again", name))
            return
        yield from _rows(table, name)
    except (arrow.ArrowException, OSError, ValueError) as error:
        first = str(error).strip().splitlines()[0]
        yield BadRow(
            Problem(f"`{name}` must be a whole Parquet file", first, name),
            f"tail -c 4 {shell_path(name)}",
        )


def _rows(table: pyarrow.parquet.ParquetFile, name: str) -> Iterator[RawRow | BadRow]:
    number = 0
    for batch in table.iter_batches(batch_size=BATCH_ROWS):
        for values in batch.to_pylist():
            number += 1
            size = sum(len(value) for value in values.values() if isinstance(value, str))
            yield too_long(name, number) if size > MAX_ROW_BYTES else RawRow(values, number)


def _import_arrow() -> Any:
    try:
        import pyarrow  # noqa: PLC0415
        import pyarrow.parquet  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError(
            "reading Parquet needs pyarrow, which is not installed",
            hint="pip install 'tunesmith[parquet]'",
        ) from error
    return pyarrow
