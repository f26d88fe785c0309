"""The catalogue: who had what, what counts once, and the way through its file."""

from __future__ import annotations

from tunesmith.core.examples import Example, HistoryInput, Place, TextInput
from tunesmith.tasks.catalogue import Catalogue, ItemRows, make_catalogue

PLACE = Place("rows.jsonl", 1)


def event(user: str, item: str, value: float = 5.0) -> Example:
    return Example("id", HistoryInput(user, value=value), item, PLACE)


def made() -> Catalogue:
    items = [Example(name, TextInput(text), None, PLACE) for name, text in ("aA", "bB", "aX")]
    learned = [event("u", "a"), event("u", "a"), event("v", "a"), event("v", "b", 1.0)]
    later = [event("u", "z"), event("v", "b")]
    return make_catalogue(items, learned, later, is_liked=lambda inputs: inputs.value > 3)


def test_first_row_of_an_item_counts_and_events_bring_items_without_text():
    catalogue = made()
    assert catalogue.items == ("a", "b", "z")
    assert catalogue.texts == ("A", "B", "")


def test_counts_are_liked_training_events_once_a_user():
    assert made().counts.tolist() == [2, 0, 0]


def test_histories_keep_what_was_liked_apart():
    catalogue = made()
    assert catalogue.history_of(HistoryInput("u")).tolist() == [0, 2]
    assert catalogue.history_of(HistoryInput("v")).tolist() == [0, 1]
    assert catalogue.had_by(HistoryInput("v")).tolist() == [0, 1, 1]
    assert catalogue.history_of(HistoryInput("nobody")).tolist() == []


def test_given_history_takes_the_place_of_the_known_one():
    inputs = HistoryInput("u", ("b", "unheard"), passed=("z",))
    catalogue = made()
    assert catalogue.history_of(inputs).tolist() == [1]
    assert catalogue.had_by(inputs).tolist() == [1, 2]
    assert catalogue.unknown_of(inputs) == ("unheard",)
    assert catalogue.history_of(HistoryInput("u", ())).tolist() == []


def test_catalogue_through_its_file_is_the_same():
    back = Catalogue.from_json(made().to_json())
    assert back.to_json() == made().to_json()
    assert back.history_of(HistoryInput("u")).tolist() == [0, 2]


def test_item_without_text_is_read_and_one_without_id_is_not():
    task = ItemRows(columns={"text": "title"})
    example, problems = task.read({"item": 3, "title": None}, place=PLACE)
    assert (example.id, example.inputs.text, problems) == ("3", "", [])
    example, problems = task.read({"title": "x"}, place=PLACE)
    assert example is None
    assert "`item` must be present" in problems[0].must
