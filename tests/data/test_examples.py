"""Rows to examples: missing columns, missing answers, all problems at once."""

from __future__ import annotations

import io
import json

import pytest

from tunesmith.core.errors import DataError
from tunesmith.core.examples import Place, Span, TextInput
from tunesmith.data.columns import guess_column
from tunesmith.data.examples import read_examples, stream_examples
from tunesmith.tasks import make_task

TASK = make_task("classification")


def caught(path, task=TASK, **options):
    with pytest.raises(DataError) as error:
        read_examples(path, task, **options)
    return error.value


def test_examples_carry_inputs_gold_and_place(write):
    path = write("a.csv", "text,label,id,group\ngood,pos,7,doc\n")
    (example,) = read_examples(path, TASK)
    assert (example.inputs, example.gold) == (TextInput("good"), "pos")
    assert (example.id, example.group) == ("7", "doc")
    assert example.place == Place(str(path), 2)


def test_column_missing_in_every_row_is_reported_once_with_a_typed_guess(write):
    path = write("a.csv", "text,category\n" + "good,pos\n" * 1500)
    error = caught(path)
    assert len(error.problems) == 1
    assert error.problems[0].must == "column `label` must be present"
    assert error.problems[0].found == "columns text, category in all 1,500 rows"
    assert error.problems[0].where == str(path)
    assert error.hint == "--column label=category"


def test_columns_missing_together_share_one_hint(write):
    error = caught(write("a.csv", "Review,Sentiment,id\n" + "good,pos,1\n" * 3))
    assert [problem.must for problem in error.problems] == [
        "column `text` must be present",
        "column `label` must be present",
    ]
    assert error.hint == "--column text=Review --column label=Sentiment"


def test_words_and_tags_under_other_names_are_guessed_as_such(write):
    path = write("a.jsonl", '{"words": ["a"], "ner_tags": ["O"]}\n' * 2)
    assert caught(path, make_task("ner")).hint == "--column tokens=words --column tags=ner_tags"


def test_words_without_tags_ask_for_tags(write):
    path = write("a.jsonl", '{"tokens": ["a"], "ner": ["O"]}\n' * 2)
    error = caught(path, make_task("ner"))
    assert [problem.must for problem in error.problems] == ["column `tags` must be present"]
    assert error.hint == "--column tags=ner"


@pytest.mark.parametrize(
    ("role", "names", "expected"),
    [
        ("label", ["text", "category"], "category"),
        ("label", ["text", "Labels "], "Labels "),
        ("text", ["评论", "label"], "评论"),
        ("label", ["text", "lable"], "lable"),
        ("label", ["text", "anything", "id"], "anything"),
        ("label", ["text", "a", "b"], ""),
        ("label", ["text"], ""),
    ],
)
def test_column_guess_prefers_usual_then_similar_then_the_only_name(role, names, expected):
    assert guess_column(role, names, taken={"text"} if role == "label" else {"label"}) == expected


def test_column_without_a_guess_leaves_the_name_to_the_user(write):
    assert caught(write("a.csv", "text,a,b\nx,y,z\n")).hint == "--column label=NAME"


def test_column_missing_in_some_rows_is_reported_for_each(write):
    path = write("a.jsonl", '{"text": "a", "label": "x"}\n{"text": "b"}\n{"label": "y"}\n')
    error = caught(path)
    assert [problem.where for problem in error.problems] == [f"{path}:2", f"{path}:3"]


def test_problems_of_rows_and_of_the_file_come_in_one_error(write):
    lines = ['{"text": "a", "label": "x"}', '{"text": ["b"], "label": "x"}', "{", '{"text": "c"}']
    path = write("a.jsonl", "\n".join(lines))
    places = {problem.where.split(":")[-1] for problem in caught(path).problems}
    assert places == {"2", "3", "4"}


@pytest.mark.parametrize("row", ['{"text": "a", "label": null}', '{"text": "a", "label": ""}'])
def test_empty_gold_answer_is_refused_only_where_gold_is_required(write, row):
    path = write("a.jsonl", '{"text": "b", "label": "x"}\n' + row)
    error = caught(path)
    assert error.problems[0].must == "column `label` must hold a value"
    assert error.problems[0].where == f"{path}:2"
    examples = read_examples(path, TASK, require_gold=False)
    assert [example.gold for example in examples] == ["x", None]


def test_no_labels_and_no_entities_are_answers(write):
    path = write("a.csv", "text,labels\na,\nb,x|y\n")
    assert [e.gold for e in read_examples(path, make_task("multilabel"))] == [(), ("x", "y")]
    path = write("b.jsonl", '{"text": "a", "entities": []}\n')
    assert read_examples(path, make_task("ner"))[0].gold == ()


def test_empty_text_is_kept_for_the_check_stage(write):
    examples = read_examples(write("a.csv", "text,label\n,x\n"), TASK)
    assert examples[0].inputs == TextInput("")


def test_stream_without_gold_yields_examples_without_it():
    examples = list(stream_examples(io.StringIO("one\ntwo\n"), TASK, require_gold=False))
    assert [(e.inputs.text, e.gold) for e in examples] == [("one", None), ("two", None)]
    assert str(examples[1].place) == "<stream>:2"


def test_stream_stops_at_the_first_bad_row(write):
    path = write("a.jsonl", '{"text": "a"}\n{"text": 1}\n{"text": [2]}\n{"text": "b"}\n[')
    stream = stream_examples(path, TASK, require_gold=False)
    assert [next(stream).inputs.text, next(stream).inputs.text] == ["a", "1"]
    with pytest.raises(DataError) as error:
        next(stream)
    assert [problem.where for problem in error.value.problems] == [f"{path}:3"]


def test_column_mapping_reaches_formats_that_name_no_columns(write):
    mapped = make_task("classification", columns={"text": "review"})
    plain = list(stream_examples(io.StringIO("one\n"), mapped, require_gold=False))
    assert plain[0].inputs.text == "one"
    tagger = make_task("ner", columns={"tokens": "words", "tags": "ner"})
    assert read_examples(write("a.conll", "Rex\tB-PER\n"), tagger)[0].gold == (Span(0, 3, "PER"),)


def test_conll_and_json_of_the_same_words_give_the_same_examples(write):
    rows = {"tokens": ["Rex", "很", "大"], "tags": ["S-PER", "O", "O"]}
    tagger = make_task("ner")
    conll = read_examples(write("a.conll", "Rex S-PER\n很 O\n大 O\n"), tagger)
    lines = read_examples(write("a.jsonl", json.dumps(rows)), tagger)
    assert [(e.id, e.inputs, e.gold) for e in conll] == [(e.id, e.inputs, e.gold) for e in lines]
