"""Every benchmark can be imported, and its own arithmetic is right. No rival is run."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tunesmith.core.events import Step, Validated


def test_every_module_of_the_benchmarks_can_be_imported(repository, load_benchmark):
    folder = repository / "benchmarks"
    names = [path.stem for path in folder.glob("*.py")]
    names += [f"rivals.{path.stem}" for path in (folder / "rivals").glob("[!_]*.py")]
    names.remove("rivals.pipeline_once")  # a program of four lines that answers when imported
    loaded = [load_benchmark(name) for name in names]
    assert len(loaded) > 16
    assert all(module.__doc__ for module in loaded)


def test_scripts_that_make_bench_runs_exist(repository, load_benchmark):
    scripts = load_benchmark("everything").SCRIPTS
    assert len(scripts) > 4
    assert all((repository / "benchmarks" / script[0]).is_file() for script in scripts)


def test_failing_script_is_noticed_and_its_lines_kept(
    load_benchmark, tmp_path, monkeypatch, capsys
):
    everything = load_benchmark("everything")
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "good.py").write_text('print("{\\"row\\": 1}")\n')
    (tmp_path / "benchmarks" / "bad.py").write_text('print("half"); raise SystemExit(3)\n')
    monkeypatch.setattr(everything, "ROOT", tmp_path)
    lines = tmp_path / "lines.jsonl"
    assert everything.run_script(("good.py",), lines)
    assert not everything.run_script(("bad.py",), lines)
    told = [json.loads(line) for line in lines.read_text().splitlines() if line != "half"]
    assert [[*line][0] for line in told] == ["begun", "row", "ended", "begun"]
    assert lines.read_text().endswith("half\n")
    assert capsys.readouterr().out == '{"row": 1}\nhalf\n'
    assert everything.keep_ended(lines) == {"good.py"}
    assert [json.loads(line) for line in lines.read_text().splitlines()] == told[:3]


def test_scripts_of_another_commit_are_run_again(load_benchmark, tmp_path):
    everything, lines = load_benchmark("everything"), tmp_path / "lines.jsonl"
    lines.write_text('{"begun": "a.py"}\n{"row": 1}\n{"ended": "a.py", "commit": "another"}\n')
    assert everything.keep_ended(lines) == set()
    assert lines.read_text() == ""


def step(index, seconds):
    return Step(index, 1.0, 1e-4, tokens=100, seconds=seconds, epoch=0, total=9)


@pytest.fixture
def timeline(load_benchmark, monkeypatch):
    """Return a run of three steps with a validation after the second and the third.

    It was called at 10 s; the steps ended at 15, 16 and 25 s and took 2, 1 and 3 s.
    """
    ours = load_benchmark("ours")
    times = iter([15.0, 16.0, 20.0, 25.0, 29.0])
    monkeypatch.setattr(ours.time, "perf_counter", lambda: next(times))
    run = ours.Timeline(begun=10.0)
    run(step(1, 2.0))
    run(step(2, 1.0))
    run(Validated(2, "accuracy", 0.5, best=True, state="step 2"))
    run(step(3, 3.0))
    run(Validated(3, "accuracy", 0.8, best=True, state="step 3"))
    monkeypatch.undo()
    return run


def test_timeline_counts_what_stands_before_the_first_step_and_between_steps(timeline):
    assert timeline.prepared == 3.0
    loop = timeline.loop()
    assert (loop.amount, loop.seconds) == (300, 12.0)


def test_time_to_score_leaves_validations_out(timeline):
    assert timeline.seconds_to(0.5) == 3.0 + 2.0 + 1.0
    assert timeline.seconds_to(0.7) == 3.0 + 2.0 + 1.0 + 3.0
    assert timeline.seconds_to(0.9) is None


def test_latency_ratios_are_medians_of_blocks(load_benchmark):
    predict = load_benchmark("predict")
    ratios = predict.median_ratios([4.0] * 10, [1.0] * 5 + [2.0] * 5)
    assert len(ratios) == 5
    assert ratios == pytest.approx([4.0 / 1.5] * 5)
    assert predict.median_ratios([3.0], [1.0]) == [3.0]


def test_label_differences_are_counted_text_by_text(load_benchmark):
    assert load_benchmark("predict").count_differences(["a", "b", "c"], ["a", "c", "b"]) == 2


def test_lowest_cosine_ignores_the_centre_and_the_length(load_benchmark):
    vectors = np.array([[1.0, 2.0, 4.0], [0.0, 1.0, 0.0]])
    cosine = load_benchmark("embeddings").lowest_cosine
    assert cosine(vectors, 3 * vectors + 7) == pytest.approx(1.0)
    assert cosine(vectors, vectors * [[1], [-1]]) == pytest.approx(-1.0)


def test_rows_written_for_a_round_are_read_back_as_they_were(load_benchmark, tmp_path):
    from tunesmith.data.examples import read_examples
    from tunesmith.tasks import make_task

    source = tmp_path / "source.jsonl"
    source.write_text(
        '{"tokens": ["Ada", "met", "New", "York"], "tags": ["B-PER", "O", "B-LOC", "I-LOC"]}\n'
    )
    examples = read_examples(source, make_task("ner"))
    written = tmp_path / "data" / "train.jsonl"
    load_benchmark("public_rows").write_rows(written, examples)
    again = read_examples(written, make_task("ner"))
    assert [(each.inputs, each.gold) for each in again] == [
        (each.inputs, each.gold) for each in examples
    ]


def test_weights_of_each_form_are_counted_apart(load_benchmark, tmp_path):
    forms = load_benchmark("forms")
    sizes = {"model/model.safetensors": 40, "onnx/model.onnx": 3, "onnx/model.onnx.data": 30}
    for name, size in {**sizes, "onnx/int8/model.onnx": 11, "report.json": 7}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x" * size)
    counted = {form.name: forms.weight_bytes(tmp_path, form) for form in forms.FORMS}
    assert counted == {"torch_fp32": 40, "torch_bf16": 40, "onnx_fp32": 33, "onnx_int8": 11}


def test_joint_table_says_gain_only_where_the_interval_leaves_out_zero(load_benchmark):
    summary = load_benchmark("joint").summary
    alone = {0: 0.70, 1: 0.72, 2: 0.71}
    better = summary({seed: value + 0.02 for seed, value in alone.items()}, alone)
    assert better["against task alone"]["verdict"] == "gain"
    assert better["against task alone"]["value"] == pytest.approx(0.02)
    # t(0.975, 2) is 4.3027; the standard error of the mean is 0.01 / sqrt(3)
    assert better["high"] - better["value"] == pytest.approx(4.3027 * 0.01 / 3**0.5, abs=1e-4)
    mixed = summary({0: 0.75, 1: 0.70, 2: 0.72}, alone)
    assert mixed["against task alone"]["verdict"] == "no gain"
    worse = summary({seed: value - 0.02 for seed, value in alone.items()}, alone)
    assert worse["against task alone"]["verdict"] == "loss"
    single = summary({0: 0.8}, alone)["against task alone"]
    assert (single["low"], single["verdict"]) == (None, "one seed tells nothing")
    assert "against task alone" not in summary(alone, alone)


def test_booster_gains_are_paired_by_seed_and_told_where_there_is_none(load_benchmark):
    summary = load_benchmark("boosters").summary
    plain = {0: 0.70, 1: 0.80, 2: 0.75}
    assert "gain" not in summary(plain, plain)
    better = summary({seed: value + 0.02 + seed / 1000 for seed, value in plain.items()}, plain)
    assert better["gain"]["verdict"] == "gain"
    assert (better["gain"]["value"], better["gain"]["sd"]) == (0.021, 0.001)
    assert summary(dict(plain), plain)["gain"]["verdict"] == "no gain"
    refused_once = summary({0: 0.70, 2: 0.80}, plain)
    assert refused_once["gain"]["count"] == 2


def test_label_sets_of_random_halves_lie_within_their_band(load_benchmark):
    conformal = load_benchmark("conformal")
    generator = np.random.default_rng(0)
    scores, gold = generator.random((1000, 4)), generator.integers(4, size=1000)
    found = conformal.split_often(scores, gold, each_class=False, splits=60)
    assert found["value"] == pytest.approx(0.9, abs=0.015)
    assert found["within_band"] >= 0.85
    low, high = conformal.band_of_halves(500, 500)
    assert low < found["band_of_calibration"][0] < 0.9 < found["band_of_calibration"][1] < high
    assert "band" not in conformal.split_often(scores, gold, each_class=True, splits=2)


def test_rows_outside_are_written_where_they_are_taught(load_benchmark, tmp_path):
    outside = load_benchmark("outside")
    splits = {
        name: [[f"{name} text", "oos" if "oos" in name else "greet"]]
        for part in ("train", "val", "test")
        for name in (part, f"oos_{part}")
    }
    for taught in (True, False):
        folder = tmp_path / str(taught)
        outside.write_splits(splits, folder, taught=taught)
        counts = [
            len((folder / f"{name}.jsonl").read_text("utf-8").splitlines())
            for name in ("train", "valid", "test")
        ]
        assert counts == [2 if taught else 1, 2, 2]


def test_ranking_is_held_to_true_scores_and_its_first_choice_to_the_best(load_benchmark):
    agreement = load_benchmark("ranking").agreement
    found = agreement([0.1, 0.2, 0.4], [0.50, 0.60, 0.80])
    assert found["pearson"] == pytest.approx(1.0)
    assert (found["kendall"], found["regret_points"]) == (1.0, 0.0)
    wrong = agreement([0.4, 0.2, 0.1], [0.50, 0.60, 0.80])
    assert wrong["kendall"] == -1.0
    assert wrong["regret_points"] == pytest.approx(30.0)
