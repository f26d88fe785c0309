"""SQuAD's JSON is read as it is: one row a question, whatever stands around the articles."""

from __future__ import annotations

import json

import pytest

from tunesmith.core.errors import DataError
from tunesmith.core.examples import QuestionInput, Span
from tunesmith.data.examples import read_examples
from tunesmith.tasks import make_task

CONTEXT = "The oven was sold in May. 退货在十天之内。"
QUESTIONS = [
    {
        "id": "q1",
        "question": "When was it sold?",
        "answers": [{"text": "May", "answer_start": 21}, {"text": "in May", "answer_start": 18}],
    },
    {"id": "q2", "question": "几天之内？", "answers": [{"text": "十天", "answer_start": 29}]},
    {"id": "q3", "question": "Who sold it?", "answers": [], "is_impossible": True},
]


def article(questions=QUESTIONS, **rest):
    return {"title": "Oven", "paragraphs": [{"context": CONTEXT, "qas": questions}], **rest}


def write(path, content, *, indent=None):
    path.write_text(json.dumps(content, ensure_ascii=False, indent=indent), encoding="utf-8")
    return path


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("version", ["before", "after", "none"])
def test_squad_file_of_any_layout_gives_one_row_a_question(tmp_path, indent, version):
    content = {"data": [article()]}
    if version == "before":
        content = {"version": "2.0", **content}
    elif version == "after":
        content = {**content, "version": "2.0"}
    rows = read_examples(write(tmp_path / "x.json", content, indent=indent), make_task("qa"))
    assert [row.id for row in rows] == ["q1", "q2", "q3"]
    assert rows[0].inputs == QuestionInput("When was it sold?", CONTEXT)
    assert rows[0].gold == (Span(21, 24, ""), Span(18, 24, ""))
    assert CONTEXT[rows[1].gold[0].start : rows[1].gold[0].end] == "十天"
    assert rows[2].gold == ()
    assert {row.group for row in rows} == {"Oven"}


def test_squad_answer_that_says_it_stands_nowhere_is_left_out_beside_others(tmp_path):
    answers = [{"text": "in spring", "answer_start": -1}, {"text": "May", "answer_start": 21}]
    question = {"id": "q", "question": "When?", "answers": answers}
    path = write(tmp_path / "x.json", {"data": [article([question])]})
    (row,) = read_examples(path, make_task("qa"))
    assert row.gold == (Span(21, 24, ""),)


def test_squad_answer_at_another_place_is_refused_with_where_it_stands(tmp_path):
    question = {"id": "q", "question": "When?", "answers": [{"text": "May", "answer_start": 3}]}
    path = write(tmp_path / "x.json", {"data": [article([question])]})
    with pytest.raises(DataError, match="it stands at 21"):
        read_examples(path, make_task("qa"))


def test_squad_article_without_paragraphs_is_refused_and_the_others_are_read(tmp_path):
    path = write(tmp_path / "x.json", {"data": [article(), {"title": "no paragraphs"}]})
    with pytest.raises(DataError, match="list of `paragraphs`") as caught:
        read_examples(path, make_task("qa"))
    assert len(caught.value.problems) == 1
