"""Entities: both row formats and every tag scheme, marks by hand and against seqeval, replies."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval import metrics
from seqeval.scheme import IOB2

from tunesmith.core.answers import EntitiesAnswer, EntityAnswer
from tunesmith.core.examples import Example, Place, Span, WordsInput
from tunesmith.measure.spans import encode_tags
from tunesmith.tasks.ner import Ner, spans_of, tags_of
from tunesmith.tasks.words import join_words, split_words

PLACE = Place("rows.jsonl", 7)
TASK = Ner(labels=("LOC", "PER"))
WORDS = ["Ann", "Lee", "of", "Rome", "met", "Bo"]
SPANS = (Span(0, 7, "PER"), Span(11, 15, "LOC"), Span(20, 22, "PER"))
SCHEMES = {
    "IOB1": ["I-PER", "I-PER", "O", "I-LOC", "O", "I-PER"],
    "BIO": ["B-PER", "I-PER", "O", "B-LOC", "O", "B-PER"],
    "BIOES": ["B-PER", "E-PER", "O", "S-LOC", "O", "S-PER"],
    "BMES": ["B-PER", "E-PER", "O", "S-LOC", "O", "S-PER"],
    "BILOU": ["B-PER", "L-PER", "O", "U-LOC", "O", "U-PER"],
}


@st.composite
def tagged(draw) -> list[str]:
    """Draw BIO tags of a few words."""
    size = draw(st.integers(0, 8))
    cuts = draw(st.lists(st.integers(0, size), max_size=6).map(sorted))
    pairs = zip(cuts[::2], cuts[1::2], strict=False)
    chunks = [(a, b, draw(st.sampled_from(["LOC", "PER"]))) for a, b in pairs if a < b]
    return encode_tags(chunks, size)


def words_row(tags: Sequence[str]) -> Example:
    inputs = WordsInput(*join_words([f"w{number}" for number in range(len(tags))]))
    return Example("id", inputs, spans_of(tags, inputs), PLACE)


def said(tags: Sequence[str], example: Example, confidence: float = 0.75) -> EntitiesAnswer:
    text = example.inputs.text
    entities = [
        EntityAnswer(s.start, s.end, s.type, text[s.start : s.end], confidence)
        for s in spans_of(tags, example.inputs)
    ]
    return EntitiesAnswer(tuple(entities), tuple(tags))


def marks(gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]], task: Ner = TASK):
    rows = [words_row(tags) for tags in gold]
    return task.mark(rows, [said(tags, row) for tags, row in zip(predicted, rows, strict=True)])


@pytest.mark.parametrize("scheme", SCHEMES)
def test_read_tokens_in_every_tag_scheme_gives_the_same_spans(read, scheme):
    example = read(TASK, {"tokens": WORDS, "tags": SCHEMES[scheme]})
    assert example.inputs.text == "Ann Lee of Rome met Bo"
    assert example.gold == SPANS


def test_read_long_entities_of_bmes_and_bilou(read):
    tokens, wanted = ["a", "b", "c", "d"], (Span(0, 7, "PER"),)
    for inside, last in ("IE", "ME", "IL"):
        tags = ["B-PER", f"{inside}-PER", f"{inside}-PER", f"{last}-PER"]
        assert read(TASK, {"tokens": tokens, "tags": tags}).gold == wanted


def test_read_neighbours_of_one_type_stay_two_entities(read):
    tokens, wanted = ["a", "b"], (Span(0, 1, "PER"), Span(2, 3, "PER"))
    for tags in (["I-PER", "B-PER"], ["B-PER", "B-PER"], ["S-PER", "S-PER"], ["U-PER", "U-PER"]):
        assert read(TASK, {"tokens": tokens, "tags": tags}).gold == wanted


def test_read_text_with_entities_gives_the_spans_in_order(read):
    entities = [{"start": s.start, "end": s.end, "type": s.type} for s in SPANS]
    text = "Ann Lee of Rome met Bo"
    wanted = read(TASK, {"tokens": WORDS, "tags": SCHEMES["BIO"]})
    for given_as in (entities, entities[::-1], json.dumps(entities)):
        example = read(TASK, {"text": text, "entities": given_as})
        assert example.gold == SPANS
        assert example.inputs == wanted.inputs


@pytest.mark.parametrize("key", ["type", "label", "entity_group"])
def test_read_entity_type_under_each_common_name(read, key):
    row = {"text": "Bo", "entities": [{"start": 0, "end": 2, key: "PER", "score": 0.9}]}
    assert read(TASK, row).gold == (Span(0, 2, "PER"),)


@pytest.mark.parametrize(
    ("row", "gold"),
    [
        ({"text": "Bo"}, None),
        ({"text": "Bo", "entities": None}, None),
        ({"text": "Bo", "entities": []}, ()),
        ({"text": "Bo", "entities": ""}, ()),
        ({"tokens": ["Bo"]}, None),
        ({"tokens": ["Bo"], "tags": ["O"]}, ()),
        ({"tokens": [], "tags": []}, ()),
    ],
)
def test_read_rows_with_and_without_an_answer(read, row, gold):
    assert read(TASK, row).gold == gold


def test_read_chinese_text_has_a_word_for_each_character(read):
    row = {"text": "我在北京", "entities": [{"start": 2, "end": 4, "type": "LOC"}]}
    example = read(TASK, row)
    assert len(example.inputs.words) == 4
    assert tags_of(example.gold, example.inputs) == ["O", "O", "B-LOC", "I-LOC"]


def test_read_separated_tokens_and_tags_of_a_csv(read):
    row = {"tokens": "Bo|,|hi", "tags": "B-PER|O|O"}
    assert read(TASK, row).gold == (Span(0, 2, "PER"),)
    assert read(TASK, {"tokens": '["Bo", "|"]', "tags": '["B-PER", "O"]'}).gold


@pytest.mark.parametrize(
    ("row", "line"),
    [
        ({"tokens": ["a", "b"], "tags": ["O"]}, "`tags` must be as many as `tokens` (2); got 1"),
        ({"tokens": ["a"], "tags": ["X-PER"]}, "each tag must be `O` or a prefix"),
        ({"tokens": ["a"], "tags": [3]}, "each tag must be `O` or a prefix"),
        ({"tokens": ["a"], "tags": ["PER"]}, "got `PER`"),
        ({"tokens": ["a", 3], "tags": ["O", "O"]}, "each of `tokens` must be a text"),
        ({"tokens": ["a", ""], "tags": ["O", "O"]}, "each of `tokens` must be a text"),
        ({"tokens": 3, "tags": ["O"]}, "column `tokens` must hold a list; got 3"),
        ({"text": "Bo", "entities": 3}, "column `entities` must hold a list; got 3"),
        ({"text": "Bo", "entities": [3]}, "each entity must have whole numbers"),
        ({"text": "Bo", "entities": [{"start": 0, "end": 2}]}, "and a text `type`"),
        ({"text": "Bo", "entities": [{"start": 0, "end": 3, "type": "P"}]}, "the text (0–2)"),
        ({"text": "Bo", "entities": [{"start": 1, "end": 1, "type": "P"}]}, "got P 1–1"),
        ({"text": "Bo", "entities": [{"start": "0", "end": 2, "type": "P"}]}, "whole numbers"),
        ({"text": "Bo", "entities": [{"start": False, "end": 2, "type": "P"}]}, "whole numbers"),
        ({"texts": "Bo", "entities": []}, "--column text=texts"),
    ],
)
def test_read_bad_row_says_what_must_hold_and_what_was_found(faults, row, line):
    assert line in faults(TASK, row)[0]


def test_read_every_bad_entity_of_a_row_is_named(faults):
    bad = [{"start": 5, "end": 9, "type": "P"}, {"start": 0}, "x"]
    assert len(faults(TASK, {"text": "Bo", "entities": bad})) == 3


def test_read_overlapping_entities_are_refused_with_both(faults):
    entities = [{"start": 0, "end": 4, "type": "A"}, {"start": 3, "end": 6, "type": "B"}]
    assert "A 0–4 and B 3–6" in faults(TASK, {"text": "abcdef", "entities": entities})[0]


def test_labels_of_rows_are_the_types_in_natural_order():
    rows = [words_row(["B-T10", "B-T9"]), words_row(["O"])]
    task = Ner().with_labels_of(rows)
    assert task.labels == ("T9", "T10")
    assert task.outputs() == ("O", "B-T9", "I-T9", "B-T10", "I-T10")


@given(tagged())
def test_target_and_answer_agree(tags):
    example = words_row(tags)
    target = TASK.target(example)
    assert [TASK.outputs()[index] for index in target] == tags
    scores = np.zeros((len(tags), 5))
    scores[np.arange(len(tags)), target] = 6.0
    answer = TASK.answer(scores, example.inputs)
    assert answer.tags == tuple(tags)
    assert {Span(e.start, e.end, e.type) for e in answer.entities} == set(example.gold)
    text = example.inputs.text
    assert all(entity.text == text[entity.start : entity.end] for entity in answer.entities)


def test_answer_confidence_is_the_mean_of_its_words():
    inputs = WordsInput("a b", ((0, 1), (2, 3)))
    scores = np.full((2, 5), -50.0)
    scores[0, 1], scores[0, 0] = np.log(0.8), np.log(0.2)
    scores[1, 2], scores[1, 0] = np.log(0.6), np.log(0.4)
    answer = TASK.answer(scores, inputs)
    assert len(answer.entities) == 1
    assert answer.entities[0].confidence == pytest.approx(0.7)


def test_answer_inside_tag_that_follows_nothing_begins_an_entity_where_that_is_likelier():
    inputs = WordsInput("a b", ((0, 1), (2, 3)))
    scores = np.zeros((2, 5))
    scores[0, 0] = scores[1, 2] = 9.0
    scores[1, 1] = 4.0
    assert [entity.text for entity in TASK.answer(scores, inputs).entities] == ["b"]


def test_answer_to_a_text_without_words_is_empty():
    inputs = TASK.inputs_of("   ")
    assert TASK.answer(np.zeros((0, 5)), inputs) == EntitiesAnswer((), ())


def test_answer_to_json_has_the_tags_only_when_asked():
    row = words_row(["B-PER", "O"])
    answer = said(["B-PER", "O"], row)
    assert list(answer.to_json()) == ["entities"]
    entity = {"start": 0, "end": 2, "type": "PER", "text": "w0", "confidence": 0.75}
    assert answer.to_json(all_scores=True) == {"entities": [entity], "tags": ["B-PER", "O"]}


def test_mark_by_hand():
    """Of 3 entities 1 is found exactly; one has a wrong border, one a wrong type."""
    gold = [["B-PER", "I-PER", "O"], ["B-LOC", "O", "B-PER"]]
    predicted = [["B-PER", "O", "O"], ["B-LOC", "O", "B-LOC"]]
    marked = marks(gold, predicted)
    measured = {name: measure.value for name, measure in marked.measures.items()}
    assert measured["strict_precision"] == pytest.approx(1 / 3)
    assert measured["strict_recall"] == pytest.approx(1 / 3)
    assert measured["strict_f1"] == pytest.approx(1 / 3)
    assert marked.measures["strict_f1"].count == 3
    assert [(score.label, score.support, score.predicted) for score in marked.classes] == [
        ("LOC", 1, 2),
        ("PER", 2, 1),
    ]
    assert marked.confusion_labels == ("LOC", "PER", "O")
    assert marked.confusion.tolist() == [[1, 0, 0], [1, 1, 1], [0, 0, 2]]
    assert marked.wrong == (0, 1)


@settings(max_examples=12)  # each example is 1,000 bootstrap resamples
@given(st.lists(st.tuples(tagged(), st.randoms(use_true_random=False)), min_size=1, max_size=8))
def test_mark_equals_seqeval(rows):
    gold = [tags for tags, _ in rows]
    predicted = []
    for tags, random in rows:
        flipped = [tag if random.random() < 0.7 else "O" for tag in tags]
        predicted.append(encode_tags(_chunks(flipped), len(flipped)))
    measured = {name: measure.value for name, measure in marks(gold, predicted).measures.items()}
    how = {"mode": "strict", "scheme": IOB2, "zero_division": 0}
    if any(tag != "O" for row in gold for tag in row):
        for name, function in (
            ("strict_f1", metrics.f1_score),
            ("strict_precision", metrics.precision_score),
            ("strict_recall", metrics.recall_score),
        ):
            assert measured[name] == pytest.approx(function(gold, predicted, **how))
    examples = [words_row(tags) for tags in gold]
    answers = [said(tags, row) for tags, row in zip(predicted, examples, strict=True)]
    assert TASK.selection_score(examples, answers) == pytest.approx(measured["strict_f1"])


def _chunks(tags: Sequence[str]) -> list[tuple[int, int, str]]:
    inputs = WordsInput("x" * len(tags), tuple((n, n + 1) for n in range(len(tags))))
    return [(span.start, span.end, span.type) for span in spans_of(tags, inputs)]


def test_mark_type_the_model_never_learned_counts_as_missed():
    marked = marks([["B-PER", "B-NEW"]], [["B-PER", "O"]])
    assert [score.label for score in marked.classes] == ["LOC", "PER", "NEW"]
    assert marked.classes[-1].recall == 0.0
    assert marked.measures["strict_recall"].value == pytest.approx(0.5)


@pytest.mark.parametrize("rows", [[], [[]], [["O", "O"]]])
def test_mark_without_entities_gives_zeros(rows):
    marked = marks(rows, rows)
    assert marked.measures["strict_f1"].value == 0.0
    assert marked.measures["strict_f1"].count == 0
    assert marked.wrong == ()


def test_mark_gold_span_within_a_word_can_never_be_right():
    inputs = TASK.inputs_of("Annapolis")
    example = Example("id", inputs, (Span(0, 3, "PER"),), PLACE)
    answer = TASK.answer(np.eye(5)[[3]] * 9, inputs)
    assert TASK.mark([example], [answer]).measures["strict_f1"].value == 0.0


@given(tagged())
def test_tags_of_spans_and_back_is_the_same(tags):
    example = words_row(tags)
    assert tags_of(example.gold, example.inputs) == tags


@given(st.text("ab 我😀", max_size=12), st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12))))
def test_tags_of_any_spans_cover_the_words_they_touch(text, pairs):
    inputs = WordsInput(text, split_words(text))
    spans = [Span(a, b, "T") for a, b in pairs if 0 <= a < b <= len(text)]
    tags = tags_of(spans, inputs)
    touched = [any(s.start < end and start < s.end for s in spans) for start, end in inputs.words]
    assert [tag != "O" for tag in tags] == touched


@settings(max_examples=60)
@given(tagged())
def test_asked_and_answered_with_the_entities_is_heard(tags):
    example = words_row(tags)
    question = TASK.ask(example.inputs)
    assert example.inputs.text in question
    assert "LOC, PER" in question
    text = example.inputs.text
    reply = json.dumps([{"text": text[s.start : s.end], "type": s.type} for s in example.gold])
    heard = TASK.hear(f"Sure:\n{reply}\n", example.inputs)
    assert {Span(e.start, e.end, e.type) for e in heard.entities} == set(example.gold)
    assert list(heard.tags) == tags


def test_hear_repeated_names_are_placed_one_after_the_other():
    inputs = TASK.inputs_of("Bo and Bo")
    item = {"text": "Bo", "type": "PER"}
    heard = TASK.hear(json.dumps([item, item, item]), inputs)
    assert [entity.start for entity in heard.entities] == [0, 7]


@pytest.mark.parametrize("order", [1, -1])
def test_hear_short_name_within_a_long_one_is_placed_elsewhere(order):
    inputs = TASK.inputs_of("New York and York")
    items = [{"text": "New York", "type": "LOC"}, {"text": "York", "type": "LOC"}][::order]
    heard = TASK.hear(json.dumps(items), inputs)
    assert [(e.start, e.text) for e in heard.entities] == [(0, "New York"), (13, "York")]


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "none",
        "[",
        "[" * 100_000,
        "]" + "[",
        "[1, null, {}]",
        '{"text": "Bo"}',
        '[{"text": "Bo", "type": "NEW"}]',
        '[{"text": "Bo", "type": ["PER"]}]',
        '[{"text": "", "type": "PER"}]',
        '[{"text": 3, "type": "PER"}]',
        '[{"text": "Al", "type": "PER"}]',
    ],
)
def test_hear_a_reply_that_cannot_be_used_is_the_empty_answer(reply):
    heard = TASK.hear(reply, TASK.inputs_of("Bo ran"))
    assert heard == EntitiesAnswer((), ("O", "O"))


def test_show_gold_and_answer_with_their_types():
    row = words_row(["B-PER", "I-PER", "O"])
    assert TASK.show_gold(row) == ["w0 w1 (PER)"]
    assert TASK.show_answer(said(["O", "O", "B-LOC"], row)) == ["w2 (LOC)"]
