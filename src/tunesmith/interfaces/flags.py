"""From a spec to command-line flags, and from what was typed back to the spec's values.

A top-level field becomes an argument or a flag; groups of settings (`training`, `split`) are
reached by `--set`.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import typer
import yaml
from pydantic.fields import FieldInfo

from tunesmith.core.errors import SpecError
from tunesmith.core.spec import (
    Spec,
    is_positional,
    parts_of,
    set_path,
    takes_names,
    takes_number,
)

SETTINGS_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Flag:
    """One parameter of a command and the spec field it fills."""

    name: str
    parameter: inspect.Parameter


def flags_of(spec: type[Spec]) -> list[Flag]:
    """Return the command's parameters in the order of the fields, positional ones first."""
    made = [_flag(name, field) for name, field in spec.model_fields.items()]
    kept = [flag for flag in made if flag is not None]
    return sorted(kept, key=lambda flag: flag.parameter.kind)


def settings_from(
    spec: type[Spec], given: Mapping[str, Any], overrides: Sequence[str]
) -> dict[str, Any]:
    """Return the nested values that were typed: a settings file first, then flags, then `--set`.

    Raises `SpecError` where an override is not written PATH=VALUE.
    """
    values = {key: value for key, value in given.items() if value not in (None, [], ())}
    settings: dict[str, Any] = {}
    if argument := settings_argument(spec, values):
        settings = _read_settings(Path(only(values.pop(argument))))
    for key, value in values.items():
        set_path(settings, key, list(value) if isinstance(value, tuple) else value)
    for override in overrides:
        path, equals, text = override.partition("=")
        if not equals or not all(path.strip().split(".")):
            raise SpecError(
                f"`--set` must be written PATH=VALUE; got {override!r}",
                hint="--set training.epochs=3",
            )
        field = spec.model_fields.get(path.strip())
        is_short = field is not None and takes_number(field) and text.strip().isdigit()
        set_path(settings, path.strip(), text.strip() if is_short else _read_value(text))
    return settings


def settings_argument(spec: type[Spec], given: Mapping[str, Any]) -> str | None:
    """Return the name of the verb's first argument where a settings file stands in its place."""
    first = next((name for name, field in spec.model_fields.items() if is_positional(field)), "")
    value = only(given.get(first))
    return first if isinstance(value, str) and value.endswith(SETTINGS_SUFFIXES) else None


def only(value: Any) -> Any:
    """Return the only item of a list, and anything else as it is."""
    return value[0] if isinstance(value, list | tuple) and len(value) == 1 else value


def _read_settings(path: Path) -> dict[str, Any]:
    from tunesmith.store.run_folder import read_lock  # noqa: PLC0415 (only for settings files)

    return read_lock(path)[0]


def _read_value(text: str) -> Any:
    """Return a value typed on the command line, read as YAML.

    So numbers, true, null and lists are themselves; what is not YAML stays text.
    """
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError):
        return text


def _flag(name: str, field: FieldInfo) -> Flag | None:
    parts = parts_of(field.annotation)
    is_named = any("name" in part.model_fields for part in parts)
    if parts and not (is_named or takes_names(field) or takes_number(field)):
        return None
    help_text = " ".join((field.description or "").split())
    kind = _plain_type(field)
    if is_positional(field):
        help_text += _default_text(field, is_named=is_named)
        option: Any = typer.Argument(help=help_text, metavar=name.upper(), show_default=False)
        parameter = inspect.Parameter(
            name,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            default=None,
            annotation=Annotated[kind | None, option],
        )
        return Flag(name, parameter)
    option = typer.Option(
        f"--{name.replace('_', '-')}",
        help=help_text + _default_text(field, is_named=is_named),
        metavar=_metavar(field, parts),
        show_default=False,
    )
    parameter = inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[kind | None, option],
    )
    return Flag(name, parameter)


def _plain_type(field: FieldInfo) -> Any:
    """Return what typer may parse: a switch, texts or a text.

    The spec validates the rest, what is missing too, so that every door names the same problems.
    """
    if field.annotation is bool:
        return bool
    return list[str] if get_origin(field.annotation) in (dict, tuple, list) else str


def _metavar(field: FieldInfo, parts: Sequence[Any]) -> str | None:
    names = [part.model_fields["name"].default for part in parts if "name" in part.model_fields]
    if len(names) > 1:
        return "|".join(names)
    if names:
        return "NAME"
    if takes_names(field):
        return "NAME,…"
    if takes_number(field):
        return "N"
    choices = get_args(field.annotation)
    if choices and all(isinstance(choice, str) for choice in choices):
        return "|".join(choices)
    if get_origin(field.annotation) is dict:
        return "ROLE=NAME"
    kinds = {field.annotation, *get_args(field.annotation)}
    return next((name for kind, name in ((int, "N"), (float, "X")) if kind in kinds), "TEXT")


def _default_text(field: FieldInfo, *, is_named: bool) -> str:
    if field.is_required():
        return " [required]"
    if takes_names(field):
        return ""
    default = field.get_default(call_default_factory=True)
    if is_named and default is not None:
        default = default.name
    return f" [default: {default}]" if default not in (None, False, (), {}, []) else ""
