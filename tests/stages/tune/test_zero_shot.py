"""Zero-shot: names of labels, refined by texts, and not one label of a row."""

from __future__ import annotations

import json

import numpy as np
import pytest

import tunesmith
from tunesmith.core.errors import SpecError
from tunesmith.core.methods import ZeroShot
from tunesmith.runtime.engine import answer
from tunesmith.runtime.loading import load_engine
from tunesmith.stages.tune.zero_shot import name_head

TOPICS = {
    "card_lost": ["i cannot find my bank card", "somebody stole my card", "my card is gone"],
    "weather": ["will it rain tomorrow", "is it sunny outside", "how cold is it today"],
    "playMusic": ["put on a song", "i want to hear some jazz", "start my playlist"],
}


def rows(*, labels=None):
    """Forty-eight short texts on three topics; `labels` renames each label, or mixes them up."""
    made = [
        {"text": f"{lead} {text}", "label": label}
        for lead in ("", "please tell me:", "hello,", "hi there,", "quick question:")
        for label, texts in TOPICS.items()
        for text in texts
    ]
    for number, row in enumerate(made):
        row["label"] = labels(number, row["label"]) if labels else row["label"]
    return made


@pytest.fixture
def fit(tmp_path):
    def run(own, name="run", **method):
        data = tmp_path / f"{name}.jsonl"
        data.write_text("".join(json.dumps(row) + "\n" for row in own), "utf-8")
        return tunesmith.fit(
            str(data),
            task="classification",
            method={"name": "zero-shot", **method},
            out=str(tmp_path / name),
        )

    return run


def test_names_alone_tell_the_topics_apart(fit):
    engine = load_engine(fit(rows()).bundle)
    own = rows()
    inputs = [engine.task.inputs_of(row["text"]) for row in own]
    hits = [
        reply.label == row["label"] for reply, row in zip(answer(engine, inputs), own, strict=True)
    ]
    assert np.mean(hits) > 0.85


def test_labels_of_the_rows_are_not_read(fit):
    """With the labels of the rows shuffled, the head is the same."""
    kept = sorted(TOPICS)
    mixed = rows(labels=lambda number, _: kept[number % 3])
    texts = [row["text"] for row in rows()[:12]]
    answers = [
        tunesmith.predict(str(fit(own, name=name).bundle), texts=texts, all_scores=True).predictions
        for name, own in (("right", rows()), ("mixed", mixed))
    ]
    assert [row["label"] for row in answers[0]] == [row["label"] for row in answers[1]]


def test_words_given_for_a_label_take_the_place_of_its_name(fit):
    coded = {"card_lost": "c1", "weather": "c2", "playMusic": "c3"}
    own = rows(labels=lambda _, label: coded[label])
    words = {"c1": "lost bank card", "c2": "weather forecast", "c3": "play music"}
    engine = load_engine(fit(own, words=words).bundle)
    inputs = [engine.task.inputs_of(row["text"]) for row in own]
    hits = [
        reply.label == row["label"] for reply, row in zip(answer(engine, inputs), own, strict=True)
    ]
    assert np.mean(hits) > 0.85


def test_words_of_an_unknown_label_are_refused(fit):
    with pytest.raises(SpecError, match="must name labels of the rows; got rain"):
        fit(rows(), words={"rain": "it rains"})


def test_template_without_its_slot_is_refused(fit):
    with pytest.raises(SpecError, match="must hold `{label}` \(or `{}`\)"):
        fit(rows(), template="about nothing")


def test_template_that_also_holds_the_text_is_refused(fit):
    with pytest.raises(SpecError, match=r"around the words alone; got \{text\} in"):
        fit(rows(), template="{text} is about {label}")


def test_words_are_joined_where_a_label_has_several(fit):
    words = {"weather": "rain|sun, cold"}
    engine = load_engine(fit(rows(), template="about {label}", words=words).bundle)
    (reply,) = answer(engine, [engine.task.inputs_of("will it rain")])
    assert reply.label == "weather"


def test_label_without_words_is_refused(fit):
    own = rows(labels=lambda _, label: "---" if label == "weather" else label)
    with pytest.raises(SpecError, match="the label `---` must have words") as caught:
        fit(own)
    assert "--set method.words.---=" in caught.value.hint


def test_names_that_are_not_refined_are_their_own_centres():
    random = np.random.default_rng(0)
    names, texts = random.normal(size=(4, 8)), random.normal(size=(50, 8)) + 1.0
    weight, bias = name_head(names, texts, ZeroShot(rounds=0, scale=1.0))
    assert np.allclose(np.linalg.norm(weight, axis=1), 1.0)
    units = texts / np.linalg.norm(texts, axis=1, keepdims=True)
    assert np.allclose((units @ weight.T + bias).mean(axis=0), 0.0, atol=1e-12)


def test_refining_moves_names_to_the_texts_they_stand_for():
    """Three clouds of texts, each with a name at its rim: the centres end inside the clouds."""
    random = np.random.default_rng(1)
    truth = np.eye(3, 12) * 4
    texts = np.concatenate([random.normal(size=(60, 12)) * 0.5 + middle for middle in truth])
    names = truth + random.normal(size=(3, 12)) * 1.5
    labels = np.repeat(np.arange(3), 60)
    units = texts / np.linalg.norm(texts, axis=1, keepdims=True)
    found = {}
    for rounds in (0, 10):
        weight, bias = name_head(names, texts, ZeroShot(rounds=rounds))
        own = weight / np.linalg.norm(weight, axis=1, keepdims=True)
        centred = truth / np.linalg.norm(truth, axis=1, keepdims=True) - units.mean(axis=0)
        centred /= np.linalg.norm(centred, axis=1, keepdims=True)
        found[rounds] = (own * centred).sum(axis=1).mean()
        assert ((units @ weight.T + bias).argmax(axis=1) == labels).mean() > 0.9
    assert found[10] > found[0]
