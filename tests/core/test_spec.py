"""Specs: every problem at once, by the name a user would type, with a hint that can be typed."""

from __future__ import annotations

import copy
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BeforeValidator, Field, ValidationError

from tunesmith.core.errors import SpecError
from tunesmith.core.methods import named
from tunesmith.core.spec import Part, Spec, build_spec, is_positional, set_path, setting_paths


class Plain(Part):
    """A member of the union with one setting."""

    name: Literal["plain"] = "plain"
    """Its name."""

    depth: int = Field(2, ge=1, le=9)
    """How deep."""


class Fancy(Part):
    """A member of the union with settings of its own."""

    name: Literal["fancy"] = "fancy"
    """Its name."""

    rank: int | None = Field(None, gt=0)
    """How many."""

    steps: tuple[float, ...] = (1.0, 0.5)
    """Which."""


class Group(Part):
    """A group of settings."""

    speed: float = Field(0.5, gt=0, lt=1)
    """How fast."""

    color: Literal["red", "green"] = "red"
    """Which one."""


Choice = Annotated[
    Plain | Fancy,
    Field(discriminator="name"),
    BeforeValidator(lambda value: named(value, default="plain")),
]


class BakeSpec(Spec):
    """Bake."""

    source: str = Field(json_schema_extra={"positional": True})
    """What to bake."""

    shape: Literal["round", "square"]
    """Its shape."""

    choice: Choice = Plain()
    """How."""

    group: Group = Group()
    """The rest."""

    count: int = Field(0, ge=0)
    """How many."""


GOOD = {"source": "dough", "shape": "round"}


def refusal(values: dict, **more: str) -> SpecError:
    with pytest.raises(SpecError) as caught:
        build_spec(BakeSpec, values, **more)
    return caught.value


def lines(values: dict) -> list[str]:
    return str(refusal(values)).splitlines()


def test_spec_good_values_are_validated_with_defaults():
    spec = build_spec(BakeSpec, GOOD)
    assert spec.choice == Plain(depth=2)
    assert spec.group.speed == 0.5


def test_spec_many_faults_are_all_named_with_their_paths_and_place():
    error = refusal(
        {
            "shape": "oval",
            "choice": {"name": "fancy", "rank": 0},
            "group": {"speed": 2, "colour": "red"},
            "count": "many",
        },
        where="bake.yaml",
    )
    assert {problem.must.split("`")[1] for problem in error.problems} == {
        "source",
        "shape",
        "choice.rank",
        "group.speed",
        "group.colour",
        "count",
    }
    assert {problem.where for problem in error.problems} == {"bake.yaml"}
    assert error.exit_status == 2


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"source": "x"}, "`shape` must be given; got nothing"),
        ({**GOOD, "count": -1}, "`count` must be at least 0; got -1"),
        ({**GOOD, "choice": {"depth": 10}}, "`choice.depth` must be at most 9; got 10"),
        ({**GOOD, "group": {"speed": 0}}, "`group.speed` must be above 0.0; got 0"),
        ({**GOOD, "group": {"speed": 1}}, "`group.speed` must be below 1.0; got 1"),
        ({**GOOD, "group": 3}, "`group` must be a group of settings; got 3"),
        ({**GOOD, "group": None}, "`group` must be a group of settings; got null"),
        ({**GOOD, "choice": "odd"}, "`choice` must be one of 'plain', 'fancy'; got 'odd'"),
        (
            {**GOOD, "choice": {"name": "fancy", "steps": 3}},
            "`choice.steps` must be a list; got 3",
        ),
        ({**GOOD, "shape": "oval"}, "`shape` must be 'round' or 'square'; got 'oval'"),
        (
            {**GOOD, "choice": {"name": "fancy", "steps": [1, "x"]}},
            "`choice.steps.1` must be a valid number, unable to parse string as a number; got 'x'",
        ),
    ],
)
def test_spec_bad_value_says_what_must_hold_and_what_was_found(values, line):
    assert lines(values)[0] == line


@pytest.mark.parametrize(
    ("values", "said", "hint"),
    [
        ({"cuont": 3}, "did you mean `count`?", "--set count=3"),
        ({"speed": 0.2}, "did you mean `group.speed`?", "--set group.speed=0.2"),
        ({"group": {"colr": "green"}}, "did you mean `group.color`?", "--set group.color=green"),
        (
            {"choice": {"name": "fancy", "ranks": 3}},
            "did you mean `choice.rank`?",
            "--set choice.rank=3",
        ),
        ({"choice": {"rank": 3}}, "got a setting of `choice: fancy`", "--choice fancy"),
        ({"zzz": 3}, "got an unknown name", "--print-spec shows every setting"),
        ({"group": {"zzz": 3}}, "got an unknown name", "--print-spec shows every setting"),
        ({"zz.z": 3}, "got an unknown name", "--print-spec shows every setting"),
    ],
)
def test_spec_unknown_name_is_refused_with_the_nearest_and_a_hint(values, said, hint):
    error = refusal({**GOOD, **values})
    assert str(error).splitlines()[0].endswith(said)
    assert error.hint == hint


@pytest.mark.parametrize(
    ("values", "hint"),
    [
        ({"shape": "rond"}, "--shape round"),
        ({"choice": "fency"}, "--choice fancy"),
        ({"group": {"speed": 7}}, "--set group.speed=0.5"),
        ({"choice": {"name": "fancy", "rank": 0}}, "--set choice.rank=null"),
        ({"choice": {"name": "fancy", "steps": 0}}, "--set 'choice.steps=[1.0,0.5]'"),
        ({"count": -1}, "tunesmith bake --help"),
    ],
)
def test_spec_hint_of_a_bad_value_can_be_typed(values, hint):
    assert refusal({**GOOD, **values}).hint == hint


def test_spec_hints_that_set_a_value_make_the_spec_good():
    """What the hint says is read as the command line reads it, and accepted."""
    import shlex

    import yaml

    tried = 0
    for values in (
        {"choice": {"name": "fancy", "rank": 0}},
        {"choice": {"name": "fancy", "steps": 0}},
        {"group": {"speed": 7}},
        {"group": {"color": "blue"}},
    ):
        request = {**GOOD, **copy.deepcopy(values)}
        flag, assignment = shlex.split(refusal(request).hint)
        path, _, text = assignment.partition("=")
        set_path(request, path, yaml.safe_load(text))
        build_spec(BakeSpec, request)
        tried += flag == "--set"
    assert tried == 4


def test_spec_union_member_is_chosen_by_name_or_by_mapping():
    assert build_spec(BakeSpec, {**GOOD, "choice": "fancy"}).choice == Fancy()
    by_mapping = {**GOOD, "choice": {"name": "fancy", "rank": 4}}
    assert build_spec(BakeSpec, by_mapping).choice == Fancy(rank=4)
    without_name = {**GOOD, "choice": {"depth": 4}}
    assert build_spec(BakeSpec, without_name).choice == Plain(depth=4)
    assert build_spec(BakeSpec, {**GOOD, "choice": Fancy(rank=1)}).choice.rank == 1


def test_spec_is_frozen_in_all_its_parts():
    spec = build_spec(BakeSpec, GOOD)
    with pytest.raises(ValidationError):
        spec.count = 3
    with pytest.raises(ValidationError):
        spec.group.speed = 0.1


def test_spec_dumped_as_json_describes_itself_again():
    spec = build_spec(BakeSpec, {**GOOD, "choice": {"name": "fancy", "rank": 4}, "count": 3})
    assert build_spec(BakeSpec, spec.model_dump(mode="json")) == spec


def test_spec_values_given_are_not_changed():
    values = {**GOOD, "choice": {"depth": 3}}
    before = copy.deepcopy(values)
    build_spec(BakeSpec, values)
    assert values == before


def test_spec_keys_that_are_no_text_are_named():
    assert "must be a text; got 1" in lines({**GOOD, 1: "x"})[0]


@pytest.mark.parametrize(
    "values",
    [{"source": "a\0b"}, {"choice": "pl\0ain"}, {"group": {"speed": float("nan")}}],
)
def test_spec_what_no_setting_can_mean_is_refused(values):
    assert refusal({**GOOD, **values}).problems


@pytest.mark.parametrize(
    ("held", "path", "value", "wanted"),
    [
        ({}, "seed", 3, {"seed": 3}),
        ({}, "training.epochs", 3, {"training": {"epochs": 3}}),
        ({"method": "full"}, "method.rank", 8, {"method": {"name": "full", "rank": 8}}),
        ({"method": {"rank": 8}}, "method", "lora", {"method": {"rank": 8, "name": "lora"}}),
        ({"method": {"name": "full"}}, "method.name", "lora", {"method": {"name": "lora"}}),
        ({"a": {"b": 1}}, "a.c", 2, {"a": {"b": 1, "c": 2}}),
        ({"training": None}, "training.epochs", 2, {"training": {"epochs": 2}}),
        ({"a": {"b": {"c": 1}}}, "a.b.d", 2, {"a": {"b": {"c": 1, "d": 2}}}),
        ({"method": {"rank": 8}}, "method", {"name": "full"}, {"method": {"name": "full"}}),
    ],
)
def test_set_path_sets_one_value_and_keeps_its_neighbours(held, path, value, wanted):
    values = copy.deepcopy(held)
    set_path(values, path, value)
    assert values == wanted


def test_set_path_leaves_the_mapping_it_was_given_by_reference_alone():
    shared = {"epochs": 1}
    values = {"training": shared}
    set_path(values, "training.epochs", 2)
    assert shared == {"epochs": 1}


@given(
    st.lists(st.tuples(st.sampled_from(["a", "b.c", "b.d", "e.f.g"]), st.integers()), max_size=8)
)
def test_set_path_last_value_of_each_path_stands(assignments):
    values: dict = {}
    for path, value in assignments:
        set_path(values, path, value)
    for path, value in dict(assignments).items():
        target = values
        for key in path.split("."):
            target = target[key]
        assert target == value


def test_setting_paths_go_into_groups_and_every_union_member():
    assert [path for path, _ in setting_paths(BakeSpec)] == [
        "source",
        "shape",
        "choice",
        "choice.name",
        "choice.depth",
        "choice.name",
        "choice.rank",
        "choice.steps",
        "group",
        "group.speed",
        "group.color",
        "count",
    ]


def test_is_positional_tells_arguments_from_flags():
    fields = BakeSpec.model_fields
    assert [name for name, field in fields.items() if is_positional(field)] == ["source"]
