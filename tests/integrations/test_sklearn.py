"""Bundles among scikit-learn's own tools: metrics, pipelines, folds, clones, its own check."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import accuracy_score, get_scorer, log_loss
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import check_estimator

import tunesmith
from tunesmith.core.errors import DataError, SpecError
from tunesmith.integrations.sklearn import BundleClassifier, TunesmithClassifier

TEXTS = ["the card is good", "my order is bad and broken", "good"]
TRUTH = ["good", "bad", "good"]


def stripped(texts):
    return [text.strip() for text in texts]


@pytest.fixture(scope="module")
def rows():
    texts = [f"{('good', 'bad')[n % 2]} card {n}" for n in range(80)]
    return np.array(texts), np.array([n % 2 for n in range(80)])


@pytest.fixture(scope="module")
def classifier(tiny_model, few_steps):
    return TunesmithClassifier(
        model=str(tiny_model),
        settings={"training": {**few_steps, "max_steps": 60}, "device": "cpu"},
    )


def test_bundle_is_a_fitted_classifier_that_answers_as_predict_does(classifier_bundle):
    model = BundleClassifier(str(classifier_bundle), device="cpu")
    assert model.classes_.tolist() == ["bad", "good"]
    wanted = tunesmith.predict(str(classifier_bundle), texts=TEXTS, all_scores=True).predictions
    found = model.predict_proba(TEXTS)
    assert found.shape == (3, 2)
    for row, right in zip(found, wanted, strict=True):
        assert dict(zip(model.classes_, row, strict=True)) == pytest.approx(right["scores"])
    labels = [row["label"] for row in wanted]
    assert model.predict(np.array(TEXTS, dtype=object)).tolist() == labels
    assert model.score(TEXTS, labels) == accuracy_score(labels, model.predict(TEXTS)) == 1.0
    assert log_loss(TRUTH, found) == pytest.approx(-get_scorer("neg_log_loss")(model, TEXTS, TRUTH))
    assert model.predict_proba([]).shape == (0, 2)


def test_bundle_in_a_pipeline_and_frozen_is_left_as_it_is(classifier_bundle):
    model = BundleClassifier(str(classifier_bundle))
    labels = model.predict(TEXTS).tolist()
    pipeline = make_pipeline(FunctionTransformer(stripped), FrozenEstimator(model))
    pipeline.fit([f" {text} " for text in TEXTS], labels)
    assert pipeline.predict([f"  {text}" for text in TEXTS]).tolist() == labels
    assert pickle.loads(pickle.dumps(model)).predict(TEXTS).tolist() == labels  # noqa: S301
    with pytest.raises(SpecError, match="tuned already"):
        model.fit(TEXTS, labels)


def test_bundle_of_another_task_and_what_is_no_text_are_refused(embedder_bundle, classifier_bundle):
    with pytest.raises(SpecError, match="for matching"):
        BundleClassifier(str(embedder_bundle)).predict(TEXTS)
    for wrong in ("one text", [1, 2], np.zeros((2, 3))):
        with pytest.raises(DataError, match="list of texts"):
            BundleClassifier(str(classifier_bundle)).predict(wrong)


def test_fitted_estimator_answers_in_the_labels_it_was_given(classifier, rows):
    model = clone(classifier).fit(*rows)
    assert model.classes_.tolist() == [0, 1]
    assert model.score(*rows) > 0.9
    assert model.predict_proba(rows[0][:3]).sum(axis=1) == pytest.approx(1.0)
    assert model.report_["data"]["split"] == "valid"
    with pytest.raises(SpecError, match="a folder that stays"):
        pickle.dumps(model)


def test_clone_has_the_settings_and_not_what_was_learned(classifier, rows):
    other = clone(classifier.set_params(seed=3))
    assert other.get_params() == classifier.get_params()
    assert other.seed == 3
    with pytest.raises(NotFittedError):
        other.predict(rows[0])
    classifier.set_params(seed=0)


def test_folds_are_each_tuned_in_a_folder_of_their_own(classifier, rows, tmp_path):
    model = clone(classifier).set_params(out=str(tmp_path), method="probe", settings=None)
    scores = cross_val_score(model, *rows, cv=2)
    assert scores.shape == (2,)
    assert scores.min() > 0.8
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fit-1", "fit-2"]


def test_kept_estimator_answers_alike_when_it_is_unpacked(classifier, rows, tmp_path):
    model = clone(classifier).set_params(out=str(tmp_path)).fit(*rows)
    again = pickle.loads(pickle.dumps(model))  # noqa: S301
    np.testing.assert_allclose(again.predict_proba(TEXTS), model.predict_proba(TEXTS), atol=1e-6)


def test_labels_that_do_not_fit_the_texts_are_refused(classifier, rows):
    with pytest.raises(DataError, match="one label a text"):
        clone(classifier).fit(rows[0], rows[1][:-1])
    with pytest.raises(SpecError, match="must be classification"):
        clone(classifier).set_params(task="ner").fit(*rows)


@pytest.mark.filterwarnings("ignore")
def test_estimator_passes_what_scikit_learn_checks_of_those_that_read_text(classifier):
    found = check_estimator(clone(classifier), on_fail="raise")
    assert {check["status"] for check in found} <= {"passed", "skipped"}
    assert any(check["status"] == "passed" for check in found)
