"""The exports a bundle holds: what `bundle.json` says of each, and whether it still holds true."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from tunesmith.core.errors import DataError
from tunesmith.store.bundles import Bundle

SOURCE_FOLDER = "model/"


@dataclass(frozen=True, slots=True)
class Export:
    """One ONNX file of a bundle.

    `file` is its path inside the bundle; `source` the sha256 of each file of the model that it was
    made from; `parity` how its answers compared with that model's, see `stages.export.parity`.
    """

    file: str
    precision: str
    opset: int
    bytes: int
    source: Mapping[str, str]
    parity: Mapping[str, Any]
    packages: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """Return the fields under their own names."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def read_exports(bundle: Bundle) -> dict[str, Export]:
    """Return the exports of a bundle by precision; an older bundle has none.

    Raises `DataError` where the manifest's section is not as `export` writes it.
    """
    try:
        exports = {
            precision: Export(**entry)
            for precision, entry in bundle.manifest.get("exports", {}).items()
        }
        for export in exports.values():
            bundle.manifest["files"][export.file]
    except (AttributeError, KeyError, TypeError) as error:
        raise DataError(
            f"`exports` of `bundle.json` must name each export's file and origin; {error} "
            f"({bundle.path})",
            hint="tunesmith export BUNDLE --to onnx",
        ) from error
    return exports


def source_files(bundle: Bundle) -> dict[str, str]:
    """Return the sha256 of each file that the bundle's model is made of."""
    files = bundle.manifest["files"]
    return {name: files[name] for name in sorted(files) if name.startswith(SOURCE_FOLDER)}


def changed_sources(export: Export, bundle: Bundle) -> list[str]:
    """Return the files of the model that are not those the export was made from."""
    now, then = source_files(bundle), export.source
    return [name for name in sorted({*now, *then}) if now.get(name) != then.get(name)]
