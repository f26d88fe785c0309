"""Every setting of every operation: reachable by its path and described in one sentence."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from tunesmith.core.spec import build_spec, parts_of, set_path, setting_paths
from tunesmith.operations import OPERATIONS

ABBREVIATIONS = re.compile(r"\b(et al|e\.g|i\.e|cf|no)\. ", re.IGNORECASE)


def all_settings() -> list[tuple[str, str, Any]]:
    return [
        (name, path, field)
        for name, operation in OPERATIONS.items()
        for path, field in setting_paths(operation.spec)
    ]


def all_parts(spec: type[BaseModel]) -> set[type[BaseModel]]:
    found = {spec}
    for field in spec.model_fields.values():
        for part in parts_of(field.annotation):
            found |= all_parts(part)
    return found


def test_setting_paths_cover_every_field_of_every_part():
    for operation in OPERATIONS.values():
        counted = [path for path, _ in setting_paths(operation.spec)]
        names = {path.rpartition(".")[2] for path in counted}
        parts = all_parts(operation.spec)
        assert names == {name for part in parts for name in part.model_fields}
        assert len(counted) == sum(len(part.model_fields) for part in parts)


def test_every_field_is_described_in_one_sentence():
    settings = all_settings()
    assert len(settings) > 80
    faults = []
    for operation, path, field in settings:
        text = ABBREVIATIONS.sub("", " ".join((field.description or "").split()))
        if not text.endswith(".") or re.search(r"[.!?] [A-Z]", text):
            faults.append(f"{operation}: {path}: {text!r}")
    assert not faults


def test_every_operation_and_part_is_described_in_one_sentence_of_its_own():
    parts = {part for operation in OPERATIONS.values() for part in all_parts(operation.spec)}
    assert len(parts) > 8
    for part in parts:
        assert part.__doc__, part
        assert part.__doc__.strip().splitlines()[0].endswith("."), part
    for operation in OPERATIONS.values():
        assert operation.summary.endswith(".")
        assert ". " not in operation.summary


def test_no_operation_has_two_fields_of_one_path_but_different_meaning():
    """A path names one setting: union members may share it where it is of one type."""
    for operation in OPERATIONS.values():
        types: dict[str, list[Any]] = {}
        for path, field in setting_paths(operation.spec):
            if not path.endswith(".name"):
                types.setdefault(path, []).append(field.annotation)
        shared = {path for path, found in types.items() if len(found) > 1}
        unions = ("method.", "boost.adversarial.", "augmentation.")
        assert all(path.startswith(unions) for path in shared), (operation.name, shared)
        assert all(len(set(types[path])) == 1 for path in shared), (operation.name, shared)


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_every_default_may_be_set_by_its_path(name):
    """What `--print-spec` shows, `--set` accepts."""
    spec = OPERATIONS[name].spec
    required: dict[str, Any] = dict.fromkeys(("data", "bundle", "corpus", "log", "out"), "x")
    required |= {"task": "ner", "action": "list", "bundles": ("x",)}
    base = {key: value for key, value in required.items() if key in spec.model_fields}
    tried = 0
    for path, field in setting_paths(spec):
        default = field.get_default(call_default_factory=True)
        if default is PydanticUndefined or isinstance(default, BaseModel):
            continue
        values = dict(base)
        owner = _member_with(spec, path, default)
        if owner:
            set_path(values, owner[0], owner[1])
        for needed, value in _required_beside(spec, path, owner or ("", "")):
            set_path(values, needed, value)
        set_path(values, path, default)
        build_spec(spec, values)
        tried += 1
    assert tried >= len(spec.model_fields) - 4


def _required_beside(
    spec: type[BaseModel], path: str, owner: tuple[str, str]
) -> list[tuple[str, str]]:
    """Return what must be given in the groups that `path` stands in, with a good value.

    Of a union only what the member needs that has the setting.
    """
    union, member = owner
    return [
        (known, "ner" if known.endswith(".task") else "x")
        for known, field in setting_paths(spec)
        for group, _, last in [known.rpartition(".")]
        if field.is_required() and group and path.startswith(group)
        if group != union or last in _fields_of(spec, union, member)
    ]


def _fields_of(spec: type[BaseModel], union: str, member: str) -> set[str]:
    """Return the settings of one member of a union."""
    parts = [
        part
        for known, field in setting_paths(spec)
        if known == union
        for part in parts_of(field.annotation)
    ]
    return set(next(p for p in parts if p.model_fields["name"].default == member).model_fields)


def _member_with(spec: type[BaseModel], path: str, default: Any) -> tuple[str, str] | None:
    """Return the union's path and the name of the member that has the setting `path`."""
    group, _, last = path.rpartition(".")
    for known, field in setting_paths(spec):
        members = parts_of(field.annotation)
        if known == group and len(members) > 1:
            member = next(part for part in members if last in part.model_fields)
            return group, default if last == "name" else member.model_fields["name"].default
    return None
