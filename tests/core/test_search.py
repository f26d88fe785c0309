"""How ranges are written, and how a search is asked for by a number."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from tunesmith.core.deltas import DeltaMethod
from tunesmith.core.errors import SpecError
from tunesmith.core.methods import METHODS
from tunesmith.core.search import Between, OneOf, SearchRecipe, read_range
from tunesmith.core.spec import build_spec, set_path, setting_paths
from tunesmith.interfaces.cli import app
from tunesmith.operations.fit import FitSpec

ROWS = {"data": "rows.csv", "task": "classification"}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("1e-5..1e-3", Between(1e-5, 1e-3, False)),
        ("2..8", Between(2, 8, True)),
        (" 0 .. 0.3 ", Between(0.0, 0.3, False)),
        ("-1..1.0", Between(-1.0, 1.0, False)),
        ([4, 8, 16], OneOf((4, 8, 16))),
        (["1e-5", "3e-5"], OneOf((1e-5, 3e-5))),
        (("linear", "cosine"), OneOf(("linear", "cosine"))),
        ([True, 1, None], OneOf((True, 1, None))),
        ([2, 2.0, 3], OneOf((2, 3))),
    ],
)
def test_range_is_read_as_it_is_written(written, meant):
    assert read_range(written) == meant
    assert read_range(str(meant) if isinstance(meant, Between) else list(meant.choices)) == meant


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("8..2", "LOW must be below HIGH"),
        ("3..3", "LOW must be below HIGH"),
        ("low..high", "must be numbers"),
        ("0..inf", "must be numbers"),
        ("1..2..3", "must be numbers"),
        (5, "LOW..HIGH, or as a list"),
        (None, "LOW..HIGH, or as a list"),
        ([1], "two choices or more"),
        ([1, 1.0], "two choices or more"),
        ([[1, 2], [3]], "a number, a text, true, false or null"),
    ],
)
def test_what_is_no_range_is_refused(written, says):
    with pytest.raises(ValueError, match=says):
        read_range(written)


@pytest.mark.parametrize(
    ("written", "is_log"),
    [("1e-5..1e-4", True), ("1..10", True), ("2..8", False), ("0..100", False), ("-1..5", False)],
)
def test_range_over_a_factor_of_ten_is_searched_by_its_logarithm(written, is_log):
    assert read_range(written).is_log is is_log


def test_range_holds_its_ends_and_nothing_of_another_kind():
    whole, real = read_range("2..8"), read_range("2.0..8.0")
    assert [value for value in (1, 2, 2.5, 5.0, 8, 9, None, True, "3") if whole.holds(value)] == [
        *(2, 5.0, 8)
    ]
    assert real.holds(2.5)
    assert not read_range([1, 2]).holds(True)


@pytest.mark.parametrize("given", [7, "7", {"trials": 7}, {"name": "7", "trials": 3}])
def test_search_is_asked_for_by_a_number(given):
    assert build_spec(FitSpec, {**ROWS, "search": given}).search == SearchRecipe(trials=7)


def test_search_is_off_by_default_and_by_false():
    assert build_spec(FitSpec, ROWS).search is None
    assert build_spec(FitSpec, {**ROWS, "search": False}).search is None
    assert build_spec(FitSpec, {**ROWS, "search": True}).search == SearchRecipe()


@pytest.mark.parametrize(("given", "setting"), [(0, "search.trials"), ("many", "search.trials")])
def test_number_of_trials_that_is_none_is_refused(given, setting):
    with pytest.raises(SpecError, match=setting):
        build_spec(FitSpec, {**ROWS, "search": given})


def test_space_is_nested_or_flat_and_the_later_range_of_a_setting_holds():
    nested = {"training": {"epochs": "2..4", "learning_rate": "1e-5..1e-3"}}
    flat = {"training.epochs": "1..9", **nested, "method.rank": (4, 8)}
    space = build_spec(FitSpec, {**ROWS, "search": {"space": flat}}).search.space
    assert space == {
        "training.epochs": "2..4",
        "training.learning_rate": "1e-5..1e-3",
        "method.rank": [4, 8],
    }


def test_every_range_that_cannot_be_read_is_told():
    space = {"training": {"epochs": 5, "learning_rate": "1..x"}}
    with pytest.raises(SpecError) as refused:
        build_spec(FitSpec, {**ROWS, "search": {"space": space}})
    assert "`training.epochs`: a range must be written" in str(refused.value)
    assert "`training.learning_rate`: the ends" in str(refused.value)


def test_number_in_a_file_keeps_beside_settings_that_are_typed():
    """A recipe says `search: 20`, and a range is added on the command line; or the other way."""
    values = {"search": 20}
    set_path(values, "search.space.training.epochs", "2..4")
    assert build_spec(FitSpec, {**ROWS, **values}).search == SearchRecipe(
        trials=20, space={"training.epochs": "2..4"}
    )
    set_path(values, "search", "30")
    assert build_spec(FitSpec, {**ROWS, **values}).search.trials == 30


def test_command_line_takes_number_and_ranges_together():
    words = ["--search", "9", "--set", "search.space.training.learning_rate=1e-5..1e-3"]
    words += ["--set", "search.space.method.rank=[4, 8]", "--method", "lora"]
    shown = CliRunner().invoke(app, ["fit", "rows.csv", "--task", "ner", *words, "--print-spec"])
    assert shown.exit_code == 0, shown.stderr
    assert "trials: 9" in shown.stdout
    assert "training.learning_rate: 1e-5..1e-3" in shown.stdout
    more = [*words, "--set", "search=12"]
    shown = CliRunner().invoke(app, ["fit", "rows.csv", "--task", "ner", *more, "--print-spec"])
    assert "trials: 12" in shown.stdout
    assert "training.learning_rate: 1e-5..1e-3" in shown.stdout
    helped = CliRunner().invoke(app, ["fit", "--help"])
    assert "--search" in helped.stdout


def test_ranges_that_are_declared_beside_methods_are_of_settings_that_exist():
    known = {path for path, _ in setting_paths(FitSpec)}
    declared = {
        name: method.ranges for name, method in METHODS.items() if hasattr(method, "ranges")
    }
    assert {"full", "contrastive", "lora"} <= set(declared)
    assert {method.model_fields["name"].default for method in DeltaMethod.__args__} <= set(declared)
    for name, ranges in declared.items():
        own = {**getattr(METHODS[name], "training", {})}
        own.setdefault("learning_rate", getattr(METHODS[name], "learning_rate", None))
        for path, written in ranges.items():
            assert path in known, (name, path)
            group, _, setting = path.partition(".")
            default = own.get(setting) if group == "training" else None
            if group == "method":
                default = METHODS[name]().model_dump()[setting]
            assert default is None or read_range(written).holds(default), (name, path)
