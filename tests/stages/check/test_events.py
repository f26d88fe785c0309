"""What is found in events and items, one planted fault at a time."""

from __future__ import annotations

from tunesmith.core.examples import Example, HistoryInput, Place, TextInput
from tunesmith.data.histories import hold_out_last, place_histories
from tunesmith.data.splits import Splits
from tunesmith.stages.check.events import EventFacts, check_events
from tunesmith.tasks.catalogue import make_catalogue
from tunesmith.tasks.recommendation import Recommendation

ITEMS = "abcdef"


def event(user, item, time=1.0, line=1):
    return Example("id", HistoryInput(user, time=time), item, Place("rows.csv", line))


def clean():
    return [event(user, item, float(at)) for user in "uvw" for at, item in enumerate("abcd")]


def item(name, text="a film", line=1):
    return Example(name, TextInput(text), None, Place("items.csv", line))


def findings(events, items):
    task = Recommendation()
    train, valid = hold_out_last(events, task)
    splits = Splits(train, *map(tuple, place_histories(train, [valid, []], task)))
    catalogue = make_catalogue(items, train, valid, is_liked=task.is_liked)
    facts = EventFacts(splits, items, items, task.with_catalogue(catalogue))
    return {finding.name: finding for finding in check_events(facts)}


def test_clean_rows_have_their_sizes_alone():
    found = findings(clean(), [item(name) for name in "abcd"])
    assert set(found) == {"size", "cold_items"}  # d is held out of train
    assert found["size"].figures["users"] == 3
    assert found["size"].figures["valid"] == 3


def test_users_with_one_event_are_counted():
    found = findings([*clean(), event("x", "a"), event("y", "b")], [item(i) for i in ITEMS])
    assert found["users_with_one_event"].figures == {"users": 2, "of": 5}
    assert "`x`" in found["users_with_one_event"].message


def test_items_without_row_are_a_warning_and_most_of_them_a_fault():
    few = findings([*clean(), event("u", "z", 0.5, line=9)], [item(name) for name in "abcd"])
    assert few["items_without_row"].severity == "warning"
    assert few["items_without_row"].places == ("rows.csv:9",)
    assert findings(clean(), [item("other")])["items_without_row"].severity == "fault"


def test_repeats_times_and_texts_are_named():
    events = [*clean(), event("u", "a", 9.0, line=8), event("u", "f", None, line=9)]
    items = [*(item(name) for name in ITEMS), item("a", "again"), item("g", " ", line=5)]
    found = findings(events, items)
    assert found["repeated_events"].places == ("rows.csv:8",)
    assert found["events_without_time"].figures["events"] == 1
    assert "`a`" in found["repeated_items"].message
    assert found["items_without_text"].places == ("items.csv:5",)
    assert all(found[name].severity == "warning" for name in ("repeated_items", "repeated_events"))


def test_users_who_never_had_two_items_are_a_fault():
    found = findings([event(user, "a") for user in "uvw"], [item("a")])
    assert found["no_histories"].severity == "fault"
    assert found["no_valid_rows"].severity == "fault"
