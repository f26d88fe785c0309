"""Rows of several parts: a bundle's `model/` in plain transformers answers as the bundle does."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import (
    AutoModel,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoTokenizer,
)

import tunesmith
from tunesmith.core.examples import ChoiceInput, MarkedInput, PairInput, QuestionInput
from tunesmith.runtime.engine import Engine, answer, score
from tunesmith.runtime.loading import load_engine

PAIRS = [
    ("my order is late", "where is the card"),
    ("good", "我们想要退款!"),
    ("it is broken and lost", "a"),
    ("i", "please refund the order 12 my card is bad"),
]
COLORS = ("good", "bad", "late")


def pair_row(number: int) -> dict:
    first, second = COLORS[number % 3], COLORS[(number // 3) % 3]
    label = "same" if first == second else "other"
    return {"text_a": f"it is {first}", "text_b": f"card {number} {second}", "label": label}


def score_row(number: int) -> dict:
    pair = pair_row(number)
    return {"score": 4.0 if pair.pop("label") == "same" else number % 3, **pair}


def question_row(number: int) -> dict:
    word = COLORS[number % 3]
    context = f"order {number} my card is {word} please"
    answer = {"text": word, "start": context.index(word)}
    return {"context": context, "question": "how is it", "answers": [answer] if number % 5 else []}


def choice_row(number: int) -> dict:
    choices = ["late", "late", "lost"][: 2 + number % 2]
    choices[number % 2] = "refund"
    return {"context": f"{number}", "question": "to", "choices": choices, "answer": number % 2}


def relation_row(number: int) -> dict:
    stretches = [{"start": 0, "end": 2, "type": "card"}, {"start": 3, "end": 8}]
    head, tail = stretches if number % 2 else stretches[::-1]
    text = f"my order {number}"
    return {"text": text, "head": head, "tail": tail, "label": "ab"[number % 2]}


def tune(folder: Path, task: str, row, model: object, **recipe: object) -> Path:
    """Return the bundle of a short tuning on sixty rows."""
    data = folder / "rows.jsonl"
    data.write_text("".join(json.dumps(row(n)) + "\n" for n in range(60)), "utf-8")
    result = tunesmith.fit(
        str(data),
        task=task,
        method={"name": "full", "head_start": "random"},
        model={"name": str(model), **recipe},
        training={"max_steps": 4, "learning_rate": 1e-3, "threads": 1, "checkpoint_steps": 100},
        out=str(folder / "run"),
    )
    return result.bundle


def note_of(bundle: Path) -> dict:
    return json.loads((bundle / "bundle.json").read_text("utf-8"))["plain_transformers"]


def logits_of(bundle: Path, first: list[str], second: list[str]) -> np.ndarray:
    """Return the logits of plain transformers for pairs of texts."""
    plain = AutoModelForSequenceClassification.from_pretrained(bundle / "model").eval()
    tokenizer = AutoTokenizer.from_pretrained(bundle / "model")
    batch = tokenizer(first, second, return_tensors="pt", padding=True)
    assert batch["token_type_ids"].max() == 1
    with torch.no_grad():
        return plain(**batch).logits.numpy()


@pytest.mark.parametrize(("model", "pooling"), [("tiny", "native"), ("minilm", "mean")])
@pytest.mark.parametrize("row", [pair_row, score_row])
def test_pairs_read_together_in_plain_transformers_have_the_same_logits(
    tmp_path, tiny_model, model, pooling, row
):
    name = tiny_model if model == "tiny" else model
    bundle = tune(tmp_path, "matching", row, name, pooling=pooling, pairs="together")
    engine = load_engine(bundle)
    ours = np.stack(score(engine, [PairInput(*pair) for pair in PAIRS]))
    theirs = logits_of(bundle, *map(list, zip(*PAIRS, strict=True)))
    assert ours.shape == theirs.shape == (len(PAIRS), len(engine.task.outputs()))
    assert np.abs(theirs - ours).max() < min(1e-4, 0.05 * np.ptp(ours))
    assert note_of(bundle)["lacks"] == []


def test_choices_in_plain_transformers_have_the_same_logits(tmp_path, tiny_model):
    bundle = tune(tmp_path, "choice", choice_row, tiny_model, pooling="native")
    engine = load_engine(bundle)
    items = [
        ChoiceInput("my order is late", "where to", ("refund", "lost card", "bad")),
        ChoiceInput("", "is it good", ("i", "broken")),
    ]
    ours = score(engine, items)
    for item, own in zip(items, ours, strict=True):
        lead = [item.context or item.question] * len(item.choices)
        said = [f"{item.question} {one}" if item.context else one for one in item.choices]
        np.testing.assert_allclose(logits_of(bundle, lead, said), own, atol=1e-4)
    assert note_of(bundle)["lacks"] == []


def test_question_answerer_in_plain_transformers_has_the_same_logits_and_answer(
    tmp_path, tiny_model
):
    bundle = tune(tmp_path, "qa", question_row, tiny_model)
    engine = load_engine(bundle)
    item = QuestionInput("how is my card", "the order is late and my card is bad or lost")
    plain = AutoModelForQuestionAnswering.from_pretrained(bundle / "model").eval()
    tokenizer = AutoTokenizer.from_pretrained(bundle / "model")
    batch = tokenizer(item.question, item.context, return_tensors="pt", return_offsets_mapping=True)
    offsets, parts = batch.pop("offset_mapping")[0].tolist(), batch.sequence_ids(0)
    with torch.no_grad():
        output = plain(**batch)
    start, end = output.start_logits[0].numpy(), output.end_logits[0].numpy()
    context = [at for at, part in enumerate(parts) if part == 1]
    wanted = {
        (offsets[first][0], offsets[last][1]): start[first] + end[last]
        for first in context
        for last in context
        if first <= last
    }
    ours = score(engine, [item])[0]
    assert ours[0, 2] == pytest.approx(start[0] + end[0], abs=1e-4)
    assert len(ours) > 10
    for begin, stop, value in ours[1:]:
        assert value == pytest.approx(wanted[int(begin), int(stop)], abs=1e-4)
    assert ours[1, 2] == pytest.approx(max(wanted.values()), abs=1e-4)
    assert note_of(bundle)["lacks"] == []


def test_relater_in_plain_transformers_lacks_only_the_layer_above_the_marks(tmp_path, tiny_model):
    bundle = tune(tmp_path, "relation", relation_row, tiny_model)
    engine = load_engine(bundle)
    ours = score(engine, [MarkedInput("my order is late", (3, 8), (12, 16), ("card", ""))])[0]
    assert note_of(bundle)["lacks"] == ["relation.safetensors"]
    encoder = AutoModel.from_pretrained(bundle / "model").eval()
    tokenizer = AutoTokenizer.from_pretrained(bundle / "model")
    state = load_file(bundle / "model" / "relation.safetensors")
    batch = tokenizer("my @ * card * order @ is # late #", return_tensors="pt")
    tokens = tokenizer.convert_ids_to_tokens(batch["input_ids"][0].tolist())
    marks = [tokens.index("@"), tokens.index("#")]
    with torch.no_grad():
        states = encoder(**batch)[0][0, marks].flatten()
        theirs = state["weight"] @ states + state["bias"]
    np.testing.assert_allclose(theirs.numpy(), ours, atol=1e-4)


def vectors_of(engine: Engine) -> np.ndarray:
    """Return the vectors of the texts of `PAIRS`, first and second, at length 1."""
    answers = answer(engine, [PairInput(*pair) for pair in PAIRS])
    return np.concatenate([reply.vectors for reply in answers])


@pytest.fixture(scope="module")
def searcher(tmp_path_factory, tiny_model):
    return tune(tmp_path_factory.mktemp("apart"), "matching", score_row, tiny_model)


def test_texts_read_apart_in_plain_transformers_have_the_same_vectors(searcher):
    engine = load_engine(searcher)
    assert engine.task.head == "embed"
    assert note_of(searcher)["lacks"] == []
    encoder = AutoModel.from_pretrained(searcher / "model").eval()
    tokenizer = AutoTokenizer.from_pretrained(searcher / "model")
    texts = [text for pair in PAIRS for text in pair]
    batch = tokenizer(texts, return_tensors="pt", padding=True)
    with torch.no_grad():
        states = encoder(**batch)[0]
    weights = batch["attention_mask"][..., None]
    means = (states * weights).sum(1) / weights.sum(1)
    theirs = torch.nn.functional.normalize(means, dim=1).numpy()
    np.testing.assert_allclose(vectors_of(engine), theirs, atol=1e-5)


def test_texts_read_apart_in_sentence_transformers_have_the_same_vectors(searcher):
    library = pytest.importorskip("sentence_transformers")
    model = library.SentenceTransformer(str(searcher / "model"), device="cpu")
    texts = [text for pair in PAIRS for text in pair]
    theirs = model.encode(texts, normalize_embeddings=True)
    np.testing.assert_allclose(vectors_of(load_engine(searcher)), theirs, atol=1e-5)


def test_score_of_texts_read_apart_is_their_cosine_on_the_scale(searcher):
    engine = load_engine(searcher)
    low, high = engine.task.scale
    for pair in PAIRS:
        (reply,) = answer(engine, [PairInput(*pair)])
        cosine = float(reply.vectors[0] @ reply.vectors[1])
        assert reply.score == pytest.approx(low + cosine * (high - low), abs=1e-5)
