"""Specs: frozen, validated requests, one class an operation, and the parts they are made of.

A field is written once, with its default, unit and one-sentence docstring; the command line's help,
the JSON schema and the reference are derived from it.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator
from pydantic.fields import FieldInfo

from tunesmith.core.errors import Problem, SpecError


class Part(BaseModel):
    """A group of settings inside a spec.

    It is frozen, and an unknown key is refused with the nearest name.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        validate_default=True,
        protected_namespaces=(),
        allow_inf_nan=False,
    )

    @field_validator("*")
    @classmethod
    def _refuse_nul(cls, value: Any) -> Any:
        """Refuse the one character that no file name may hold."""
        if isinstance(value, str) and "\0" in value:
            raise ValueError("a text must not hold the character NUL")
        return value


class Spec(Part):
    """The whole request of one operation."""


SpecT = TypeVar("SpecT", bound=Part)
PRINT_SPEC = "--print-spec shows every setting"
LONGEST_SHOWN = 80
ANY_NAME = "NAME"
"""What stands for a name of the user's own in the path of a setting."""


def build_spec(spec: type[SpecT], values: Mapping[str, Any], *, where: str = "") -> SpecT:
    """Return the spec that `values` (nested mappings) describe.

    Raises `SpecError` with every problem at once; `where` names the file or door the values came
    from.
    """
    try:
        return spec.model_validate(dict(values))
    except ValidationError as error:
        problems = [_problem(spec, fault, where) for fault in error.errors()]
        raise SpecError(problems, hint=_hint(spec, error.errors()[0])) from None


def set_path(values: dict[str, Any], path: str, value: Any) -> None:
    """Set `a.b.c` in nested dictionaries, in place.

    A part that was given by its name alone (`method: full`), or by a number, becomes
    `{"name": "full", …}` so it can take settings.
    """
    *parents, last = path.split(".")
    target = values
    for key in parents:
        held = target.get(key)
        if isinstance(held, str | int) and not isinstance(held, bool):
            held = {"name": held}
        target[key] = dict(held) if isinstance(held, Mapping) else {}
        target = target[key]
    held = target.get(last)
    if isinstance(held, Mapping) and isinstance(value, str):
        value = {**held, "name": value}
    target[last] = value


def setting_paths(part: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every (`a.b.c`, pydantic field) of a spec, in its parts and union members too.

    Parts that the user names himself stand there as `a.NAME.c`.
    """
    for name, field in part.model_fields.items():
        yield f"{prefix}{name}", field
        inside = f"{prefix}{name}.{ANY_NAME}." if is_mapping(field) else f"{prefix}{name}."
        for member in parts_of(field.annotation):
            yield from setting_paths(member, inside)


def is_mapping(field: FieldInfo) -> bool:
    """Tell whether a field holds parts by names that the user chooses."""
    return get_origin(field.annotation) is dict and bool(parts_of(field.annotation))


def is_positional(field: FieldInfo) -> bool:
    """Tell whether a spec's field is an argument rather than a flag."""
    extra = field.json_schema_extra
    return isinstance(extra, dict) and bool(extra.get("positional"))


def takes_names(field: FieldInfo) -> bool:
    """Tell whether a group of settings may be given by a list of names, and so by a flag."""
    extra = field.json_schema_extra
    return isinstance(extra, dict) and bool(extra.get("by_names"))


def takes_number(field: FieldInfo) -> bool:
    """Tell whether a group of settings may be given by a number, and so by a flag."""
    extra = field.json_schema_extra
    return isinstance(extra, dict) and bool(extra.get("by_number"))


def parts_of(annotation: Any) -> list[type[BaseModel]]:
    """Return the parts that an annotation (a part, an optional part, a union of parts) may hold."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [part for argument in get_args(annotation) for part in parts_of(argument)]


def set_words(path: str, value: Any) -> str:
    """Return the `--set` that gives a setting a value, as a shell reads it.

    >>> set_words("training.epochs", 3)
    '--set training.epochs=3'
    """
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    return f"--set {shlex.quote(f'{path}={text}')}"


def _problem(spec: type[BaseModel], fault: Mapping[str, Any], where: str) -> Problem:
    path = _path(spec, fault["loc"])
    context = fault.get("ctx", {})
    given = fault["input"]
    found = _shown(given)
    match fault["type"]:
        case "extra_forbidden":
            subject = _subject(spec, fault["loc"], path)
            return Problem(
                f"`{path}` must be a setting of {subject}", _nearest(spec, fault["loc"]), where
            )
        case "missing":
            return Problem(f"`{path}` must be given", "nothing", where)
        case "greater_than_equal":
            return Problem(f"`{path}` must be at least {context['ge']}", found, where)
        case "greater_than":
            return Problem(f"`{path}` must be above {context['gt']}", found, where)
        case "less_than_equal":
            return Problem(f"`{path}` must be at most {context['le']}", found, where)
        case "less_than":
            return Problem(f"`{path}` must be below {context['lt']}", found, where)
        case "literal_error":
            return Problem(f"`{path}` must be {context['expected']}", found, where)
        case "union_tag_invalid":
            return Problem(
                f"`{path}` must be one of {context['expected_tags']}", repr(context["tag"]), where
            )
        case "value_error":
            return Problem(f"`{path}`: {context['error']}", found, where)
        case "invalid_key":
            return Problem("the name of a setting must be a text", repr(given), where)
        case "tuple_type" | "list_type":
            return Problem(f"`{path}` must be a list", found, where)
        case "model_type" | "model_attributes_type" | "dict_type":
            return Problem(f"`{path}` must be a group of settings", found, where)
        case _:
            must, _, more = fault["msg"].partition("Input should be ")
            return Problem(
                f"`{path}` must be {more}" if more else f"`{path}`: {must}", found, where
            )


def _shown(value: Any) -> str:
    """Return a refused value as a message shows it: never longer than a line, however large."""
    if value is None:
        return "null"
    if isinstance(value, str | int | float):
        text = repr(value)
        return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 1]}…"
    kinds: dict[type, str] = {list: "a list", tuple: "a list", dict: "a group of settings"}
    return kinds.get(type(value), f"a {type(value).__name__}")


def _path(spec: type[BaseModel], location: tuple[str | int, ...]) -> str:
    """Return a location as the user writes it: without the tags pydantic adds for unions."""
    return _paths(spec, location)[0]


def _paths(spec: type[BaseModel], location: tuple[str | int, ...]) -> tuple[str, str]:
    """Return a location as the user writes it, and as `setting_paths` does."""
    known = {path for path, _ in setting_paths(spec)}
    written: list[str] = []
    parts: list[str] = []
    for index, item in enumerate(location):
        candidate = ".".join([*parts, str(item)])
        named = ".".join([*parts, ANY_NAME, ""])
        if any(path.startswith(named) for path in known):
            parts.append(ANY_NAME)
        elif index == len(location) - 1 or candidate in known or ".".join(parts) not in known:
            parts.append(str(item))
        else:
            continue
        written.append(str(item))
    return ".".join(written), ".".join(parts)


def _subject(spec: type[BaseModel], location: tuple[str | int, ...], path: str) -> str:
    """Return what refused the setting: the operation, a group, or one member of a union."""
    if len(location) == 1:  # its own name may hold dots
        return _verb(spec)
    group = path.rpartition(".")[0]
    member = str(location[-2])
    is_group = _path(spec, location[:-1]) == group and group.rpartition(".")[2] == member
    return f"`{group}`" if is_group else f"`{group}: {member}`"


def _nearest(spec: type[BaseModel], location: tuple[str | int, ...]) -> str:
    """Return what a refused name may have meant."""
    path = _path(spec, location)
    group = path.rpartition(".")[0]
    if owners := _owners(spec, path):
        return f"a setting of `{group}: {owners[0]}`"
    near = _near_path(spec, location)
    return f"an unknown name; did you mean `{near}`?" if near else "an unknown name"


def _near_path(spec: type[BaseModel], location: tuple[str | int, ...]) -> str | None:
    """Return the setting of the same last name, else the most similar of its group, or of any."""
    path, setting = _paths(spec, location)
    group, _, last = setting.rpartition(".")
    known = [name for name, _ in setting_paths(spec)]
    siblings = [name for name in known if name.rpartition(".")[0] == group]
    for names, cutoff in ((known, 1.0), (siblings, 0.6), (known, 0.8)):
        by_last = {name.rpartition(".")[2]: name for name in reversed(names)}
        if near := get_close_matches(last, by_last, n=1, cutoff=cutoff):
            found = by_last[near[0]]
            is_sibling = found.rpartition(".")[0] == group
            return f"{path.removesuffix(last)}{near[0]}" if is_sibling else found
    return None


def _owners(spec: type[BaseModel], path: str) -> list[str]:
    """Return the names of the union members that do have the setting `path`."""
    group, _, last = path.rpartition(".")
    members = [
        member
        for known, field in setting_paths(spec)
        if known == group
        for member in parts_of(field.annotation)
    ]
    return [
        member.model_fields["name"].default for member in members if last in member.model_fields
    ]


def _hint(spec: type[BaseModel], fault: Mapping[str, Any]) -> str:
    path, setting = _paths(spec, fault["loc"])
    fields = dict(setting_paths(spec))
    if fault["type"] == "extra_forbidden":
        if owners := _owners(spec, path):
            group = path.rpartition(".")[0]
            return set_words(group, owners[0]) if "." in group else f"--{group} {owners[0]}"
        near = _near_path(spec, fault["loc"])
        is_plain = isinstance(fault["input"], str | int | float)
        return set_words(near, fault["input"]) if near and is_plain else PRINT_SPEC
    if setting not in fields:
        return PRINT_SPEC
    field, choices = fields[setting], _choices(fields[setting])
    given = fault.get("ctx", {}).get("tag", fault["input"])
    # Only a text can be near a word; to write out a nest of YAML aliases would take all memory.
    similar = get_close_matches(given, choices, n=1) if isinstance(given, str) else []
    if "." in path:
        if field.is_required():
            return PRINT_SPEC
        default = field.get_default(call_default_factory=True)
        return set_words(path, similar[0] if similar else getattr(default, "name", default))
    if choices:
        near = (similar or choices)[0]
        return f"tunesmith {_verb(spec)} {near}" if is_positional(field) else f"--{path} {near}"
    return f"tunesmith {_verb(spec)} --help"


def _choices(field: FieldInfo) -> list[str]:
    """Return the words a field may hold: a literal's, or the names of a union's members."""
    if members := parts_of(field.annotation):
        names = [member.model_fields.get("name") for member in members]
        return [name.default for name in names if name is not None]
    return [choice for choice in get_args(field.annotation) if isinstance(choice, str)]


def _verb(spec: type[BaseModel]) -> str:
    return spec.__name__.removesuffix("Spec").lower()
