"""The whole check: clean rows pass, each injected fault is found, and the result is plain data."""

import json
import os
from pathlib import Path

import pytest

import tunesmith.stages.check
from tunesmith.data.splits import load_splits
from tunesmith.stages.check import Finding, check_splits, has_faults
from tunesmith.stages.check.findings import MAX_PLACES, sort_findings
from tunesmith.tasks import make_task

SUPPORT = Path(__file__).parents[2] / "examples" / "support"
LONG = "the lamp is broken and nobody answers the phone " * 90
CHINESE = "骑手送餐太慢了，味道也很一般，下次不会再点了"

# name of the fault, what is put among the clean rows, and the finding that must name it
INJECTED = {
    "leak": (lambda clean: {"test": clean("test") + clean("train")[:2]}, "leak"),
    "conflict": (
        lambda clean: {"train": clean("train") + [(clean("train")[0][0], "repair")]},
        "conflicts",
    ),
    "conflict across splits": (
        lambda clean: {"test": clean("test") + [(clean("train")[0][0], "repair")]},
        "conflicts_across_splits",
    ),
    "duplicates": (lambda clean: {"train": clean("train") * 2}, "duplicates"),
    "label only in test": (
        lambda clean: {"test": clean("test") + [("Where can I park?", "parking")]},
        "labels_not_in_train",
    ),
    "one class": (
        lambda clean: {
            split: [(text, "delivery") for text, _ in clean(split)]
            for split in ("train", "valid", "test")
        },
        "one_class",
    ),
    "rare class": (
        lambda clean: {"train": clean("train") + [("Where can I park?", "parking")]},
        "rare_labels",
    ),
    "twin labels": (
        lambda clean: {
            "train": [
                (text, "Delivery" if row < 9 else label)
                for row, (text, label) in enumerate(clean("train"))
            ]
        },
        "label_twins",
    ),
    "empty text": (
        lambda clean: {"train": [*clean("train"), (" \u200b ", "refund")]},
        "empty_texts",
    ),
    "mojibake": (
        lambda clean: {"train": [*clean("train"), ("The cafÃ© didnâ€™t open.", "refund")]},
        "misread_encoding",
    ),
    "unknown script": (
        lambda clean: {"train": clean("train") + [(CHINESE, "delivery")] * 6},
        "unknown_characters",
    ),
    "no valid rows": (lambda _: {"valid": []}, "no_valid_rows"),
}


def test_the_face_is_what_it_lists():
    names = ["Finding", "check_recommendation", "check_splits", "has_faults"]
    assert tunesmith.stages.check.__all__ == names


def test_clean_rows_are_only_noted(check):
    found = check()
    assert found.grave() == set()
    assert [finding.name for finding in found.all] == ["size"]


@pytest.mark.parametrize("case", INJECTED)
def test_an_injected_fault_is_found(check, clean, case):
    inject, name = INJECTED[case]
    assert name in check(**inject(clean)).grave()


@pytest.mark.parametrize("case", INJECTED)
def test_findings_of_rows_on_disk_are_those_of_rows_in_memory(check, clean, case):
    inject, name = INJECTED[case]
    found = check(**inject(clean), on_disk=True)
    assert name in found.grave()
    assert found.all == check(**inject(clean)).all


def test_findings_of_entities_on_disk_are_those_of_rows_in_memory(check):
    text = "Anna flew from Berlin to Zürich"
    row = {"text": text, "entities": [{"start": 0, "end": 2, "type": "PER"}]}
    blank = {"text": "", "entities": []}
    pairs = {"train": [row, row, blank], "test": [{**row, "entities": []}]}
    found = check("ner", **pairs, on_disk=True)
    assert {"entity_inside_word", "conflicts_across_splits"} <= found.grave()
    assert found.all == check("ner", **pairs).all


def test_truncation_is_found_only_where_texts_are_cut(check, clean, reading):
    rows = [*clean("train"), (LONG, "repair")]
    assert "truncation" in check(train=rows, reading=reading(long_text="truncate")).grave()
    assert "truncation" not in check(train=rows).grave()


def test_the_packaged_example_passes(backbone, reading):
    if not SUPPORT.is_dir():
        pytest.skip("examples/support is absent")
    task = make_task("classification")
    splits = load_splits(os.fspath(SUPPORT), task)
    findings = check_splits(splits, task.with_labels_of(splits.train), backbone, reading())
    assert [finding.message for finding in findings if finding.severity != "note"] == []


def test_findings_come_faults_first_and_are_plain_json(check, clean):
    rows = clean("train") * 2 + [("Parking?", "parking"), ("", "parking")]
    findings = check(train=rows, test=[("Where?", "place")]).all
    order = [finding.severity for finding in findings]
    assert order == sorted(order, key=["fault", "warning", "note"].index)
    assert {"fault", "warning", "note"} == set(order)
    for finding in findings:
        assert json.loads(json.dumps(finding.to_json()))["message"] == finding.message
        assert len(finding.places) <= MAX_PLACES
        assert not finding.message.endswith(" ")


def test_has_faults_looks_for_faults_alone():
    warning, fault = (Finding(severity, "x", "x") for severity in ("warning", "fault"))
    assert not has_faults([warning])
    assert has_faults([warning, fault])
    assert sort_findings([warning, fault]) == (fault, warning)
