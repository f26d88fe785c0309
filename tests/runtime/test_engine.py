from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from tunesmith.core.examples import TextInput
from tunesmith.core.recipe import ModelRecipe
from tunesmith.model.backbones import load_backbone
from tunesmith.model.framing import Reading
from tunesmith.model.heads import new_head
from tunesmith.runtime.engine import Engine, answer, score
from tunesmith.tasks.classification import Classification
from tunesmith.tasks.ner import Ner

TEXTS = ["the order is good", "bad card", "", "i my refund " * 100, "订单很好", "it!"]


def _engine(model_folder, task, **reading):
    torch.manual_seed(3)
    backbone = load_backbone(str(model_folder))
    settings = {"max_length": 40, "stride": 8, "long_text": "windows", "case_shape": False}
    wishes = Reading(**{**settings, **reading})
    model = new_head(
        task.head,
        backbone,
        outputs=len(task.outputs()),
        recipe=ModelRecipe(),
        case_shape=wishes.case_shape,
    )
    torch.nn.init.normal_(model.linear.weight, std=1.0)
    return Engine(model.eval(), backbone.tokenizer, task, wishes, torch.device("cpu"))


@pytest.fixture(scope="module")
def classifier(tiny_model):
    return _engine(tiny_model, Classification(labels=("a", "b", "c")))


@pytest.fixture(scope="module")
def tagger(tiny_model):
    return _engine(tiny_model, Ner(labels=("X", "Y")), case_shape=True)


@pytest.mark.parametrize("kind", ["classifier", "tagger"])
def test_answers_do_not_depend_on_the_batch_they_stand_in(kind, request):
    engine = request.getfixturevalue(kind)
    inputs = [engine.task.inputs_of(text) for text in TEXTS]
    together = score(engine, inputs)
    for item, scores in zip(inputs, together, strict=True):
        assert np.abs(score(engine, [item])[0] - scores).max(initial=0.0) < 1e-4
    for order in itertools.islice(itertools.permutations(range(len(TEXTS))), 0, 700, 97):
        shuffled = score(engine, [inputs[index] for index in order])
        for place, index in enumerate(order):
            assert np.abs(shuffled[place] - together[index]).max(initial=0.0) < 1e-4


def test_answers_come_in_the_order_of_an_endless_stream(classifier):
    endless = (TextInput(TEXTS[number % len(TEXTS)]) for number in itertools.count())
    got = [reply.label for reply in itertools.islice(answer(classifier, endless), 3000)]
    first = [reply.label for reply in answer(classifier, map(TextInput, TEXTS))]
    assert got == [first[number % len(TEXTS)] for number in range(3000)]


def test_tagger_gives_one_row_of_scores_a_word_and_none_for_no_words(tagger):
    inputs = [tagger.task.inputs_of(text) for text in TEXTS]
    for item, scores in zip(inputs, score(tagger, inputs), strict=True):
        assert scores.shape == (len(item.words), 5)
    assert list(answer(tagger, [tagger.task.inputs_of("")]))[0].entities == ()


def test_word_without_a_token_is_outside_any_entity(tagger):
    inputs = tagger.task.inputs_of("good \u200b card")
    (reply,) = answer(tagger, [inputs])
    assert len(reply.tags) == len(inputs.words)


def test_answering_leaves_the_model_in_its_mode(classifier):
    classifier.model.train()
    score(classifier, [TextInput("good")])
    assert classifier.model.training
    classifier.model.eval()


def test_all_scores_sum_to_one(classifier):
    (reply,) = answer(classifier, [TextInput("good")])
    assert sum(reply.scores.values()) == pytest.approx(1.0)
    assert reply.confidence == max(reply.scores.values())


def test_word_that_shares_a_token_goes_on_with_the_entity_of_the_word_before():
    task = Ner(labels=("X", "Y"))
    engine = _engine("minilm", task)
    inputs = task.inputs_of("on the 19th of May")
    scores = score(engine, [inputs])[0]
    assert scores[3, 2] == pytest.approx(np.logaddexp(scores[2, 1], scores[2, 2]))
    assert scores[3, 0] == scores[2, 0]
    assert scores[3, 1] < -1000
    assert scores[3, 3] < -1000
