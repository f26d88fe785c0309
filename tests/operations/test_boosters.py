"""What a booster cannot go with is refused before a row is read, all of it at once."""

from __future__ import annotations

import pytest

import tunesmith
from tunesmith.core.errors import SpecError

ON = {"adversarial": "fgm", "average": "ema"}


def refused(boost, *, task="classification", **settings):
    """Return what is said of rows that are nowhere: nothing of them is read."""
    with pytest.raises(SpecError) as caught:
        tunesmith.fit("nowhere.jsonl", task=task, boost=boost, out="nowhere", **settings)
    return caught.value


@pytest.mark.parametrize(
    ("boost", "settings", "said"),
    [
        ("r_drop", {"method": "probe"}, "by the task's own loss; `probe` does not"),
        ("average", {"method": "zero-shot"}, "by the task's own loss; `zero-shot` does not"),
        ("average", {"method": "contrastive"}, "by the task's own loss; `contrastive` does not"),
        ("average", {"task": "recommendation"}, "answers with what a user may like"),
        ("mixup", {"task": "qa"}, "qa answers with a stretch of the text"),
        ("mixup", {"task": "choice"}, "choice answers with one of several texts"),
        ("r_drop", {"task": "matching", "model": {"pairs": "apart"}}, "how near two vectors are"),
        ("mixup", {"task": "translation"}, "translation answers with a written text"),
        ("focal", {"task": "generation"}, "generation answers with a written text"),
        ("balanced_sampling", {"task": "multilabel"}, "any number of labels for each text"),
        ("supervised_contrastive", {"task": "ner"}, "ner answers with a tag for each word"),
        ("adversarial", {"method": "freeze"}, "the method `freeze` reads them once"),
        ("adversarial", {"training": {"freeze_layers": 1}}, "`training.freeze_layers` reads them"),
        ("adversarial", {"training": {"packing": True}}, "lets texts share one"),
        ("r_drop", {"model": {"dropout": 0}}, "`model.dropout` is 0"),
        ("focal", {"training": {"label_smoothing": 0.1}}, "0.1 gives every answer a share"),
        ("balanced_sampling", {"training": {"class_weights": "balanced"}}, "a second time"),
        ("average", {"training": {"optimizer": "schedule_free"}}, "does so itself"),
        ("average", {"method": "adalora"}, "ranks that `adalora` has taken away"),
    ],
)  # fmt: skip
def test_booster_that_does_not_suit_is_refused_with_the_reason(boost, settings, said):
    error = refused({boost: ON.get(boost, True)}, **settings)
    assert said in str(error)
    assert error.hint == f"--set boost.{boost}=false"


def test_all_that_does_not_suit_is_named_at_once():
    boost = {"mixup": True, "focal": True, "r_drop": True, "average": "ema"}
    error = refused(boost, task="qa", training={"optimizer": "schedule_free"})
    assert len(error.problems) == 4
    assert error.hint == " ".join(
        f"--set boost.{name}=false" for name in ("r_drop", "mixup", "focal", "average")
    )


def test_scores_are_told_from_labels_once_the_rows_are_read(tiny_model, tmp_path):
    rows = tmp_path / "rows.csv"
    lines = [f"my card {at},a card {at},{at % 5 + 1}.5" for at in range(40)]
    rows.write_text("\n".join(["text_a,text_b,score", *lines]), "utf-8")
    out = tmp_path / "run"
    model = {"name": str(tiny_model), "pairs": "together"}
    boost = {"focal": True}
    with pytest.raises(SpecError, match="matching answers with a score"):
        tunesmith.fit(str(rows), task="matching", model=model, boost=boost, out=str(out))
    assert not out.exists()


def test_model_that_drops_nothing_has_no_two_passes_to_compare(tiny_decoder, tmp_path):
    rows = tmp_path / "rows.csv"
    lines = [f"card {at} is late,it is the late order {at}" for at in range(40)]
    rows.write_text("\n".join(["source,target", *lines]), "utf-8")
    with pytest.raises(SpecError, match="under dropout; this model has none"):
        tunesmith.fit(
            str(rows),
            task="translation",
            model=str(tiny_decoder),
            boost={"r_drop": True},
            out=str(tmp_path / "run"),
        )
