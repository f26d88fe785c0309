"""Which settings say where something stands, and what else their text may mean.

A field is marked in its type, so that whoever must bound what a request may touch finds all of them
in any spec. What may be touched is not decided here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator
from pydantic.fields import FieldInfo

LocationKind = Literal["path", "rows", "bundle", "model", "address"]
"""What a text may be: a path; or beside that `hub:NAME` (rows), an alias such as `@production`
(bundle), a name of the catalogue or the hub (model); or no path but an address (address)."""


@dataclass(frozen=True, slots=True)
class Location:
    """The mark of a setting whose text, or each of whose texts, says where something stands.

    `words` are texts that mean something else.
    """

    kind: LocationKind = "path"
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Overrides:
    """The mark of a setting that holds other settings by their paths, each with its values."""


@dataclass(frozen=True, slots=True)
class Located:
    """A text of a request that says where something stands: the path of its setting, and itself."""

    setting: str
    text: str
    location: Location


def read_path(value: Any) -> Any:
    """Turn the `Path` that Python may give into text."""
    return str(value) if isinstance(value, PurePath) else value


def paths_in(text: str) -> list[str]:
    """Return each path that a text may name: all of it, or what stands before a `#`, longest first.

    >>> paths_in("rows#1/data.json#test")
    ['rows#1/data.json#test', 'rows#1/data.json', 'rows']
    """
    ends = [at for at, character in enumerate(text) if character == "#" and at]
    return [text, *(text[:at] for at in reversed(ends))]


PathText = Annotated[str, BeforeValidator(read_path), Location()]
OptionalPathText = Annotated[str | None, BeforeValidator(read_path), Location()]
RowsText = Annotated[str, BeforeValidator(read_path), Location("rows")]
OptionalRowsText = Annotated[str | None, BeforeValidator(read_path), Location("rows")]
BundleText = Annotated[str, BeforeValidator(read_path), Location("bundle")]
ModelText = Annotated[str, BeforeValidator(read_path), Location("model")]
OptionalModelText = Annotated[str | None, BeforeValidator(read_path), Location("model")]


def location_of(field: FieldInfo) -> Location | None:
    """Return the mark of a field, where it has one."""
    return next((mark for mark in field.metadata if isinstance(mark, Location)), None)


def holds_overrides(field: FieldInfo) -> bool:
    """Tell whether a field holds other settings by their paths."""
    return any(isinstance(mark, Overrides) for mark in field.metadata)


def find_locations(part: BaseModel, prefix: str = "") -> Iterator[Located]:
    """Yield every text of a request, and of the parts in it, that says where something stands."""
    for name, field in type(part).model_fields.items():
        value, setting = getattr(part, name), f"{prefix}{name}"
        location = location_of(field)
        if location is not None:
            texts = value if isinstance(value, tuple) else (value,)
            yield from (Located(setting, text, location) for text in texts if text is not None)
            continue
        for inner, more in _parts_in(value):
            yield from find_locations(inner, f"{setting}.{more}")


def find_overrides(part: BaseModel, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each setting of a request that holds other settings by their paths, with its value."""
    for name, field in type(part).model_fields.items():
        value, setting = getattr(part, name), f"{prefix}{name}"
        if holds_overrides(field):
            yield setting, value
            continue
        for inner, more in _parts_in(value):
            yield from find_overrides(inner, f"{setting}.{more}")


def _parts_in(value: Any) -> Iterator[tuple[BaseModel, str]]:
    """Yield the parts that a value is or holds, each with what stands before its settings."""
    if isinstance(value, BaseModel):
        yield value, ""
    elif isinstance(value, Mapping):
        yield from ((own, f"{name}.") for name, own in value.items() if isinstance(own, BaseModel))
    elif isinstance(value, tuple):
        yield from ((own, "") for own in value if isinstance(own, BaseModel))
