"""Placeholders: names, numbers, offsets there and back, whole rows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tunesmith.core.examples import Span
from tunesmith.core.masking import PATTERNED
from tunesmith.data.masking import (
    Placeholders,
    find_personal,
    mask_row,
    replace_spans,
    row_texts,
)

TEXT = "Ann: 138 0000 1234 or 13800001234 or ana@example.com, Bo"


def masked(text: str, *, numbered: bool = False):
    return replace_spans(text, find_personal(text), Placeholders(numbered=numbered))


def mask(row, *, columns=None, only=None, names=None, numbered=False):
    texts = row_texts(row, only=only, columns=columns or {})
    return mask_row(
        row, texts, kinds=PATTERNED, names=names or {}, columns=columns or {}, numbered=numbered
    )


def test_placeholders_name_the_kind_and_number_the_value():
    assert masked(TEXT).text == "Ann: [MOBILE] or [MOBILE] or [EMAIL], Bo"
    assert masked(TEXT, numbered=True).text == "Ann: [MOBILE_1] or [MOBILE_1] or [EMAIL_1], Bo"
    assert masked("13800001234, 13900001234", numbered=True).text == "[MOBILE_1], [MOBILE_2]"


def test_masked_text_has_nothing_left_to_mask():
    once = masked(TEXT)
    assert once.counts == {"mobile": 2, "email": 1}
    assert masked(once.text).text == once.text


def test_stretches_move_and_are_found_back():
    done = masked(TEXT)
    for word in ("Ann", "Bo", "or"):
        start = TEXT.index(word)
        place = done.moved(start, start + len(word))
        assert done.text[slice(*place)] == word
        assert done.original(*place) == (start, start + len(word))


def test_stretch_within_what_is_masked_is_none_and_one_around_it_moves():
    done = masked(TEXT)
    start = TEXT.index("138")
    assert done.moved(start, start + 13) == (5, 13)
    assert done.moved(start, start + 3) is None
    assert done.moved(start - 5, start + 3) is None
    assert done.moved(0, start + 13) == (0, 13)
    assert done.original(6, 9) == (start, start + 13)


@given(st.lists(st.sampled_from(["ab ", "13800001234 ", "a@example.com ", "，"]), max_size=8))
def test_every_place_between_placeholders_comes_back(parts):
    text = "".join(parts)
    done = masked(text)
    inside = {offset for span in done.spans for offset in range(span.start + 1, span.end)}
    for start in range(len(text)):
        if start not in inside and start + 1 not in inside:
            place = done.moved(start, start + 1)
            assert done.original(*place) == (start, start + 1)


def test_row_is_masked_in_every_text_and_keeps_its_offsets():
    row = {
        "text": "Mail ana@example.com to Bo",
        "entities": [{"start": 24, "end": 26, "type": "PER", "text": "Bo"}],
        "phone": 13800001234,
        "messages": [{"role": "user", "content": "13800001234"}],
        "label": "x",
        "count": 3,
    }
    done = mask(row)
    assert done.row["text"] == "Mail [EMAIL] to Bo"
    assert done.row["entities"] == [{"start": 16, "end": 18, "type": "PER", "text": "Bo"}]
    assert done.row["phone"] == "[MOBILE]"
    assert done.row["messages"] == [{"role": "user", "content": "[MOBILE]"}]
    assert (done.row["label"], done.row["count"]) == ("x", 3)
    assert done.counts == {"email": 1, "mobile": 2}
    assert row["messages"][0]["content"] == "13800001234"


def test_entity_that_is_masked_whole_takes_the_place_of_its_placeholder():
    row = {"text": "an ana@example.com", "entities": [{"start": 3, "end": 18, "type": "MAIL"}]}
    assert mask(row).row["entities"] == [{"start": 3, "end": 10, "type": "MAIL"}]


def test_stretch_that_is_cut_through_is_a_problem():
    row = {
        "text": "an ana@example.com",
        "head": {"start": 3, "end": 6},
        "tail": '{"start":0,"end":2}',
    }
    done = mask(row)
    (problem,) = done.problems
    assert "`head` must lie beside what is masked" in problem.must
    assert "3–6, cut through by `email` 3–18" in problem.found
    assert done.row["tail"] == {"start": 0, "end": 2}


def test_answers_move_in_their_context_and_have_its_words():
    row = {
        "body": "13800001234 is Ann's, call her",
        "question": "whose",
        "answers": [{"text": "Ann", "start": 15}, {"text": "13800001234", "answer_start": 0}],
    }
    done = mask(row, columns={"context": "body"})
    assert done.row["answers"] == [
        {"text": "Ann", "start": 12},
        {"text": "[MOBILE]", "answer_start": 0},
    ]


def test_words_of_tokens_are_masked_one_for_one():
    row = {"tokens": ["Call", "138", "0000", "1234", "now"], "tags": ["O"] * 5}
    done = mask(row, numbered=True)
    assert done.row["tokens"] == ["Call", "[MOBILE_1]", "[MOBILE_1]", "[MOBILE_1]", "now"]
    assert done.counts == {"mobile": 1}
    start = len("Call [MOBILE_1] [MOBILE_1] [MOBILE_1] ")
    assert done.original("text", start, start + 3) == (19, 22)


def test_names_of_a_model_are_masked_beside_the_forms():
    done = mask({"text": "Ann, a@example.com"}, names={("text",): [Span(0, 3, "name")]})
    assert done.row["text"] == "[NAME], [EMAIL]"


def test_only_named_columns_are_masked():
    row = {"text": "a@example.com", "id": "b@example.com"}
    assert mask(row, only=["text"]).row == {"text": "[EMAIL]", "id": "b@example.com"}
