"""What a bundle knows of its limits, from tuning to what is said beside an answer."""

from __future__ import annotations

import json

import numpy as np
import pytest

import tunesmith
from tunesmith.core.errors import DataError, SpecError
from tunesmith.runtime.loading import load_engine
from tunesmith.session import Session

LABELS = ("good", "late", "坏")
WORDS = {"good": "good", "late": "late", "坏": "坏的"}
STRANGE = "elsewhere"


def row(number, *, noisy=True):
    """Return a row that tells its label, but for one in eight."""
    generator = np.random.default_rng(number)
    label = LABELS[generator.integers(3)]
    said = LABELS[generator.integers(3)] if noisy and generator.random() < 0.3 else label
    return {"text": f"order {number} is {WORDS[said]}", "label": label}


def strange(number):
    return {"text": f"where {number} % {number + 7} & @ ?", "label": STRANGE}


def write(path, rows):
    path.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows), "utf-8")
    return str(path)


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """Write the files of a task in which some rows are strangers."""
    folder = tmp_path_factory.mktemp("rows")
    for start, name, count in ((0, "train", 240), (1000, "valid", 160), (2000, "test", 160)):
        inside = [row(number) for number in range(start, start + count)]
        outside = [strange(number) for number in range(start, start + 30)]
        write(folder / f"{name}.jsonl", [*inside, *outside])
    write(folder / "inside.jsonl", [row(number) for number in range(3000, 3160)])
    return folder


def fit(rows, tiny_model, out, **settings):
    """Return a tuned bundle of the rows; without a label for strangers these are a class."""
    usual = {"training": {"epochs": 4, "learning_rate": 3e-3, "batch_tokens": 512}}
    return tunesmith.fit(
        str(rows / "train.jsonl"),
        valid=str(rows / "valid.jsonl"),
        task="classification",
        model=str(tiny_model),
        out=str(out),
        session=Session(device="cpu"),
        **{**usual, **settings},
    )


@pytest.fixture(scope="module")
def tuned(rows, tiny_model, tmp_path_factory):
    """Tune a bundle that knows strangers."""
    out = tmp_path_factory.mktemp("tuned") / "run"
    return fit(rows, tiny_model, out, reliability={"outside": STRANGE})


@pytest.fixture(scope="module")
def plain(tmp_path_factory, tiny_model):
    """Tune a bundle of 60 rows: 6 for validation are too few to learn anything of."""
    folder = tmp_path_factory.mktemp("plain")
    data = write(folder / "rows.jsonl", [row(number) for number in range(60)])
    return tunesmith.fit(
        data,
        task="classification",
        method="probe",
        model=str(tiny_model),
        out=str(folder / "run"),
        session=Session(device="cpu"),
    )


def test_bundle_keeps_what_was_learned_and_answers_by_it(tuned):
    manifest = json.loads((tuned.bundle / "bundle.json").read_text("utf-8"))
    assert manifest["calibration"]["rows"] == 160
    assert manifest["reliability"]["outside"]["label"] == STRANGE
    assert set(manifest["reliability"]["outside"]["figures"]) == {
        *("energy", "mahalanobis", "neighbours")
    }
    assert "reliability/arrays.safetensors" in manifest["files"]
    engine = load_engine(tuned.bundle)
    assert engine.task.labels == LABELS
    assert len(engine.reliability.held.confidence) == 160
    assert tuned.report["reliability"]["calibration"]["basis"] == "folds"
    assert any(reason.startswith("calibration: ") for reason in tuned.report["training"]["reasons"])
    assert any("validation rows, which also chose" in note for note in tuned.report["notes"])


def test_confidence_is_the_calibrated_one(rows, tiny_model, tmp_path):
    result = fit(
        rows,
        tiny_model,
        tmp_path / "run",
        reliability={"calibration": "temperature", "outside": STRANGE},
    )
    engine = load_engine(result.bundle)
    (temperature,) = engine.reliability.calibrator.temperatures
    text = "order 5 is 坏的"
    found = tunesmith.predict(str(result.bundle), texts=[text], all_scores=True).predictions[0]
    from tunesmith.core.examples import TextInput
    from tunesmith.measure.probabilities import softmax
    from tunesmith.runtime.engine import score

    (logits,) = score(engine, [TextInput(text)])
    expected = softmax(logits / temperature)
    assert list(found["scores"].values()) == pytest.approx(expected.tolist(), abs=1e-5)
    assert found["confidence"] == pytest.approx(expected.max(), abs=1e-5)


def test_sets_hold_the_right_label_as_often_as_promised(tuned, rows):
    asked = {"coverage": 0.9, "sets": "lac"}
    found = tunesmith.evaluate(str(tuned.bundle), str(rows / "inside.jsonl"), **asked)
    measures, told = found.measures, found.report["reliability"]["sets"]
    assert told["coverage"] == 0.9
    assert told["rows"] == 160
    assert measures["label_set_coverage"].value > 0.8
    assert 1 <= measures["label_set_size"].value <= 3
    texts = [row(number)["text"] for number in range(3000, 3020)]
    result = tunesmith.predict(str(tuned.bundle), texts=texts, **asked)
    for prediction in result.predictions:
        assert prediction["label_set"][0] == prediction["label"]
        assert set(prediction["label_set"]) <= set(LABELS)


def test_answers_below_a_confidence_are_marked(tuned):
    texts = [row(number)["text"] for number in range(3000, 3040)]
    result = tunesmith.predict(str(tuned.bundle), texts=texts, abstain_below=0.75)
    for prediction in result.predictions:
        assert prediction["abstained"] == (prediction["confidence"] < 0.75)
        assert ("reason" in prediction) == prediction["abstained"]


def test_wished_precision_sets_the_threshold_and_is_measured(tuned, rows):
    found = tunesmith.evaluate(str(tuned.bundle), str(rows / "inside.jsonl"), abstain_at=0.4)
    told = found.report["reliability"]["selective"]
    assert told["promise"]["is_reached"]
    assert told["promise"]["low"] >= 0.4
    assert found.measures["answered_precision"].value >= 0.4
    assert 0 < found.measures["answered"].value <= 1
    assert found.measures["aurc"].value == pytest.approx(told["aurc"])


def test_precision_that_nobody_can_promise_is_refused_with_the_best(tuned):
    with pytest.raises(SpecError, match=r"validation rows can promise[\s\S]*The best is"):
        tunesmith.predict(str(tuned.bundle), texts=["good"], abstain_at=0.999)


def test_strangers_are_told_and_counted(tuned, rows):
    found = tunesmith.evaluate(str(tuned.bundle), str(rows / "test.jsonl"))
    told = found.report["reliability"]["outside"]
    assert (told["inside_rows"], told["outside_rows"]) == (160, 30)
    assert found.report["data"]["rows"] == 160
    measures = found.measures
    assert measures["outside_auroc"].value > 0.6  # of two layers that know nothing but these rows
    assert measures["outside_recall"].count == 30
    assert measures["inside_accuracy"].value <= measures["accuracy"].value
    texts = [strange(number)["text"] for number in range(2000, 2030)]
    result = tunesmith.predict(str(tuned.bundle), texts=texts)
    flagged = [prediction["outside"] for prediction in result.predictions]
    assert flagged == [p["outside_score"] > told["threshold"] for p in result.predictions]
    assert sum(flagged) == round(30 * measures["outside_recall"].value)


def test_onnx_answers_with_the_same_confidence_and_strangeness(rows, tiny_model, tmp_path):
    settings = {"outside": STRANGE, "outside_score": "mahalanobis", "calibration": "temperature"}
    result = fit(rows, tiny_model, tmp_path / "run", method="probe", reliability=settings)
    tunesmith.export(str(result.bundle), precision="fp32")
    ask = {"texts": [row(5)["text"], strange(5)["text"]], "all_scores": True, "coverage": 0.8}
    ours, theirs = (
        tunesmith.predict(str(result.bundle), **ask, engine=engine).predictions
        for engine in ("torch", "onnx")
    )
    for one, other in zip(ours, theirs, strict=True):
        assert one.keys() == other.keys()
        assert one["confidence"] == pytest.approx(other["confidence"], abs=1e-4)
        assert one["outside_score"] == pytest.approx(other["outside_score"], rel=1e-3)
        assert (one["outside"], one["label_set"]) == (other["outside"], other["label_set"])


@pytest.mark.parametrize("name", ["energy", "mahalanobis", "neighbours"])
def test_each_score_is_served_from_the_bundle(rows, tiny_model, tmp_path, name):
    settings = {"outside": STRANGE, "outside_score": name, "bank_rows": 50}
    result = fit(
        rows,
        tiny_model,
        tmp_path / "run",
        reliability=settings,
        method="probe",
    )
    outside = load_engine(result.bundle).reliability.outside
    assert (outside.name, outside.needs_vector) == (name, name != "energy")
    if name == "neighbours":
        assert outside.statistics.bank.shape == (50, 32)
    texts = [row(5)["text"], strange(5)["text"]]
    inside, away = tunesmith.predict(str(result.bundle), texts=texts).predictions
    assert {"outside", "outside_score"} <= inside.keys()
    assert inside["outside_score"] != away["outside_score"]
    assert any("before its head was fitted" in note for note in result.report["notes"])


def test_default_score_is_told_only_where_it_is_asked_for(rows, tiny_model, tmp_path):
    result = fit(rows, tiny_model, tmp_path / "run", method="probe")
    known = load_engine(result.bundle).reliability.outside
    assert (known.name, known.label) == ("energy", None)
    ask = {"texts": ["order 1 is good"]}
    assert "outside" not in tunesmith.predict(str(result.bundle), **ask).predictions[0]
    assert "outside" in tunesmith.predict(str(result.bundle), **ask, outside=True).predictions[0]


def test_everything_can_be_switched_off(rows, tiny_model, tmp_path):
    off = {"calibration": "none", "keep_rows": False, "outside_score": "none"}
    result = fit(rows, tiny_model, tmp_path / "run", method="probe", reliability=off)
    manifest = json.loads((result.bundle / "bundle.json").read_text("utf-8"))
    assert manifest["calibration"] is None
    assert manifest["reliability"] is None
    assert not (result.bundle / "reliability").exists()


def test_few_validation_rows_teach_nothing_and_say_so_when_asked(plain):
    reliability = load_engine(plain.bundle).reliability
    assert (reliability.calibrator, reliability.held, reliability.outside) == (None, None, None)
    ask = {"texts": ["order 1 is good"]}
    for wish in ({"coverage": 0.9}, {"abstain_at": 0.9}, {"outside": True}):
        with pytest.raises(SpecError, match="50"):
            tunesmith.predict(str(plain.bundle), **ask, **wish)
    found = tunesmith.predict(str(plain.bundle), **ask, abstain_below=1.0).predictions[0]
    assert found["abstained"]


@pytest.mark.parametrize("wish", [{"coverage": 1.0}, {"coverage": 0}, {"abstain_at": 1.2}])
def test_impossible_wish_is_refused(plain, wish):
    with pytest.raises(SpecError, match=r"must be (above|below)"):
        tunesmith.predict(str(plain.bundle), texts=["a"], **wish)


def test_wishes_that_exclude_each_other_are_refused(tuned):
    with pytest.raises(SpecError, match="must not be given together"):
        tunesmith.predict(str(tuned.bundle), texts=["a"], abstain_at=0.5, abstain_below=0.5)


def test_label_of_strangers_that_nobody_has_is_refused(rows, tiny_model, tmp_path):
    with pytest.raises(DataError, match="must be the label of rows"):
        fit(rows, tiny_model, tmp_path / "run", reliability={"outside": "没有"})


def test_warning_names_the_rows_that_are_needed(tuned):
    heard = []
    session = Session(device="cpu", listener=heard.append)
    tunesmith.predict(str(tuned.bundle), texts=["a"], coverage=0.999, session=session)
    assert any("needs 999 validation rows" in getattr(event, "text", "") for event in heard)


def test_many_labels_keep_their_decisions_and_get_calibrated_odds(tiny_model, tmp_path):
    generator = np.random.default_rng(0)
    made = []
    for number in range(400):
        labels = [name for name in ("good", "late") if generator.random() < 0.4]
        said = [name for name in ("good", "late") if (name in labels) != (generator.random() < 0.2)]
        made.append({"text": f"it {number} is {' '.join(said)}", "labels": labels})
    result = tunesmith.fit(
        write(tmp_path / "rows.jsonl", made),
        task="multilabel",
        model=str(tiny_model),
        method="probe",
        split={"valid": 0.4},
        reliability={"calibration": "isotonic"},
        out=str(tmp_path / "run"),
        session=Session(device="cpu"),
    )
    from dataclasses import replace

    from tunesmith.core.examples import TextInput
    from tunesmith.runtime.engine import answer
    from tunesmith.runtime.reliability import Reliability

    engine = load_engine(result.bundle)
    inputs = [TextInput(each["text"]) for each in made[:40]]
    told = list(answer(engine, inputs))
    raw = list(answer(replace(engine, reliability=Reliability()), inputs))
    assert [reply.labels for reply in told] == [reply.labels for reply in raw]
    assert [reply.scores for reply in told] != [reply.scores for reply in raw]
    with pytest.raises(SpecError, match="not one of several"):
        tunesmith.predict(str(result.bundle), texts=["a"], coverage=0.9)
    with pytest.raises(SpecError, match="one of several with its probability"):
        tunesmith.predict(str(result.bundle), texts=["a"], abstain_below=0.9)
