"""Entities to tokens and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.core.examples import Span, WordsInput
from tunesmith.measure.spans import encode_tags
from tunesmith.model.encoding import encode_windows
from tunesmith.model.framing import Reading
from tunesmith.stages.check.round_trip import find_causes
from tunesmith.tasks.ner import spans_of
from tunesmith.tasks.words import join_words

_READING = Reading(max_length=64, stride=8, long_text="windows", case_shape=False)
FILL = [
    {"tokens": ["I", "saw", "Paris", str(row)], "tags": ["O", "O", "B-LOC", "O"]}
    for row in range(200)
]


def marked(text, *borders):
    return (text, [{"start": start, "end": end, "type": "LOC"} for start, end in borders])


def test_whole_words_come_back(check):
    rows = [*FILL, marked("We flew from New York to 北京 today", (13, 21), (25, 27))]
    assert not {name for name in check("ner", train=rows).grave() if name.startswith("entity")}


@pytest.mark.parametrize(
    ("cause", "row"),
    [
        ("entity_inside_word", marked("We saw Londoners", (7, 13))),
        ("entity_outside_words", marked("We saw London now", (7, 14))),
        ("entity_shared_token", marked("the 19th", (4, 6))),
        ("entity_without_token", {"tokens": ["saw", "\u200b"], "tags": ["O", "B-LOC"]}),
    ],
)
def test_a_border_no_token_has_is_told_by_its_cause(check, cause, row):
    found = check("ner", train=[*FILL, row])
    assert {f.name for f in found.all if f.name.startswith("entity")} == {cause}
    finding = found.one(cause)
    assert finding.severity == "warning"
    assert finding.places == ("train.csv:202",)
    assert finding.figures["rows"] == 1


def test_more_than_one_in_a_hundred_is_a_fault(check):
    rows = [marked(f"We saw Londoners {row}", (7, 13)) for row in range(3)]
    assert check("ner", train=FILL + rows).one("entity_inside_word").severity == "fault"
    assert check("ner", train=FILL + rows[:2]).one("entity_inside_word").severity == "warning"


def test_words_beyond_the_cut_are_told_and_windows_keep_them(check, reading):
    text = "We walked on and on. " * 8 + "Then we saw Rome"
    rows = [*FILL, marked(text, (len(text) - 4, len(text)))]
    cut = reading(max_length=32, stride=8, long_text="truncate")
    found = check("ner", train=rows, reading=cut)
    assert found.one("entity_truncated").places == ("train.csv:202",)
    assert "“Rome”" in found.one("entity_truncated").message
    assert not found.named("entity_without_token")
    kept = check("ner", train=rows, reading=reading(max_length=32, stride=8))
    assert not kept.named("entity_truncated")


def test_overlapping_entities_are_told(backbone, reading):
    inputs = WordsInput("New York City", ((0, 3), (4, 8), (9, 13)))
    gold = (Span(0, 8, "LOC"), Span(4, 13, "LOC"))
    windows = list(encode_windows(backbone.tokenizer, [inputs], reading()))
    assert find_causes(inputs, gold, windows, reading()) == {"entity_overlap": gold[1]}


def test_a_vocabulary_that_joins_characters_is_told(check, merging_backbone):
    joined = marked("北京的天气", (0, 1))
    inside = marked("天气好", (0, 2))
    found = check("ner", train=[joined, inside], valid=[inside], model=merging_backbone)
    finding = found.one("entity_shared_token")
    assert finding.figures["rows"] == 1
    assert "“北京”" in finding.message
    assert "--model google-bert/bert-base-chinese" in finding.message


@given(
    st.lists(
        st.tuples(
            st.text(
                st.characters(codec="utf-8", categories=["L", "N", "P"]), min_size=1, max_size=6
            ),
            st.sampled_from(["", "A", "B"]),
        ),
        max_size=12,
    )
)
def test_tags_on_words_have_borders_of_words(backbone, words):
    inputs = WordsInput(*join_words([word for word, _ in words]))
    chunks = [(at, at + 1, kind) for at, (_, kind) in enumerate(words) if kind]
    gold = spans_of(encode_tags(chunks, len(words)), inputs)
    for causes in (find_causes(inputs, gold, [], _READING), _followed(backbone, inputs, gold)):
        assert not causes.keys() & {"entity_overlap", "entity_inside_word", "entity_outside_words"}


def _followed(backbone, inputs, gold):
    return find_causes(
        inputs, gold, encode_windows(backbone.tokenizer, [inputs], _READING), _READING
    )


def test_an_entity_that_covers_a_joined_token_comes_back(check, merging_backbone):
    whole = marked("北京的天气", (0, 2))
    found = check("ner", train=[whole, whole], valid=[whole], model=merging_backbone)
    assert found.named("entity_shared_token") == []
