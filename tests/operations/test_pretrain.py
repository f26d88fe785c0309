"""`pretrain` from end to end: the folder works elsewhere, bad requests say why."""

from __future__ import annotations

import json

import pytest
import torch
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
)

import tunesmith
from tunesmith.core.errors import DataError, SpecError
from tunesmith.core.events import Event, Step, Validated, Warned
from tunesmith.session import Session

LOADERS = {
    "mlm": AutoModelForMaskedLM,
    "causal": AutoModelForCausalLM,
    "seq2seq": AutoModelForSeq2SeqLM,
    "contrastive": AutoModel,
}


def pretrain(corpus, out, *, listener=None, steps=4, **settings):
    settings.setdefault("size", "tiny")
    settings.setdefault("reading", {"window_tokens": 32})
    return tunesmith.pretrain(
        corpus,
        training={"max_steps": steps, "batch_tokens": 256},
        out=out,
        session=Session(device="cpu", listener=listener),
        **settings,
    )


@pytest.mark.parametrize("objective", LOADERS)
def test_backbone_loads_in_plain_transformers(tmp_path, tiny_text, objective):
    result = pretrain(tiny_text, tmp_path / "run", objective=objective)
    tokenizer = AutoTokenizer.from_pretrained(result.backbone)
    model = LOADERS[objective].from_pretrained(result.backbone).eval()
    batch = tokenizer("my parcel is late", return_tensors="pt", return_token_type_ids=False)
    with torch.no_grad():
        assert torch.isfinite(model(**batch)[0]).all()
    report = json.loads((result.backbone / "pretraining.json").read_text("utf-8"))
    assert report["measures"] == result.to_json()["measures"]
    assert set(report["headline"]) <= set(report["measures"])
    assert report["samples"]
    weights = {name: p.numel() for name, p in model.named_parameters() if "pooler" not in name}
    assert report["model"]["parameters"] == sum(weights.values())
    page = (result.backbone / "pretraining.md").read_text("utf-8")
    assert page.startswith(f"# orders.txt: {objective}\n")
    assert page.count("## Sample") == len(report["samples"])


def test_loss_on_held_out_text_falls(tmp_path, tiny_text):
    seen: list[Event] = []
    out = tmp_path / "run"
    result = pretrain(tiny_text, out, steps=60, listener=seen.append, beginning="random")
    losses = [event.value for event in seen if isinstance(event, Validated)]
    assert losses[-1] < losses[0] - 0.3
    assert result.measures["loss"].value < losses[0]
    steps = [event for event in seen if isinstance(event, Step)]
    assert len(steps) == 60
    assert max(step.tokens for step in steps) == 256


def test_counted_beginning_is_ahead_of_a_random_one(tmp_path, tiny_text):
    losses = {
        beginning: pretrain(tiny_text, tmp_path / beginning, steps=1, beginning=beginning)
        .measures["loss"]
        .value
        for beginning in ("counted", "random")
    }
    assert losses["counted"] < losses["random"] - 0.3


def test_measures_of_a_decoder_are_those_of_its_plain_loss(tmp_path, tiny_text):
    result = pretrain(tiny_text, tmp_path / "run", objective="causal", valid=tiny_text,
                      reading={"window_tokens": 4096, "repeats": "keep"}, steps=2)  # fmt: skip
    tokenizer = AutoTokenizer.from_pretrained(result.backbone)
    model = AutoModelForCausalLM.from_pretrained(result.backbone).eval()
    text = tiny_text.read_text("utf-8").replace("\n\n", "\n")
    end = tokenizer.eos_token_id
    ids = [end, *tokenizer(text)["input_ids"], end]
    nats = 0.0
    for start in range(0, len(ids) - 1, 4095):
        window = torch.tensor([[end, *ids[1:][start : start + 4095]]])
        with torch.no_grad():
            loss = model(window, labels=window).loss
        nats += float(loss) * (window.shape[1] - 1)
    expected = nats / torch.log(torch.tensor(2.0)).item() / len(text.encode())
    measure = result.measures["bits_per_byte"]
    assert measure.value == pytest.approx(expected, rel=2e-3)
    assert measure.count == len(text.encode())


def test_backbone_is_one_that_fit_takes_for_labels_and_entities(tmp_path, tiny_text, tiny_rows):
    made = pretrain(tiny_text, tmp_path / "run")
    labels = tunesmith.fit(
        tiny_rows, task="classification", model=made.backbone, method="probe", out=tmp_path / "a"
    )
    assert labels.measures["accuracy"].value > 0.8
    rows = tmp_path / "rows.conll"
    rows.write_text("".join(f"my O\nlamp B-THING\nis O\n{n} O\n\n" for n in range(40)), "utf-8")
    entities = tunesmith.fit(
        rows, task="ner", model=made.backbone, training={"max_steps": 40}, out=tmp_path / "b"
    )
    assert entities.measures["strict_f1"].value > 0.8


def test_going_on_with_a_backbone_begins_where_it_ended(tmp_path, tiny_text):
    first = pretrain(tiny_text, tmp_path / "first", steps=60)
    seen: list[Event] = []
    again = pretrain(
        tiny_text,
        tmp_path / "again",
        size=None,
        model=first.backbone,
        steps=2,
        listener=seen.append,
    )
    (value,) = (event.value for event in seen if isinstance(event, Validated))
    assert value == pytest.approx(first.measures["loss"].value, abs=0.4)
    plain = (AutoTokenizer.from_pretrained(made.backbone) for made in (first, again))
    assert next(plain).get_vocab() == next(plain).get_vocab()


def test_going_on_with_an_encoder_of_others_keeps_its_vocabulary(tmp_path, tiny_model, tiny_rows):
    result = pretrain(tiny_rows, tmp_path / "run", size=None, model=tiny_model)
    before, after = (AutoTokenizer.from_pretrained(path) for path in (tiny_model, result.backbone))
    assert before.get_vocab() == after.get_vocab()
    assert result.report["source"] == str(tiny_model)


def test_same_request_twice_gives_the_same_bytes(tmp_path, tiny_text):
    one, two = (pretrain(tiny_text, tmp_path / name) for name in ("one", "two"))
    for file in ("model.safetensors", "tokenizer.json"):
        assert (one.backbone / file).read_bytes() == (two.backbone / file).read_bytes()


def test_vocabulary_larger_than_the_corpus_supports_is_refused_with_one_that_fits(
    tmp_path, tiny_text
):
    with pytest.raises(DataError, match="the corpus supports") as failure:
        pretrain(tiny_text, tmp_path / "run", tokenizer={"size": 30_000})
    size = int(failure.value.hint.rpartition("=")[2])
    assert not (tmp_path / "run").exists()
    made = pretrain(tiny_text, tmp_path / "run", tokenizer={"size": size})
    assert len(AutoTokenizer.from_pretrained(made.backbone)) == size


def test_unreadable_lines_are_warned_of_and_many_refused(tmp_path, tiny_text):
    junk = tmp_path / "junk.txt"
    junk.write_bytes(tiny_text.read_bytes() + b"\xff\xfe\xfd\n" * 3)
    heard: list[Event] = []
    pretrain(junk, tmp_path / "run", listener=heard.append)
    warnings = [event.text for event in heard if isinstance(event, Warned)]
    assert any("3 unreadable lines are skipped" in text for text in warnings)
    with pytest.raises(DataError, match="at most 0%"):
        pretrain(junk, tmp_path / "no", reading={"unreadable": 0.0})


def test_text_in_a_script_the_model_cannot_read_is_refused(tmp_path, tiny_model):
    path = tmp_path / "greek.txt"
    path.write_text("\n\n".join(f"μῆνιν ἄειδε θεὰ {n} Πηληϊάδεω" for n in range(60)), "utf-8")
    with pytest.raises(DataError, match="may be unknown"):
        pretrain(path, tmp_path / "run", size=None, model=tiny_model)


def test_window_longer_than_a_given_model_reads_is_refused(tmp_path, tiny_rows, tiny_model):
    with pytest.raises(SpecError, match="must be at most 128"):
        pretrain(tiny_rows, tmp_path / "run", size=None, model=tiny_model,
                 reading={"window_tokens": 256})  # fmt: skip


def test_settings_that_need_labels_are_refused(tmp_path, tiny_text):
    with pytest.raises(SpecError, match="text has no labels"):
        tunesmith.pretrain(tiny_text, training={"freeze_layers": 1}, out=tmp_path / "run")


def test_contradictions_are_all_named_at_once(tmp_path, tiny_text, tiny_model):
    with pytest.raises(SpecError) as failure:
        pretrain(tiny_text, tmp_path / "run", model=tiny_model, tokenizer="bpe",
                 column={"label": "x"})  # fmt: skip
    assert len(failure.value.problems) == 3
