"""Answers by a prompt: the very probabilities of the model, however they are batched and cached."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from tunesmith.core.examples import ChoiceInput, PairInput, TextInput
from tunesmith.core.prompts import Prompt, Shot
from tunesmith.model.framing import Reading
from tunesmith.model.heads.speak import Speaker, load_speaking_backbone
from tunesmith.model.likelihood import AskedIds, Weigher, weigh_answers
from tunesmith.runtime.engine import Engine, answer, score
from tunesmith.runtime.prompted import asking_of, count_cut, log_shares, render_prompt, with_prompt
from tunesmith.tasks.choice import Choice
from tunesmith.tasks.classification import Classification
from tunesmith.tasks.matching import Matching
from tunesmith.tasks.multilabel import MultiLabel

WORDS = {"B": ("bad", "lost"), "G": ("good card",)}
TEXTS = ["my order is late", "the card is broken and i like it", "好", ""]
KINDS = ("tiny_decoder", "tiny_writer", "tiny_masked")


def speaking_engine(folder, task, *, max_length=64):
    backbone = load_speaking_backbone(str(folder))
    model = Speaker(backbone.model).eval()
    reading = Reading(max_length, 8, "windows", case_shape=False)
    return Engine(model, backbone.tokenizer, task, reading, torch.device("cpu"))


@pytest.fixture(params=KINDS)
def engine(request):
    return speaking_engine(request.getfixturevalue(request.param), Classification(("B", "G")))


def prompt(template="text: {text} it is {label}", **more):
    return Prompt(by="likelihood", template=template, words=WORDS, **more)


def by_hand(engine, context, word, after=""):
    """Return the log-probability of a word behind a text, by plain transformers, token by token."""
    tokenizer, whole = engine.tokenizer, engine.model.whole
    ids = tokenizer(context, add_special_tokens=False)["input_ids"]
    own = tokenizer(word, add_special_tokens=False)["input_ids"]
    behind = tokenizer(after, add_special_tokens=False)["input_ids"] if after else []
    cls, sep = tokenizer.cls_token_id, tokenizer.sep_token_id
    kind = engine.model.speaking
    if kind == "causal":
        whole_ids = torch.tensor([[cls, *ids, *own]])
        logits = whole(whole_ids).logits[0, len(ids) : -1]
    elif kind == "masked":
        gap = [tokenizer.mask_token_id] * len(own)
        logits = whole(torch.tensor([[cls, *ids, *gap, *behind, sep]])).logits[0]
        logits = logits[len(ids) + 1 : len(ids) + 1 + len(own)]
    else:
        start = whole.config.decoder_start_token_id
        written = torch.tensor([[start, cls, *own]])
        logits = whole(torch.tensor([[cls, *ids, sep]]), decoder_input_ids=written).logits[0, 1:-1]
    shares = logits.log_softmax(dim=-1)
    return sum(float(shares[at, token]) for at, token in enumerate(own))


@torch.inference_mode()
def test_scores_are_the_log_probabilities_of_plain_transformers(engine):
    asked = with_prompt(engine, prompt("text: {text} it is {label}."))
    found = score(asked, [TextInput(text) for text in TEXTS])
    for text, scores in zip(TEXTS, found, strict=True):
        context = f"text: {text} it is"
        after = "." if engine.model.speaking == "masked" else ""
        own = {word: by_hand(engine, context, word, after) for word in ("bad", "lost", "good card")}
        bad = np.logaddexp(own["bad"], own["lost"]) - np.log(2)
        assert scores == pytest.approx([bad, own["good card"]], abs=1e-3)


@torch.inference_mode()
def test_mean_divides_by_the_tokens_of_a_word(engine):
    words = {"B": ("bad",), "G": ("good card",)}
    plain = replace(prompt(), words=words)
    sums, means = (
        score(with_prompt(engine, own), [TextInput("my order")])[0]
        for own in (plain, replace(plain, mean=True))
    )
    assert means == pytest.approx([sums[0], sums[1] / 2], abs=1e-4)


def test_examples_stand_before_the_question(engine):
    shots = (Shot({"text": "i like it"}, "good card"), Shot({"text": "late"}, "bad"))
    asked = with_prompt(engine, prompt("sort. {examples}text: {text} it is {label}.", shots=shots))
    shown = render_prompt(asked, TextInput("my card"))
    assert shown == (
        "sort. text: i like it it is good card.\n\ntext: late it is bad.\n\n"
        "text: my card it is ___."
    )
    found = score(asked, [TextInput("my card")])[0]
    context = shown.partition("___")[0].rstrip()
    after = "." if engine.model.speaking == "masked" else ""
    with torch.inference_mode():
        assert found[1] == pytest.approx(by_hand(engine, context, "good card", after), abs=1e-3)


def test_what_stands_beside_a_row_changes_nothing(engine):
    shots = (Shot({"text": "i like it"}, "good card"),)
    asked = with_prompt(engine, prompt(shots=shots, calibration="contextual"))
    together = score(asked, [TextInput(text) for text in TEXTS])
    alone = [score(asked, [TextInput(text)])[0] for text in TEXTS]
    assert np.allclose(together, alone, atol=1e-4)


def test_shared_beginning_gives_what_whole_prompts_give(tiny_decoder):
    engine = speaking_engine(tiny_decoder, Classification(("B", "G")))
    random = np.random.default_rng(0)
    asked = [
        AskedIds(
            random.integers(5, 60, size=size),
            np.empty(0, dtype=np.int64),
            tuple(random.integers(5, 60, size=count) for count in (1, 3, 2)),
        )
        for size in (4, 9, 1, 6)
    ]
    for prefix in (np.arange(5, 17), np.empty(0, dtype=np.int64)):
        both = [
            weigh_answers(
                Weigher(engine.model, 0, None, (), (), engine.device, "fp32", cached=cached),
                prefix,
                asked,
            )
            for cached in (True, False)
        ]
        assert np.allclose(*both, atol=1e-4)
        assert both[0][0][:, 1].tolist() == [1, 3, 2]


@torch.inference_mode()
def test_contextual_calibration_makes_texts_without_content_even(engine):
    """With one text without content its own scores become equal: q = p / p_cf (Zhao et al.)."""
    asked = with_prompt(engine, prompt(calibration="contextual"))
    offsets = asking_of(asked).prompt.offsets
    plain = with_prompt(engine, prompt())
    free = [np.exp(log_shares(plain, [TextInput(text)])[0][0]) for text in ("N/A", "[MASK]", "")]
    assert offsets == pytest.approx(np.log(np.mean(free, axis=0)), abs=1e-4)
    text = [TextInput("my order")]
    moved = score(plain, text)[0] - score(asked, text)[0]
    assert moved == pytest.approx(offsets, abs=1e-6)


@torch.inference_mode()
def test_domain_calibration_is_what_stands_before_the_answer_alone(engine):
    asked = with_prompt(engine, prompt("text: {text} it is {label}", calibration="domain"))
    offsets = asking_of(asked).prompt.offsets
    bad = np.logaddexp(by_hand(engine, "it is", "bad"), by_hand(engine, "it is", "lost"))
    assert offsets == pytest.approx(
        [bad - np.log(2), by_hand(engine, "it is", "good card")], abs=1e-3
    )


def test_long_texts_are_cut_and_counted(engine):
    asked = with_prompt(engine, prompt())
    inputs = [TextInput("order " * 200), TextInput("order")]
    assert count_cut(asked, inputs) == 1
    assert np.isfinite(score(asked, inputs)).all()


@pytest.mark.parametrize("kind", KINDS)
def test_choices_are_weighed_each_among_those_of_its_row(request, kind):
    engine = speaking_engine(request.getfixturevalue(kind), Choice())
    words = {"words": {}, "by": "likelihood"}
    for calibration in ("none", "domain", "contextual"):
        own = Prompt(
            template="{context} {question} {label}", calibration=calibration, mean=True, **words
        )
        inputs = [
            ChoiceInput("my card", "where?", ("lost", "good card", "late")),
            ChoiceInput("", "what?", ("order", "refund")),
        ]
        replies = list(answer(with_prompt(engine, own), inputs))
        assert [len(reply.scores) for reply in replies] == [3, 2]
        assert sum(replies[0].scores) == pytest.approx(1)


def test_each_label_of_many_is_asked_about_by_itself(tiny_decoder):
    engine = speaking_engine(tiny_decoder, MultiLabel(("B", "G")))
    words = {"yes": ("yes",), "no": ("no",), "B": ("bad",), "G": ("good",)}
    own = Prompt(by="likelihood", template="{text} is it {candidate}? {label}", words=words)
    (found,) = score(with_prompt(engine, own), [TextInput("my order")])
    with torch.inference_mode():
        wanted = [
            by_hand(engine, f"my order is it {word}?", "yes")
            - by_hand(engine, f"my order is it {word}?", "no")
            for word in ("bad", "good")
        ]
    assert found == pytest.approx(wanted, abs=1e-3)


def test_scores_of_pairs_are_answered_by_yes_and_no(tiny_masked):
    task = Matching(scale=(0.0, 5.0), pairs="together")
    engine = speaking_engine(tiny_masked, task)
    words = {"yes": ("good",), "no": ("bad",)}
    own = Prompt(by="cloze", template="{text_a} {text_b} same? {label}", words=words)
    (reply,) = answer(with_prompt(engine, own), [PairInput("my card", "the order")])
    assert 0 < reply.score < 5
