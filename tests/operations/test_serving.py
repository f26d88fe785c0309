"""What a worker answers: `predict`'s own answers, whatever shares a batch, and demands apart."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import tunesmith
from tunesmith.core.errors import NotFoundError, SpecError
from tunesmith.core.reliability import Demands
from tunesmith.operations.predict import PredictSpec, open_engine
from tunesmith.operations.serving import BundleAnswerer
from tunesmith.runtime.importing import import_ahead
from tunesmith.session import Session
from tunesmith.stages.serve.canary import compare_canary
from tunesmith.store.bundles import read_bundle

TEXTS = ["my order is good", "bad", "the card is lost and broken " * 9, "where", "late " * 40]


@pytest.fixture(scope="module")
def path(tmp_path_factory, tiny_model) -> Path:
    folder = tmp_path_factory.mktemp("served")
    rows = [f"my order {n} is good and i like it,good" for n in range(400)]
    rows += [f"the card {n} is bad and broken,bad" for n in range(400)]
    (folder / "rows.csv").write_text("\n".join(["text,label", *rows]) + "\n", "utf-8")
    fitted = tunesmith.fit(
        folder / "rows.csv",
        task="classification",
        model=tiny_model,
        method="probe",
        out=folder / "run",
    )
    return Path(fitted.bundle)


def answers(path: Path, orders: list, *, precision: str = "fp32", cache: int = 0) -> list:
    engine = "onnx" if precision == "int8" else "torch"
    spec = PredictSpec(bundle=str(path), column={}, engine=engine, precision=precision)
    bundle = read_bundle(path)
    with open_engine(spec, Session(device="cpu"), bundle) as (engine, name):
        answerer = BundleAnswerer(engine, name, bundle, cache=cache)
        return list(answerer.answer(orders))


def order(*texts: str, number: int = 0, **demands) -> dict:
    rows = [{"text": text} for text in texts]
    asked = {**Demands().model_dump(), "all_scores": True, **demands}
    return {"id": number, "rows": rows, "demands": asked}


@pytest.mark.parametrize("cache", [0, 100])
def test_composed_batch_answers_as_predict(path, cache):
    orders = [order(*TEXTS[:1]), order(*TEXTS[1:4]), order(*TEXTS[3:]), order(TEXTS[0])]
    found = [reply.answers for reply in answers(path, orders, cache=cache)]
    expected = tunesmith.predict(path, TEXTS, engine="torch", all_scores=True).predictions
    assert [len(own) for own in found] == [1, 3, 2, 1]
    flat = [*found[0], *found[1], *found[2][1:]]
    for answer, row in zip(flat, expected, strict=True):
        assert answer["label"] == row["label"]
        assert answer["scores"] == pytest.approx(row["scores"], abs=1e-5)
    assert found[3] == found[0]


def test_int8_requests_share_a_batch_and_answer_as_if_alone(tiny_model, tiny_rows, tmp_path):
    training = {"epochs": 2, "learning_rate": 0.003, "batch_tokens": 256}
    fitted = tunesmith.fit(
        tiny_rows, task="classification", model=tiny_model, training=training, out=tmp_path / "run"
    )
    bundle = Path(fitted.bundle)
    tunesmith.export(bundle, precision="int8")
    orders = [order(TEXTS[0]), order(*TEXTS[1:]), order(TEXTS[4])]
    together = answers(bundle, orders, precision="int8")
    for reply, asked in zip(together, orders, strict=True):
        (alone,) = answers(bundle, [asked], precision="int8")
        for ours, theirs in zip(reply.answers, alone.answers, strict=True):
            assert ours["scores"] == pytest.approx(theirs["scores"], abs=1e-5)
    spec = PredictSpec(bundle=str(bundle), column={}, engine="onnx", precision="int8")
    with open_engine(spec, Session(device="cpu"), read_bundle(bundle)) as (engine, name):
        answerer = BundleAnswerer(engine, name, read_bundle(bundle), cache=0)
        assert answerer.is_shareable
        assert not answerer.is_exact


def test_where_numbers_depend_on_the_batch_each_request_is_computed_alone(path):
    """In bf16 the sums of a batch depend on its shape: equal to the last bit only when alone."""
    orders = [order(TEXTS[0]), order(*TEXTS[1:]), order(TEXTS[4])]
    found = answers(path, orders, precision="bf16")
    for reply, asked in zip(found, orders, strict=True):
        texts = [row["text"] for row in asked["rows"]]
        alone = tunesmith.predict(path, texts, engine="torch", precision="bf16", all_scores=True)
        assert [own["scores"] for own in reply.answers] == [
            row["scores"] for row in alone.predictions
        ]


def test_demands_of_one_request_are_not_those_of_another(path):
    orders = [
        order("it is good", coverage=0.9),
        order("it is good"),
        order("it is good", abstain_below=1.0),
        order("it is good", outside=True),
        order("it is good", abstain_at=0.9, abstain_below=0.9),
    ]
    sets, plain, abstained, outside, impossible = answers(path, orders)
    assert "label_set" in sets.answers[0]
    assert {"label_set", "outside_score"} & set(plain.answers[0]) == set()
    assert abstained.answers[0]["abstained"] is True
    assert "outside_score" in outside.answers[0]
    assert isinstance(impossible, SpecError)
    labels = {reply.answers[0]["label"] for reply in (sets, plain, abstained, outside)}
    assert len(labels) == 1


def test_canary_rows_stand_beside_the_answers_on_record(path):
    spec = PredictSpec(bundle=str(path), column={}, engine="torch")
    bundle = read_bundle(path)
    with open_engine(spec, Session(device="cpu"), bundle) as (engine, name):
        answerer = BundleAnswerer(engine, name, bundle, cache=0)
        facts = answerer.facts()
        (reply,) = answerer.answer([order(*(row["row"]["text"] for row in facts["canary"]))])
    assert facts["engine"] == "torch fp32"
    assert len(facts["canary"]) > 50
    for row, answer in zip(facts["canary"], reply.answers, strict=True):
        assert answer["label"] in {right["label"] for right in row["expected"]}
    assert compare_canary(facts["canary"], reply.answers, is_exact=True) == ""
    wrong = [{**answer, "label": "neither"} for answer in reply.answers]
    assert compare_canary(facts["canary"], wrong, is_exact=True)


def test_tokens_and_unknown_ones_of_a_row_are_counted(path):
    spec = PredictSpec(bundle=str(path), column={}, engine="torch")
    bundle = read_bundle(path)
    with open_engine(spec, Session(device="cpu"), bundle) as (engine, name):
        answerer = BundleAnswerer(engine, name, bundle, cache=0)
        assert answerer.count_tokens(order("my order is good", "bad")) == (6, 0)
        assert answerer.count_tokens(order("my \u2603 is \u2603")) == (6, 2)
        assert answerer.count_tokens(order("late " * 1000)) == (0, 0)


@pytest.mark.parametrize("engine", ["onnx", "torch"])
def test_what_an_engine_needs_is_imported_ahead(path, engine):
    """Loading imports no more of torch and transformers then, which are what takes time."""
    script = f"""
import sys
from tunesmith.operations.predict import PredictSpec, open_engine
from tunesmith.runtime.importing import import_ahead
from tunesmith.session import Session
from tunesmith.store.bundles import read_bundle
import_ahead({engine!r}, {str(path)!r})
before = set(sys.modules)
if {engine!r} == "torch":
    spec = PredictSpec(bundle={str(path)!r}, column={{}}, engine="torch")
    with open_engine(spec, Session(device="cpu"), read_bundle({str(path)!r})):
        late = [name for name in set(sys.modules) - before if name.startswith("torch.")]
    assert len(late) < 20, late
else:
    assert "onnxruntime" in before
    assert "torch" not in before
"""
    made = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr


def test_importing_ahead_of_a_bundle_that_is_gone_is_no_failure(tmp_path):
    import_ahead("torch", str(tmp_path / "gone"))


def test_a_service_takes_an_alias_and_refuses_one_that_nobody_gave(path):
    tunesmith.runs("alias", ["@production", str(path)])
    served = tunesmith.serve("desk=@production", check=True, engine="torch", device="cpu")
    assert [model["version"] for model in served.models] == [read_bundle(path).fingerprint]
    with pytest.raises(NotFoundError, match="@production"):
        tunesmith.serve("desk=@producton", check=True)
