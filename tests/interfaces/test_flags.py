"""From a spec to flags and back: what is reached how, in which words, with which default."""

from __future__ import annotations

import inspect
from typing import Annotated, Literal

import pytest
from pydantic import BeforeValidator, Field

from tunesmith.core.data_spec import Columns
from tunesmith.core.errors import NotFoundError, SpecError
from tunesmith.core.methods import named
from tunesmith.core.spec import Part, Spec
from tunesmith.interfaces.flags import flags_of, settings_argument, settings_from


class Tool(Part):
    """A group that has a name."""

    name: str = "hammer"
    """Which."""

    weight: int = 1
    """How heavy."""


class Room(Part):
    """A group without a name."""

    size: int = 3
    """How large."""


class WorkSpec(Spec):
    """Work."""

    wood: str = Field(json_schema_extra={"positional": True})
    """What to
    work on."""

    nails: tuple[str, ...] = Field((), json_schema_extra={"positional": True})
    """Which nails."""

    kind: Literal["table", "chair"]
    """What to make."""

    tool: Annotated[Tool, BeforeValidator(lambda value: named(value, default="hammer"))] = Tool()
    """With what."""

    room: Room = Room()
    """Where."""

    column: Columns
    """Names."""

    seed: int = 7
    """Seed."""

    most: float | None = None
    """Most."""

    loud: bool = False
    """Whether loud."""


def option(name: str):
    (flag,) = (flag for flag in flags_of(WorkSpec) if flag.name == name)
    return flag.parameter.annotation.__metadata__[0]


def test_flags_are_the_arguments_first_and_groups_without_a_name_have_none():
    flags = flags_of(WorkSpec)
    assert [flag.name for flag in flags] == [
        "wood",
        "nails",
        "kind",
        "tool",
        "column",
        "seed",
        "most",
        "loud",
    ]
    kinds = [flag.parameter.kind for flag in flags]
    assert kinds == sorted(kinds)
    assert kinds.count(inspect.Parameter.POSITIONAL_OR_KEYWORD) == 2
    assert all(flag.parameter.default is None for flag in flags)


@pytest.mark.parametrize(
    ("name", "metavar", "help_text"),
    [
        ("wood", "WOOD", "What to work on. [required]"),
        ("nails", "NAILS", "Which nails."),
        ("kind", "table|chair", "What to make. [required]"),
        ("tool", "NAME", "With what. [default: hammer]"),
        ("column", "ROLE=NAME", "Names."),
        ("seed", "N", "Seed. [default: 7]"),
        ("most", "X", "Most."),
        ("loud", "TEXT", "Whether loud."),
    ],
)
def test_flag_shows_what_to_type_and_its_sentence(name, metavar, help_text):
    assert option(name).metavar == metavar or name == "loud"
    assert option(name).help == help_text


def test_settings_not_typed_are_left_to_the_spec():
    given = dict.fromkeys(WorkSpec.model_fields)
    assert settings_from(WorkSpec, {**given, "wood": "oak", "nails": []}, []) == {"wood": "oak"}


def test_settings_file_gives_what_is_not_typed(tmp_path):
    path = tmp_path / "work.yml"
    path.write_text("wood: oak\nloud: true\ntool: {weight: 4}\nlock: {packages: {}}\n")
    given = {"wood": str(path), "tool": "saw", "loud": None}
    assert settings_argument(WorkSpec, given) == "wood"
    assert settings_from(WorkSpec, given, ["room.size=9"]) == {
        "wood": "oak",
        "loud": True,
        "tool": {"weight": 4, "name": "saw"},
        "room": {"size": 9},
    }


def test_settings_file_stands_only_in_the_first_place(tmp_path):
    assert settings_argument(WorkSpec, {"wood": "oak", "nails": ["x.yaml"]}) is None
    with pytest.raises(NotFoundError):
        settings_from(WorkSpec, {"wood": str(tmp_path / "none.yaml")}, [])


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ("3", 3),
        ("0.5", 0.5),
        ("true", True),
        ("null", None),
        ("[1, 2]", [1, 2]),
        ("{a: 1}", {"a": 1}),
        ("words here", "words here"),
        ("'3'", "3"),
        ("", None),
        ("[1, ", "[1, "),
        ("a=b", "a=b"),
        ("@x", "@x"),
    ],
)
def test_set_value_is_read_as_yaml_and_else_is_text(typed, value):
    assert settings_from(WorkSpec, {}, [f"most={typed}"]) == {"most": value}


def test_set_without_a_path_or_a_value_is_refused():
    for typed in ("most", "=3", ""):
        with pytest.raises(SpecError, match="PATH=VALUE"):
            settings_from(WorkSpec, {}, [typed])
