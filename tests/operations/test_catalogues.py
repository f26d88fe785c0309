"""Recommendation through the one path: what is refused, and what the bundle answers."""

from __future__ import annotations

import json

import pytest

import tunesmith
from tunesmith.core.errors import DataError, NotFoundError, SpecError

TEXTS = ("a good card", "a bad card", "a lost order", "a late refund", "the broken card")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Return the events of twelve users, who go round five items, and the item file."""
    folder = tmp_path_factory.mktemp("films")
    events = [
        {"user": f"u{user}", "item": f"i{(user + step) % 5}", "time": f"2024-05-0{step + 1}"}
        for user in range(12)
        for step in range(4)
    ]
    items = [{"item": f"i{number}", "text": text} for number, text in enumerate(TEXTS)]
    for name, rows in (("events", events), ("items", items)):
        content = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(content, "utf-8")
    return folder


@pytest.fixture(scope="module")
def fitted(files, tiny_model):
    return tunesmith.fit(
        str(files / "events.jsonl"),
        task="recommendation",
        items=str(files / "items.jsonl"),
        model=str(tiny_model),
        split={"test": 0.1},
        training={"epochs": 2},
        recommend={"loss": "bpr", "item_ids": False},
        out=str(files / "run"),
    )


def test_item_file_is_asked_for_and_refused_where_nobody_reads_it(files, tiny_rows):
    with pytest.raises(SpecError, match="needs `items`") as caught:
        tunesmith.check(str(files / "events.jsonl"), task="recommendation")
    assert "--items FILE" in caught.value.hint
    with pytest.raises(SpecError, match="left out for classification"):
        tunesmith.check(str(tiny_rows), task="classification", items=str(files / "items.jsonl"))
    with pytest.raises(NotFoundError):
        tunesmith.check(str(files / "events.jsonl"), task="recommendation", items="nowhere.csv")


def test_every_bad_event_is_named(files, tmp_path):
    path = tmp_path / "events.csv"
    path.write_text("user,item,value,time\nu,i1,good,1\nu,i2,3,soon\n,i3,3,1\n", "utf-8")
    with pytest.raises(DataError) as caught:
        tunesmith.check(str(path), task="recommendation", items=str(files / "items.jsonl"))
    lines = [str(problem) for problem in caught.value.problems]
    assert len(lines) == 3
    assert all(f"events.csv:{number}" in line for number, line in enumerate(lines, start=2))


def test_last_event_is_test_and_the_one_before_it_valid(fitted):
    assert fitted.report["data"]["rows"] == 12
    assert fitted.report["data"]["train_rows"] == 24
    assert fitted.measures["ndcg_at_10"].count == 12
    assert "popularity_ndcg_at_10" in fitted.measures
    assert fitted.report["task"]["labels"] == []


def test_known_users_histories_and_strangers_are_answered(fitted):
    rows = [{"user": "u0"}, {"history": ["i3"]}, {"user": "nobody"}, {"history": ["i9"]}]
    texts = [json.dumps(row) for row in rows]
    known, given, stranger, odd = tunesmith.predict(str(fitted.bundle), texts=texts).predictions
    assert (known["items"], known["basis"]) == (["i4"], "history")  # he had the other four
    assert known["texts"] == ["the broken card"]
    assert set(given["items"]) == {"i0", "i1", "i2", "i4"}
    assert (stranger["basis"], len(stranger["items"])) == ("popular", 5)
    assert (odd["basis"], odd["unknown"]) == ("popular", ["i9"])


def test_events_the_bundle_knows_are_no_test(fitted, files, tmp_path):
    with pytest.raises(DataError, match="does not know yet"):
        tunesmith.evaluate(str(fitted.bundle), str(files / "events.jsonl"))
    path = tmp_path / "new.jsonl"
    path.write_text('{"user": "u0", "item": "i4", "time": 2000000000}\n', "utf-8")
    found = tunesmith.evaluate(str(fitted.bundle), str(path))
    assert found.measures["recall_at_1"].value == 1.0


def test_report_shows_rankings_in_words(fitted):
    page = (fitted.bundle / "report.html").read_text("utf-8")
    assert "Recommendation" in page
    manifest = json.loads((fitted.bundle / "bundle.json").read_text("utf-8"))
    assert "task/catalogue.json" in manifest["files"]


def test_probe_has_nothing_to_fit(files, tiny_model, tmp_path):
    with pytest.raises(SpecError, match="the method `probe` has nothing to change there"):
        tunesmith.fit(
            str(files / "events.jsonl"),
            task="recommendation",
            method="probe",
            items=str(files / "items.jsonl"),
            model=str(tiny_model),
            out=str(tmp_path / "run"),
        )


def test_rows_of_the_example_have_no_fault(repository, tiny_model):
    folder = repository / "examples" / "library"
    found = tunesmith.check(
        str(folder / "loans.jsonl"),
        task="recommendation",
        items=str(folder / "books.jsonl"),
        model=str(tiny_model),
    )
    assert found.is_usable
    assert {finding["name"] for finding in found.findings} >= {"size", "cold_items"}
