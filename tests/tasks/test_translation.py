"""Translation: rows with one or several references, their marks, and columns taken for others."""

from __future__ import annotations

import json

import pytest
import sacrebleu

from tunesmith.core.answers import TextAnswer
from tunesmith.core.errors import SpecError
from tunesmith.core.examples import Place
from tunesmith.tasks.translation import Translation

PLACE = Place("rows.jsonl", 1)
PAIRS = [
    ("The train to the coast leaves at noon.", "Der Zug an die Küste fährt um zwölf."),
    ("The baker opens the shop at six.", "Der Bäcker öffnet um sechs den Laden."),
    ("We carried the box to the garden.", "Wir trugen die Kiste in den Garten."),
    ("The cat sleeps on the roof.", "Die Katze schläft auf dem Dach."),
]


def examples(pairs):
    rows = ({"source": source, "target": target} for source, target in pairs)
    found = [Translation().read(row, place=Place("rows.jsonl", at)) for at, row in enumerate(rows)]
    assert not any(problems for _, problems in found)
    return [example for example, _ in found]


@pytest.mark.parametrize(
    ("target", "gold"),
    [
        ("ein Satz", ("ein Satz",)),
        (["ein Satz", "ein Text"], ("ein Satz", "ein Text")),
        (json.dumps(["ein Satz", "ein Text"]), ("ein Satz", "ein Text")),
        ('["kein JSON', ('["kein JSON',)),
        (["ein Satz"], ("ein Satz",)),
    ],
)
def test_target_is_one_reference_or_several(target, gold):
    example, problems = Translation().read({"source": "a", "target": target}, place=PLACE)
    assert not problems
    assert example.gold == gold


@pytest.mark.parametrize("fields", [{}, {"target": None}, {"target": ""}])
def test_row_without_a_target_has_no_gold(fields):
    example, problems = Translation().read({"source": "a", **fields}, place=PLACE)
    assert not problems
    assert example.gold is None


@pytest.mark.parametrize("target", ["  ", [], ["ein Satz", ""], {"de": "ein Satz"}])
def test_target_without_a_text_is_a_problem_of_its_row(target):
    example, (problem,) = Translation().read({"source": "a", "target": target}, place=PLACE)
    assert example is None
    assert "column `target` must hold" in problem.must
    assert "rows.jsonl" in str(problem)


def test_marks_are_those_of_sacrebleu_with_its_signatures():
    own = examples([*PAIRS, ("A dog.", ["Ein Hund.", "Hund."])])
    texts = ["Der Zug fährt um zwölf.", PAIRS[1][1], "Wir trugen es.", "Die Katze ist da.", "Hund."]
    marks = Translation().mark(own, [TextAnswer(text) for text in texts])
    streams = [[example.gold[0] for example in own], [None, None, None, None, "Hund."]]
    bleu, chrf = sacrebleu.BLEU(references=streams), sacrebleu.CHRF(references=streams)
    for name, metric in (("bleu", bleu), ("chrf", chrf)):
        assert marks.measures[name].value == pytest.approx(metric.corpus_score(texts, None).score)
        assert marks.measures[name].low < marks.measures[name].value < marks.measures[name].high
        assert str(metric.get_signature()) in "".join(marks.notes)
    assert marks.headline == ("bleu", "chrf")


def test_rows_are_shown_by_their_own_chrf_and_none_twice():
    texts = [PAIRS[0][1], "völlig anders", "Wir trugen die Kiste in den Garten!", ""]
    marks = Translation().mark(examples(PAIRS), [TextAnswer(text) for text in texts])
    assert marks.wrong == (3, 1)
    assert marks.right == (0, 2)


def test_swapped_columns_are_noted_where_most_rows_are_swapped():
    task = Translation(columns={"source": "en", "target": "de"}).with_labels_of(examples(PAIRS))
    turned = examples([(target, source) for source, target in PAIRS])
    answers = [TextAnswer(example.gold[0]) for example in turned]
    (note,) = [note for note in task.mark(turned, answers).notes if "swapped" in note]
    assert "4 of 4 rows" in note
    assert "--column source=de --column target=en" in note
    assert not [note for note in task.mark(examples(PAIRS), answers).notes if "swapped" in note]


@pytest.mark.parametrize("method", ["probe", "extractive"])
def test_method_that_writes_nothing_is_refused(method):
    with pytest.raises(SpecError, match="translation") as caught:
        Translation().with_method(method)
    assert caught.value.hint == "--method full"


def test_answer_of_raw_outputs_needs_a_tokenizer():
    with pytest.raises(TypeError, match="decoded"):
        Translation().answer(None, None)
