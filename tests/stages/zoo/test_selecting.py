from __future__ import annotations

import pytest

from tunesmith.core.errors import NotFoundError
from tunesmith.model.known.catalogue import packaged_entries
from tunesmith.stages.zoo import Wanted, select_entries

ENTRIES = packaged_entries()


def ids(**wanted) -> list[str]:
    return [entry.id for entry in select_entries(ENTRIES, Wanted(**wanted))]


def test_nothing_wanted_gives_all_the_smallest_first():
    found = select_entries(ENTRIES, Wanted())
    assert len(found) == len(ENTRIES)
    sizes = [entry.parameters for entry in found]
    assert sizes == sorted(sizes)


def test_every_wish_must_be_met():
    found = select_entries(
        ENTRIES,
        Wanted(task="ner", language="zh", max_parameters=120_000_000, licence="commercial"),
    )
    assert "google-bert/bert-base-chinese" in [entry.id for entry in found]
    for entry in found:
        assert "ner" in entry.tasks
        assert "zh" in entry.languages
        assert entry.parameters <= 120_000_000
        assert entry.commercial in ("allowed", "conditional")
    assert "nghuyong/ernie-3.0-base-zh" not in [entry.id for entry in found]


def test_language_of_a_region_is_its_language():
    assert ids(language="zh-CN") == ids(language="zh")


def test_licence_may_be_named_and_family_in_any_case():
    assert set(ids(licence="cc-by-4.0")) == {
        "Helsinki-NLP/opus-mt-zh-en",
        "Helsinki-NLP/opus-mt-en-de",
    }
    assert "microsoft/resnet-50" in ids(family="resnet")


def test_largest_size_is_included():
    assert "sentence-transformers/all-MiniLM-L6-v2" in ids(max_parameters=22_713_216)
    assert "sentence-transformers/all-MiniLM-L6-v2" not in ids(max_parameters=22_713_215)


def test_wishes_that_nothing_meets_say_what_each_leaves():
    with pytest.raises(NotFoundError, match=r"none; \d+ with task ner, 3 with family ResNet"):
        ids(task="ner", family="ResNet")
