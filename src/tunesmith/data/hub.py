"""Data sets of the Hugging Face hub as rows. The only code that knows `datasets`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tunesmith.core.errors import (
    ForeignError,
    MissingExtraError,
    NotFoundError,
    Problem,
    SpecError,
)
from tunesmith.data.formats import Scan
from tunesmith.data.rows import RawRow

PREFIX = "hub:"
SPLITS = {"train": "train", "validation": "valid", "valid": "valid", "dev": "valid", "test": "test"}


def is_hub(data: object) -> bool:
    """Tell whether a data argument names a data set of the hub."""
    return isinstance(data, str) and data.startswith(PREFIX)


def scan_hub(data: str) -> dict[str, list[Scan]]:
    """Return the splits of `hub:NAME` or `hub:NAME:CONFIG`; class numbers are read as their names.

    Raises `MissingExtraError` without `datasets`, `NotFoundError` for an unknown name, `SpecError`
    where a configuration must be chosen and `ForeignError` for whatever else fails there.
    """
    name, _, config = data.removeprefix(PREFIX).partition(":")
    loaded = _load(name, config or None, data)
    found = {
        SPLITS[split]: [Scan(f"{data}/{split}", "parquet", _rows(rows))]
        for split, rows in loaded.items()
        if split in SPLITS
    }
    if "train" not in found:
        raise NotFoundError(
            Problem("a data set must have a `train` split", ", ".join(map(str, loaded)), data),
            hint=f"https://huggingface.co/datasets/{name}",
        )
    return found


def _load(name: str, config: str | None, data: str) -> Mapping[str, Any]:
    try:
        import datasets  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError(
            "reading from the hub needs datasets, which is not installed",
            hint="pip install 'tunesmith[hub]'",
        ) from error
    page = f"https://huggingface.co/datasets/{name}"
    try:
        return datasets.load_dataset(name, config)
    except FileNotFoundError as error:
        raise NotFoundError(
            Problem("the data set must exist", _first(error), data), hint=page
        ) from error
    except ValueError as error:
        hint = f"{PREFIX}{name}:CONFIG"
        raise SpecError(
            Problem("the configuration must exist", _first(error), data), hint=hint
        ) from error
    except Exception as error:
        raise ForeignError(
            Problem("the hub must answer", _first(error), data), hint=page
        ) from error


def _rows(rows: Iterable[Mapping[str, Any]]) -> Iterator[RawRow]:
    names = _class_names(getattr(rows, "features", None) or {})
    for number, row in enumerate(rows, 1):
        values = {
            column: _named(value, names[column]) if column in names else value
            for column, value in row.items()
        }
        yield RawRow(values, number)


def _class_names(features: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the class names of the columns that hold class numbers, alone or in a list."""
    inner = {column: getattr(feature, "feature", feature) for column, feature in features.items()}
    return {
        column: list(feature.names)
        for column, feature in inner.items()
        if isinstance(getattr(feature, "names", None), list)
    }


def _named(value: Any, names: list[str]) -> Any:
    if isinstance(value, list | tuple):
        return [_named(item, names) for item in value]
    if isinstance(value, int):
        return names[value] if 0 <= value < len(names) else None
    return value


def _first(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
