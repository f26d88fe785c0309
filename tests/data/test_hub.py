"""Data sets of the hub, through a stand-in for `datasets`: no network."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import pytest

from tunesmith.core.errors import ForeignError, MissingExtraError, NotFoundError, SpecError
from tunesmith.data.splits import load_splits
from tunesmith.tasks import make_task

TASK = make_task("classification")


class Rows(list):
    """Rows with the features `datasets` gives them."""

    features = {
        "text": SimpleNamespace(dtype="string"),
        "label": SimpleNamespace(names=["no", "yes"]),
    }


@pytest.fixture
def hub(monkeypatch):
    """Stand in for `datasets`, answering with what the test puts into `sets`."""
    module = ModuleType("datasets")
    module.sets = {}

    def load_dataset(name, config):
        answer = module.sets[name, config]
        if isinstance(answer, Exception):
            raise answer
        return answer

    module.load_dataset = load_dataset
    monkeypatch.setitem(sys.modules, "datasets", module)
    return module.sets


def test_hub_splits_are_read_with_class_names_for_numbers(hub):
    rows = Rows({"text": f"row {n}", "label": n % 2} for n in range(40))
    hub["owner/name", "en"] = {"train": rows, "validation": Rows(rows[:3]), "extra": Rows()}
    splits = load_splits("hub:owner/name:en", TASK, test_ratio=0.1)
    assert [len(s) for s in (splits.train, splits.valid, splits.test)] == [36, 3, 4]
    assert [e.gold for e in splits.valid] == ["no", "yes", "no"]
    assert str(splits.valid[1].place) == "hub:owner/name:en/validation:2"


def test_hub_tag_numbers_in_lists_are_named(hub):
    feature = SimpleNamespace(feature=SimpleNamespace(names=["O", "B-PER"]))
    rows = Rows([{"tokens": ["Rex", "ran"], "ner_tags": [1, 0]}] * 3)
    rows.features = {"ner_tags": feature}
    hub["name", None] = {"train": rows}
    task = make_task("ner", columns={"tags": "ner_tags"})
    splits = load_splits("hub:name", task, valid_ratio=0)
    assert splits.train[0].gold[0].type == "PER"


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (FileNotFoundError("no such data set"), NotFoundError),
        (ValueError("Config name is missing"), SpecError),
        (ConnectionError("offline"), ForeignError),
        ({"test": Rows()}, NotFoundError),
    ],
)
def test_hub_failures_are_translated(hub, failure, expected):
    hub["name", None] = failure
    with pytest.raises(expected) as error:
        load_splits("hub:name", TASK)
    assert error.value.hint


def test_hub_without_datasets_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError) as error:
        load_splits("hub:name", TASK)
    assert error.value.hint == "pip install 'tunesmith[hub]'"
