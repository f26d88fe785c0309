"""zoo rank on tiny models: order, what is told of each, and what cannot be ranked."""

from __future__ import annotations

import json
import shutil

import pytest

import tunesmith
from tunesmith.core.errors import DataError, NotFoundError, SpecError
from tunesmith.session import Session
from tunesmith.store.workspace import Workspace


@pytest.fixture(autouse=True)
def _cache(monkeypatch, tmp_path):
    """Keep the user's own cache out of it."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.fixture(scope="module")
def work(tmp_path_factory, tiny_model, tiny_rows):
    """Return a session in which a probe was tuned, and the folder of its run."""
    folder = tmp_path_factory.mktemp("ranked")
    session = Session(workspace=Workspace(folder / "home"))
    tunesmith.fit(
        tiny_rows,
        task="classification",
        model=tiny_model,
        method="probe",
        out=folder / "run",
        session=session,
    )
    return session, folder / "run"


@pytest.fixture(scope="module")
def ranked(work, tiny_model, tiny_masked, tiny_rows):
    session, run = work
    names = [str(tiny_model), str(tiny_masked), str(run / "bundle" / "model")]
    return tunesmith.zoo("rank", tiny_rows, task="classification", models=names, session=session)


def test_rank_gives_every_model_a_place_a_score_and_its_cost(ranked):
    lines = ranked.models
    assert [line["place"] for line in lines] == [1, 2, 3]
    for line in lines:
        assert line["score_low"] <= line["score"] <= line["score_high"]
        assert line["place_low"] <= line["place"] <= line["place_high"]
        assert set(line["shares"]) == {"logme", "h_score", "neighbours", "probe"}
        assert line["latency_ms"] > 0
        assert line["memory_gb"] > 0.1
        assert line["disk_bytes"] > 10_000
    assert ranked.details["rows"] == ranked.details["train_rows"] == 54
    assert "--task classification --model" in ranked.details["next"]
    json.dumps(ranked.to_json())


def test_classifier_is_asked_what_its_own_labels_tell(ranked):
    by_id = {line["id"]: line["nce"] for line in ranked.models}
    assert by_id["model"]["ratio"] > 0.5
    assert by_id["model"]["nats"] <= 0
    others = [nce for name, nce in by_id.items() if name != "model"]
    assert {nce["why"] for nce in others} == {"the model has no labels of its own"}


def test_measured_results_on_the_same_rows_stand_beside_the_estimate(ranked, tiny_model):
    known = {line["path"]: line["measured"] for line in ranked.models}
    found = known[str(tiny_model)]
    assert (found["method"], found["measure"], found["count"]) == ("probe", "accuracy", 6)
    assert sum(measured is not None for measured in known.values()) >= 1


def test_ranking_is_kept_and_shown(work, ranked, tiny_model):
    session, _ = work
    tunesmith.zoo("add", tiny_model, name="tiny", session=session)
    (kept,) = (session.workspace.root / "rankings").glob("*.json")
    assert json.loads(kept.read_text("utf-8"))["ranking"][0]["id"] == ranked.models[0]["id"]
    (ranking, line) = next(session.workspace.rankings.of(ranked.models[0]["id"]))
    assert (ranking["task"], line["place"]) == ("classification", 1)
    tunesmith.zoo("remove", "tiny", session=session)


def test_same_request_gives_the_same_ranking(work, ranked, tiny_model, tiny_rows):
    session, _ = work
    again = tunesmith.zoo(
        "rank", tiny_rows, task="classification", models=str(tiny_model), session=session
    )
    mine = next(line for line in ranked.models if line["path"] == str(tiny_model))
    assert again.models[0]["score"] == mine["score"]


def test_without_names_all_models_of_this_machine_that_can_are_ranked(
    work, tiny_model, tiny_rows, monkeypatch
):
    session, _ = work
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    tunesmith.zoo("add", tiny_model, name="tiny", session=session)
    found = tunesmith.zoo("rank", tiny_rows, task="classification", rows=20, session=session)
    assert [line["id"] for line in found.models] == ["tiny"]
    assert found.details["rows"] == 20
    assert tunesmith.zoo("show", "tiny", session=session).details["ranked"][0]["place"] == 1
    tunesmith.zoo("remove", "tiny", session=session)


def test_limits_leave_models_out_and_say_why(work, tiny_model, tiny_rows, tmp_path):
    session, _ = work
    licensed = shutil.copytree(tiny_model, tmp_path / "licensed")
    (licensed / "README.md").write_text("---\nlicense: mit\nlanguage: en\n---\n", "utf-8")
    found = tunesmith.zoo(
        "rank",
        tiny_rows,
        task="classification",
        models=[str(tiny_model), str(licensed)],
        licence="commercial",
        language="en",
        session=session,
    )
    assert [line["id"] for line in found.models] == ["licensed"]
    assert "its licence is not stated" in found.details["left_out"][0]["why"]
    slow = tunesmith.zoo(
        "rank",
        tiny_rows,
        task="classification",
        models=str(tiny_model),
        max_latency_ms=1e-6,
        session=session,
    )
    assert slow.models[0]["place"] is None
    assert "ms a row, 1e-06 are allowed" in slow.models[0]["state"]
    with pytest.raises(NotFoundError, match="parameters, 2 are allowed"):
        tunesmith.zoo(
            "rank",
            tiny_rows,
            task="classification",
            models=str(tiny_model),
            max_parameters=2,
            session=session,
        )


@pytest.mark.parametrize("sample", ["orders", "pairs"])
def test_words_and_pairs_are_ranked(work, repository, tiny_model, tiny_masked, sample):
    session, _ = work
    task = {"orders": "ner", "pairs": "matching"}[sample]
    found = tunesmith.zoo(
        "rank",
        repository / "examples" / sample,
        task=task,
        models=[str(tiny_model), str(tiny_masked)],
        session=session,
    )
    assert [line["place"] for line in found.models] == [1, 2]
    assert all(0 <= share <= 1 for line in found.models for share in line["shares"].values())


def test_pairs_are_ranked_for_models_that_write_too(work, repository, tiny_decoder):
    session, _ = work
    rows = repository / "examples" / "pairs"
    found = tunesmith.zoo("rank", rows, task="matching", models=tiny_decoder, session=session)
    assert found.models[0]["place"] == 1


def test_unknown_models_are_all_named_with_the_nearest(tiny_rows):
    with pytest.raises(NotFoundError) as raised:
        tunesmith.zoo("rank", tiny_rows, task="ner", models="bert-base-uncasd,gpt22")
    assert len(raised.value.problems) == 2
    assert "the nearest are bert-base-uncased" in str(raised.value)


def test_known_model_that_is_not_here_says_how_to_fetch_it(tiny_rows):
    with pytest.raises(NotFoundError, match="must be on this machine") as raised:
        tunesmith.zoo("rank", tiny_rows, task="ner", models="bge-small-zh-v1.5")
    assert raised.value.hint == "tunesmith zoo fetch bge-small-zh-v1.5"


def test_no_model_here_says_how_one_comes(tiny_rows, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(NotFoundError, match="must be on this machine") as raised:
        tunesmith.zoo("rank", tiny_rows, task="classification")
    assert raised.value.hint.startswith("tunesmith zoo fetch ")


def test_model_that_cannot_do_the_task_is_refused_with_those_that_can(tmp_path, tiny_writer):
    (tmp_path / "rows.conll").write_text("Ann B-PER\nleft O\n\n" * 30, "utf-8")
    with pytest.raises(SpecError, match=r"can be tuned for ner.*seq2seq") as raised:
        tunesmith.zoo("rank", tmp_path / "rows.conll", task="ner", models=str(tiny_writer))
    assert "can" in str(raised.value.problems[-1])
    assert raised.value.hint == "tunesmith zoo list --task ner"


def test_model_with_a_decoder_is_ranked_by_its_encoder(tiny_rows, tiny_writer, tiny_model):
    names = f"{tiny_writer},{tiny_model}"
    found = tunesmith.zoo("rank", tiny_rows, task="classification", models=names, rows=60)
    assert sorted(line["place"] for line in found.models) == [1, 2]


@pytest.mark.parametrize(("task", "said"), [(None, "must be given"), ("qa", "must be one of")])
def test_task_that_is_missing_or_has_no_ranking_is_refused(tiny_rows, task, said):
    with pytest.raises(SpecError, match=said):
        tunesmith.zoo("rank", tiny_rows, task=task)


def test_rows_of_one_class_are_refused(tmp_path, tiny_model):
    rows = tmp_path / "rows.csv"
    rows.write_text("text,label\n" + "".join(f"text {n},a\n" for n in range(30)), "utf-8")
    with pytest.raises(DataError, match="at least two different answers"):
        tunesmith.zoo("rank", rows, task="classification", models=str(tiny_model))
