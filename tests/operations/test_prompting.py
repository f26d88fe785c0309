"""Methods that ask in words, from rows to a bundle: what is chosen, kept, said and refused."""

from __future__ import annotations

import json

import pytest

import tunesmith
from tunesmith.core.errors import DataError, SpecError
from tunesmith.runtime.canary import canary_difference
from tunesmith.runtime.loading import load_engine


@pytest.fixture
def fit(tmp_path, tiny_rows):
    def run(model, *, folder="run", data=tiny_rows, task="classification", **settings):
        method = {"name": "zero-shot", **settings}
        out = tmp_path / folder
        return tunesmith.fit(data, task=task, model=str(model), method=method, out=out)

    return run


def manifest(result):
    return json.loads((result.bundle / "bundle.json").read_text("utf-8"))


def write_rows(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


@pytest.mark.parametrize(
    ("kind", "by"),
    [("tiny_decoder", "likelihood"), ("tiny_writer", "likelihood"), ("tiny_masked", "cloze")],
)
def test_zero_shot_asks_as_the_model_is_made_for(request, fit, tmp_path, kind, by):
    result = fit(request.getfixturevalue(kind), calibration="contextual")
    kept = manifest(result)
    assert kept["template"]["by"] == by
    assert kept["template"]["template"] == "Text: {text}\nLabel: {label}"
    assert kept["template"]["words"] == {"bad": ["bad"], "good": ["good"]}
    assert kept["calibration"]["method"] == "contextual"
    assert len(kept["calibration"]["offsets"]) == 2
    engine = load_engine(result.bundle)
    assert canary_difference(engine, result.bundle / "canary.jsonl") < 1e-4
    said = tunesmith.predict(result.bundle, ["my card is lost"], all_scores=True).predictions[0]
    assert sum(said["scores"].values()) == pytest.approx(1, abs=1e-5)
    rows = write_rows(tmp_path / "test.jsonl", [{"text": "so good", "label": "good"}] * 3)
    assert tunesmith.evaluate(result.bundle, rows).measures["accuracy"].count == 3


def test_labels_of_training_rows_are_not_read_by_zero_shot(fit, tiny_decoder, tmp_path):
    rows = [{"text": f"order {n}", "label": ("good", "bad")[n % 2]} for n in range(40)]
    other = [{**row, "label": ("good", "bad")[n % 3 == 0]} for n, row in enumerate(rows)]
    found = []
    for name, own in (("one", rows), ("two", other)):
        result = fit(tiny_decoder, folder=name, data=write_rows(tmp_path / f"{name}.jsonl", own))
        found.append(tunesmith.predict(result.bundle, ["a", "b c"]).predictions)
    assert found[0] == found[1]


def test_chinese_rows_are_asked_in_chinese(fit, tiny_masked, tmp_path):
    rows = [{"text": f"我想要退款{n}", "label": ("好", "坏")[n % 2]} for n in range(40)]
    result = fit(tiny_masked, data=write_rows(tmp_path / "zh.jsonl", rows))
    assert manifest(result)["template"]["template"].startswith("文本：")


@pytest.mark.parametrize("choice", ["random", "balanced", "nearest", "diverse", "uncertain"])
def test_few_shot_keeps_its_examples_in_the_bundle(fit, tiny_decoder, choice):
    result = fit(
        tiny_decoder,
        **{"name": "few-shot", "examples": 3, "choice": choice, "order": "nearest_last"},
        template="{text} = {label}",
    )
    kept = manifest(result)["template"]
    assert len(kept["shots"]) == (54 if choice == "nearest" else 3)
    assert kept["nearest"] == (3 if choice == "nearest" else 0)
    assert (result.bundle / "examples.safetensors").exists() == (choice == "nearest")
    engine = load_engine(result.bundle)
    assert canary_difference(engine, result.bundle / "canary.jsonl") < 1e-4


def test_balanced_examples_hold_each_class_in_turn(fit, tiny_masked):
    result = fit(tiny_masked, **{"name": "few-shot", "examples": 4}, template="{text} = {mask}.")
    answers = [shot["answer"] for shot in manifest(result)["template"]["shots"]]
    assert answers == ["bad", "good", "bad", "good"]


def test_nearest_examples_may_be_found_by_a_model_for_sentences(fit, tiny_decoder, tiny_model):
    result = fit(
        tiny_decoder,
        **{"name": "few-shot", "examples": 2, "choice": "nearest", "vectors": str(tiny_model)},
        template="{text} = {label}",
    )
    assert (result.bundle / "encoder" / "model.safetensors").is_file()
    engine = load_engine(result.bundle)
    assert canary_difference(engine, result.bundle / "canary.jsonl") < 1e-4


def test_class_with_one_row_stands_among_the_examples(fit, tiny_decoder, tmp_path):
    rows = [{"text": f"order {n}", "label": "good"} for n in range(40)]
    rows.append({"text": "lost", "label": "bad"})
    data = tmp_path / "data"
    data.mkdir()
    write_rows(data / "train.jsonl", rows)
    write_rows(data / "valid.jsonl", rows[:4])
    result = fit(tiny_decoder, data=data, **{"name": "few-shot", "examples": 4})
    answers = [shot["answer"] for shot in manifest(result)["template"]["shots"]]
    assert answers == ["bad", "good", "good", "good"]


def test_examples_without_room_are_left_out_and_counted(fit, tiny_decoder):
    result = fit(tiny_decoder, **{"name": "few-shot", "examples": 40})
    kept = len(manifest(result)["template"]["shots"])
    assert 0 < kept < 40
    reasons = " ".join(result.report["training"]["reasons"])
    assert f"{40 - kept} of 40 examples left out" in reasons


def test_rows_without_room_for_their_nearest_examples_are_counted(fit, tiny_decoder):
    result = fit(tiny_decoder, **{"name": "few-shot", "examples": 30, "choice": "nearest"})
    said = "6 of 6 rows had no room for all 30 of their nearest examples"
    assert any(said in note for note in result.report["notes"])


def test_rows_beyond_the_prompts_room_are_counted_in_the_report(fit, tiny_decoder, tmp_path):
    rows = [{"text": "order " * 3 + str(n), "label": ("good", "bad")[n % 2]} for n in range(40)]
    data = tmp_path / "data"
    data.mkdir()
    write_rows(data / "train.jsonl", rows)
    write_rows(data / "valid.jsonl", [{"text": "order " * 300, "label": "good"}, rows[0]])
    result = fit(tiny_decoder, data=data)
    assert any("1 of 2 rows are longer than the prompt" in note for note in result.report["notes"])


def test_examples_that_never_fit_are_refused(fit, tiny_decoder, tmp_path):
    rows = [{"text": "order " * 100 + str(n), "label": ("good", "bad")[n % 2]} for n in range(40)]
    with pytest.raises(DataError, match="an example must fit beside a text"):
        fit(tiny_decoder, data=write_rows(tmp_path / "long.jsonl", rows), name="few-shot")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"template": "about {label}"}, r"must hold `\{text\}`"),
        ({"template": "{text} {label} {mask}"}, "once: the answer's place"),
        ({"template": "{text_a} {text} {label}"}, "a slot of matching"),
        ({"template": "{txt} {text} {label}"}, r"did you mean `\{text\}`"),
        ({"template": "{label} {text}"}, "must end with its answer"),
        ({"template": "{text {label}"}, "must close its braces"),
        ({"template": "{text} {examples} {label}"}, "must be the first slot"),
        ({"words": {"worse": "bad"}}, "must name labels of the rows; got worse"),
        ({"words": {"bad": "no|good"}}, "`good` for bad and good"),
        ({"words": {"bad": " "}}, "the label `bad` must have words"),
        ({"words": {"bad": "Ω"}}, "the vocabulary must know the words of `bad`"),
        ({"words": {"bad": "\u200b"}}, "a word of `bad` must have tokens"),
        ({"by": "cloze"}, "must be likelihood for a causal model"),
    ],
)
def test_prompt_that_cannot_be_asked_is_refused(fit, tiny_decoder, settings, said):
    with pytest.raises(SpecError, match=said):
        fit(tiny_decoder, **settings)


def test_all_problems_of_a_template_are_told_at_once(fit, tiny_decoder):
    with pytest.raises(SpecError) as caught:
        fit(tiny_decoder, template="{head} {labl} {mask} {label}")
    assert len(caught.value.problems) == 4


@pytest.mark.parametrize(
    ("task", "method", "model", "said"),
    [
        ("ner", "few-shot", "tiny_decoder", "ner has other answers"),
        ("qa", "zero-shot", "tiny_masked", "qa has other answers"),
        ("classification", "few-shot", "tiny_model", "must be a model that guesses words"),
        ("multilabel", "zero-shot", "tiny_model", "the names of labels"),
    ],
)
def test_task_or_model_that_cannot_be_asked_is_refused_before_rows_are_read(
    request, tmp_path, task, method, model, said
):
    with pytest.raises(SpecError, match=said):
        tunesmith.fit(
            "nowhere.jsonl",
            task=task,
            method=method,
            model=str(request.getfixturevalue(model)),
            out=tmp_path / "run",
        )


def test_export_of_a_bundle_that_answers_by_a_prompt_is_refused(fit, tiny_masked):
    with pytest.raises(SpecError, match="answers by a prompt"):
        tunesmith.export(fit(tiny_masked).bundle)
