"""The settings that several operations share: columns, paths and models."""

from __future__ import annotations

from pathlib import Path

import pytest

from tunesmith.core.data_spec import RowsSpec
from tunesmith.core.errors import SpecError
from tunesmith.core.recipe import ModelRecipe
from tunesmith.core.spec import build_spec

GOOD = {"data": "rows.csv", "task": "ner"}


def columns(value: object) -> dict[str, str]:
    return build_spec(RowsSpec, {**GOOD, "column": value}).column


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("label=category", {"label": "category"}),
        (["text=body", "label=category"], {"text": "body", "label": "category"}),
        ((" text = the body ",), {"text": "the body"}),
        (["text=a=b"], {"text": "a=b"}),
        ({"text": "body"}, {"text": "body"}),
        ([], {}),
        ({}, {}),
    ],
)
def test_columns_are_read_from_role_name_texts_and_mappings(given, wanted):
    assert columns(given) == wanted


@pytest.mark.parametrize(
    "given", ["label", "label=", "=category", ["text=body", "label"], ["label= "], [3], [None]]
)
def test_columns_written_otherwise_are_refused_with_an_example(given):
    with pytest.raises(SpecError, match="ROLE=NAME, such as label=category"):
        columns(given)


def test_columns_role_given_twice_is_refused():
    with pytest.raises(SpecError, match="one column"):
        columns(["label=a", "label=b"])


def test_columns_of_two_specs_are_not_shared():
    assert build_spec(RowsSpec, GOOD).column is not build_spec(RowsSpec, GOOD).column


def test_paths_may_be_given_as_path_and_are_kept_as_text():
    spec = build_spec(
        RowsSpec,
        {
            "data": Path("a/rows.csv"),
            "task": "ner",
            "valid": Path("v.csv"),
            "test": Path("t.csv"),
            "model": Path("models/mine"),
        },
    )
    assert (spec.data, spec.valid, spec.test) == ("a/rows.csv", "v.csv", "t.csv")
    assert spec.model.name == "models/mine"


def test_model_is_read_from_a_name_or_a_mapping_that_may_leave_the_name_out():
    def model(value: object) -> ModelRecipe:
        return build_spec(RowsSpec, {**GOOD, "model": value}).model

    assert model("my/folder") == ModelRecipe(name="my/folder")
    assert model({"max_length": 64}) == ModelRecipe(name="minilm", max_length=64)
    assert model({"name": "x", "max_length": 64}).name == "x"


def test_split_shares_that_leave_no_rows_are_refused():
    with pytest.raises(SpecError, match="must leave rows to train on"):
        build_spec(RowsSpec, {**GOOD, "split": {"valid": 0.5, "test": 0.5}})
