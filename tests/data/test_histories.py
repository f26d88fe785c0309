"""Events in time: which are held out, and that no event is asked about with a later one."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from tunesmith.core.examples import Example, HistoryInput, Place
from tunesmith.data.histories import (
    hold_out_last,
    in_time,
    place_histories,
    read_sequences,
)
from tunesmith.data.splits import load_splits
from tunesmith.tasks.catalogue import Catalogue, make_catalogue
from tunesmith.tasks.recommendation import Recommendation

TASK = Recommendation(liked=3.0)


def event(user: str, item: str, time: float | None, value: float = 5.0) -> Example:
    place = Place("rows.jsonl", 1)
    return Example(f"{user}{item}{time}", HistoryInput(user, None, (), time, value), item, place)


def items_of(examples) -> list[str]:
    return [example.gold for example in examples]


def test_order_is_time_and_then_rows():
    events = [event("u", "c", 2.0), event("u", "a", None), event("u", "b", 2.0)]
    assert items_of(in_time(events)) == ["a", "c", "b"]


def test_last_liked_event_with_a_new_item_is_held_out():
    events = [
        event("u", "b", 3.0),
        event("u", "a", 1.0),
        event("u", "a", 9.0),  # again
        event("u", "c", 8.0, 1.0),  # not liked
    ]
    rest, held = hold_out_last(events, TASK)
    assert items_of(held) == ["b"]
    assert items_of(rest) == ["a", "a", "c"]


def test_held_out_item_is_nowhere_in_the_rest():
    events = [event("u", "b", 0.0), event("u", "a", 0.0), event("u", "a", 1.0)]
    rest, held = hold_out_last(events, TASK)
    assert (items_of(rest), items_of(held)) == (["b"], ["a"])
    assert held[0].inputs.time == 0.0


def test_user_with_one_event_stays_in_the_rest():
    rest, held = hold_out_last([event("u", "a", 1.0), event("v", "b", 1.0)], TASK)
    assert items_of(rest) == ["a", "b"]
    assert not held


def test_histories_hold_what_came_before_alone():
    train = [event("u", "b", 2.0), event("u", "a", 1.0), event("u", "x", 1.5, 1.0)]
    valid = [event("u", "c", 3.0), event("w", "a", 3.0)]
    test = [event("u", "e", 5.0), event("u", "d", 4.0), event("u", "a", 6.0)]
    placed = place_histories(train, [valid, test], TASK)
    assert [example.inputs.items for example in placed[0]] == [("a", "b"), ()]
    assert items_of(placed[1]) == ["d", "e"]  # a was had before
    assert placed[1][1].inputs.items == ("a", "b", "c", "d")
    assert placed[1][1].inputs.passed == ("x",)


def test_event_of_a_file_knows_no_later_event_of_another():
    train = [event("u", "a", 1.0), event("u", "late", 9.0), event("u", "bad", 8.0, 1.0)]
    placed = place_histories(train, [[event("u", "b", 2.0)]], TASK)[0]
    assert (placed[0].inputs.items, placed[0].inputs.passed) == (("a",), ())


def test_catalogue_stands_for_the_events_it_remembers():
    known = make_catalogue([], [event("u", "a", 1.0)], [], is_liked=TASK.is_liked)
    placed = place_histories(known, [[event("u", "a", 2.0), event("u", "b", 3.0)]], TASK)[0]
    assert [(example.gold, example.inputs.items) for example in placed] == [("b", ("a",))]


def test_sequences_stand_user_after_user_without_repeats():
    events = [event("u", "a", 1.0), event("v", "b", 2.0), event("u", "b", 3.0)]
    events += [event("u", "a", 4.0), event("v", "c", 5.0, 1.0)]
    task = TASK.with_catalogue(Catalogue(("a", "b", "c"), ("", "", "")))
    found = read_sequences(events, task)
    assert found.items.tolist() == [0, 1, 1]
    assert found.firsts.tolist() == [0, 0, 2]


@given(
    st.lists(
        st.tuples(st.sampled_from("uvw"), st.sampled_from("abcdef"), st.integers(0, 9)),
        max_size=40,
    )
)
def test_no_event_is_asked_about_with_a_later_one(rows):
    events = [event(user, item, float(time)) for user, item, time in rows]
    train, test = hold_out_last(events, TASK)
    train, valid = hold_out_last(train, TASK)
    placed = place_histories(train, [valid, test], TASK)
    assert [len(part) for part in placed] == [len(valid), len(test)]
    for example in (*placed[0], *placed[1]):
        firsts: dict[str, float] = {}
        for other in in_time(events):
            if other.inputs.user == example.inputs.user:
                firsts.setdefault(other.gold, other.inputs.time)
        had = example.inputs.items
        assert example.gold not in had
        assert all(firsts[item] <= example.inputs.time for item in had)


def test_file_is_split_by_time_and_its_order_changes_nothing(tmp_path):
    rows = [
        {"user": user, "item": item, "time": time}
        for user in "uv"
        for time, item in enumerate("abcd")
    ]
    kept = []
    for name, content in (("one", rows), ("two", rows[::-1])):
        path = tmp_path / f"{name}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in content), "utf-8")
        splits = load_splits(path, Recommendation(), valid_ratio=0.1, test_ratio=0.1)
        assert (len(splits.train), items_of(splits.valid)) == (4, ["c", "c"])
        assert items_of(splits.test) == ["d", "d"]
        kept.append({example.inputs for example in splits.test})
    assert kept[0] == kept[1]
    assert load_splits(path, Recommendation(), test_ratio=0.0).test == ()
