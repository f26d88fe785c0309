"""What a bundle says of its limits: read back, refused where broken, missing in older ones."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tunesmith.core.answers import LabelsAnswer
from tunesmith.core.errors import DataError
from tunesmith.core.examples import TextInput
from tunesmith.measure.calibrators import Calibrator
from tunesmith.runtime.outside import Outside
from tunesmith.runtime.reliability import ARRAYS, HeldOut, Reliability, read_reliability
from tunesmith.stages.tune.calibrating import Calibration
from tunesmith.stages.tune.learned import Learned
from tunesmith.store.bundles import read_bundle, revise_bundle, write_bundle
from tunesmith.tasks.classification import Classification
from tunesmith.tasks.multilabel import MultiLabel

FIGURES = {"log_loss": 0.5, "brier": 0.2, "ece": 0.1}


def bundle_of(tmp_path, manifest, files=()):
    def fill(folder):
        for name, content in dict(files).items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(content)

    task = Classification(labels=("a", "b")).to_json()
    return write_bundle(tmp_path / "bundle", {"task": task, **manifest}, fill)


def test_what_was_learned_is_read_back(tmp_path):
    calibration = Calibration(Calibrator("softmax", (2.0,)), 60, FIGURES, FIGURES)
    held = HeldOut(np.array([0.9, 0.4]), np.array([True, False]))
    learned = Learned(calibration, held)
    bundle = bundle_of(tmp_path, learned.manifest(), learned.files())
    found = read_reliability(bundle)
    assert found.calibrator == Calibrator("softmax", (2.0,))
    np.testing.assert_array_equal(found.held.confidence, held.confidence)
    assert found.held.gold is None
    assert bundle.manifest["calibration"]["after"] == FIGURES


def test_older_bundle_knows_nothing(tmp_path):
    assert read_reliability(bundle_of(tmp_path, {"calibration": None})) == Reliability()
    assert Learned().files() == {}
    assert Learned().manifest() == {"calibration": None, "reliability": None}


def test_calibrator_that_changes_nothing_is_not_served():
    calibration = Calibration(Calibrator("softmax"), 60, FIGURES, FIGURES)
    assert Learned(calibration).serving.calibrator is None
    assert Learned(calibration).manifest()["calibration"]["name"] == "none"


@pytest.mark.parametrize(
    "manifest",
    [
        {"calibration": {"name": "temperature"}},
        {"calibration": 3},
        {"reliability": {"outside": {"name": "mahalanobis", "threshold": 1.0, "label": None}}},
    ],
)
def test_manifest_that_cannot_be_understood_is_refused(tmp_path, manifest):
    with pytest.raises(DataError, match="must be as `fit` writes them"):
        read_reliability(bundle_of(tmp_path, {"calibration": None, **manifest}))


def test_file_with_other_bytes_is_refused(tmp_path):
    held = HeldOut(np.array([0.9]), np.array([True]))
    learned = Learned(None, held)
    bundle = bundle_of(tmp_path, learned.manifest(), learned.files())
    (bundle.path / ARRAYS).write_bytes(b"other")
    with pytest.raises(DataError, match=r"reliability/arrays.safetensors"):
        read_bundle(bundle.path)
    broken = revise_bundle(bundle, {"seed": 1}, add={ARRAYS: b"no arrays"})
    with pytest.raises(DataError, match="must be as `fit` writes them"):
        read_reliability(broken)


def test_probabilities_are_calibrated_and_the_label_stays():
    task, item = Classification(labels=("a", "b")), TextInput("t")
    scores = np.array([0.0, 2.0])
    plain = Reliability().answer(task, scores, item)
    warm = Reliability(Calibrator("softmax", (2.0,))).answer(task, scores, item)
    assert warm.label == plain.label == "b"
    assert warm.confidence == pytest.approx(1 / (1 + np.exp(-1.0)))
    assert plain.to_json().keys() == {"label", "confidence"}


def test_decisions_of_many_labels_are_those_of_the_raw_outputs():
    task = MultiLabel(labels=("a", "b"))
    known = Reliability(Calibrator("sigmoid", shift=1.0))
    found = known.answer(task, np.array([0.5, -0.5]), TextInput("t"))
    assert isinstance(found, LabelsAnswer)
    assert found.labels == ("a",)
    assert found.scores["a"] == pytest.approx(1 / (1 + np.exp(0.5)))


def test_strangeness_stands_beside_the_label():
    known = Reliability(outside=Outside("energy", -1.0, "away"))
    task = Classification(labels=("a", "b"))
    near = known.answer(task, np.array([3.0, 0.0]), TextInput("t")).to_json()
    far = known.answer(task, np.array([0.0, 0.0]), TextInput("t")).to_json()
    assert (near["outside"], far["outside"]) == (False, True)
    assert far["outside_score"] == pytest.approx(-np.log(2), abs=1e-6)
    assert json.dumps(far)
