"""Results in a terminal: every kind is shown, hostile text as text, long paths in one piece."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tunesmith.interfaces.tables import SHOWN_CLASSES, show
from tunesmith.model.known import find_entry
from tunesmith.operations.check import CheckResult
from tunesmith.operations.env import EnvResult
from tunesmith.operations.evaluate import EvaluateResult
from tunesmith.operations.export import ExportResult
from tunesmith.operations.fit import FitResult
from tunesmith.operations.predict import PredictResult
from tunesmith.operations.runs import RunsResult
from tunesmith.operations.zoo import ZooResult

HOSTILE = "[red]x[/red] [/] \x1b[31m\x07 :smile: 北京 {0} %s"
SHOWN = "[red]x[/red] [/] \\x1b[31m\\x07 :smile: 北京 {0} %s"
LONG = "/very/long" * 12


def measure(value: float = 0.5) -> dict[str, Any]:
    return {"value": value, "unit": "ratio", "count": 1234, "low": 0.4, "high": 0.6}


def report(title: str = "rows", labels: tuple[str, ...] = ("good",)) -> dict[str, Any]:
    scores = [
        {"label": label, "precision": 0.5, "recall": 0.5, "f1": number / 100, "support": 3}
        for number, label in enumerate(labels)
    ]
    return {
        "title": title,
        "data": {"rows": 1234, "split": "test"},
        "headline": ["accuracy"],
        "measures": {"accuracy": measure(), "ece": {**measure(0.1), "low": None, "high": None}},
        "classes": scores,
        "notes": [f"A note on {title}."],
    }


def run(**fields: Any) -> dict[str, Any]:
    return {
        "id": "ab12cd34",
        "operation": "fit",
        "status": "done",
        "started": "2026-01-02T03:04:05.678+00:00",
        "finished": None,
        "out": "runs/x",
        "spec": {},
        "result": {"headline": ["accuracy"], "measures": {"accuracy": measure()}},
        "problem": None,
        **fields,
    }


def finding(severity: str, message: str = "found") -> dict[str, Any]:
    return {"name": "size", "severity": severity, "message": message, "places": ["a.csv:2"]}


@pytest.fixture
def shown(capsys, monkeypatch):
    """Return a function that gives what a result looks like, in a terminal of 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")

    def look(result: Any) -> str:
        show(result)
        printed = capsys.readouterr()
        assert printed.err == ""
        return printed.out

    return look


def test_check_with_and_without_a_fault_says_what_fit_would_do(shown):
    rows = {"train": 1200, "valid": 34, "test": 0}
    good = shown(CheckResult("rows.csv", rows, (finding("note"), finding("warning"))))
    assert "train 1,200, valid 34 rows" in good
    assert "a.csv:2" in good
    assert "`fit` would accept these rows" in good
    bad = shown(CheckResult("rows.csv", rows, (finding("fault"), finding("fault"))))
    assert "2 fault(s): `fit` would refuse these rows" in bad


def test_fit_shows_measures_classes_paths_and_what_to_type_next(shown):
    result = FitResult(Path(LONG), report(), 12.34, (f"tunesmith predict {LONG} 'x'",))
    text = shown(result)
    assert "rows: 1,234 rows (test)" in text
    assert "0.500 [0.400, 0.600]  n=1,234" in text
    assert "good" in text
    assert "Note: A note on rows." in text
    assert f"Bundle  {LONG}\n" in text
    assert f"Report  {LONG}/report.html\n" in text
    assert f"  tunesmith predict {LONG} 'x'\n" in text


def test_evaluate_names_its_folder_only_where_there_is_one(shown):
    assert f"Report  {LONG}/report.html\n" in shown(EvaluateResult("b", "f", report(), LONG))
    assert "report.html" not in shown(EvaluateResult("b", "f", report(), None))


def test_classes_are_listed_weakest_first_and_counted_where_cut(shown):
    labels = tuple(f"label-{number}" for number in range(SHOWN_CLASSES + 5))
    text = shown(EvaluateResult("b", "f", report(labels=labels), None))
    assert f"{SHOWN_CLASSES} of {SHOWN_CLASSES + 5}" in text
    assert text.index("label-0 ") < text.index("label-1 ")
    assert f"label-{SHOWN_CLASSES}" not in text


@pytest.mark.parametrize(
    ("prediction", "line"),
    [
        ({"text": "t", "label": "a", "confidence": 0.9}, "a  0.900  t"),
        ({"text": "t", "labels": ["a", "b"], "confidences": [0.9, 0.8]}, "a 0.900, b 0.800  t"),
        ({"text": "t", "labels": [], "confidences": []}, "no label  t"),
        (
            {"text": "t", "entities": [{"text": "t", "type": "X", "confidence": 0.5}]},
            "t (X 0.50)  t",
        ),
        ({"text": "t", "entities": []}, "no entity  t"),
    ],
)
def test_prediction_of_each_task_is_one_line(shown, prediction, line):
    assert shown(PredictResult("b", "f", 1, 0.1, (prediction,), None)) == line + "\n"


def test_prediction_with_scores_lists_them_highest_first(shown):
    prediction = {"text": "t", "label": "a", "confidence": 0.9, "scores": {"b": 0.1, "a": 0.9}}
    text = shown(PredictResult("b", "f", 1, 0.1, (prediction,), None))
    assert text.splitlines()[1:] == ["    0.9000  a", "    0.1000  b"]


def test_answers_in_a_file_are_counted_and_on_standard_output_are_not(shown):
    assert "1,200 rows answered into a.csv" in shown(
        PredictResult("b", "f", 1200, 1.0, (), "a.csv")
    )
    assert shown(PredictResult("b", "f", 1200, 1.0, (), "-")) == ""


def parity(score: dict[str, Any] | None) -> dict[str, Any]:
    figures = {"rows": 9, "decisions": 1000, "agreement": 0.995, "largest_difference": 0.02}
    return {**figures, "score": score}


def test_export_shows_its_file_size_and_parity(shown):
    score = {"measure": "f1", "rows": 9, "data": "d", "source": 0.5, "export": 0.49}
    figures = (23_000_000, 92_000_000)
    lines = shown(ExportResult("b", "f", "onnx/x.onnx", "int8", *figures, parity(score), 1.0))
    assert "Export  b/onnx/x.onnx\n" in lines
    assert "23.0 MB, 25% of the weights" in lines
    assert "99.50% of 1,000 decisions equal, probabilities within 0.02" in lines
    assert "f1 0.5000 to 0.4900 on 9 rows of d" in lines
    without = ExportResult("b", "f", "onnx/x.onnx", "int8", *figures, parity(None), 1.0)
    assert "Score" not in shown(without)


def test_runs_are_listed_with_their_headline_or_first_problem(shown):
    problem = {"error": "data", "problems": [{"must": "rows must have labels"}], "hint": ""}
    failed = run(id="ffff0000", status="failed", result=None, problem=problem, out=None)
    bare = run(id="eeee0000", result=None)
    text = shown(RunsResult("list", {"runs": [run(), failed, bare]}))
    assert "accuracy 0.500" in text
    assert "rows must have labels" in " ".join(text.split())
    assert "01-02 03:04" in text
    assert "eeee0000" in text


def test_one_run_is_shown_whole_and_none_says_how_to_begin(shown):
    assert '"operation": "fit"' in shown(RunsResult("show", {"runs": [run()]}))
    assert "Begin with: tunesmith fit" in shown(RunsResult("list", {"runs": []}))


def test_every_action_of_runs_is_shown(shown, monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    alias = {
        "alias": "@production",
        "path": f"{tmp_path}/runs/x/bundle",
        "fingerprint": "f" * 64,
        "run": "abcd1234",
        "since": "2026-01-02T03:04:05",
        "until": None,
        "author": "me@here",
        "reason": "export",
    }
    text = shown(RunsResult("alias", {"aliases": [alias]}))
    assert "@production  runs/x/bundle" in text
    assert "since 2026-01-02 03:04 UTC by me@here (export), run abcd1234" in text
    assert "Begin with: tunesmith runs alias" in shown(RunsResult("alias", {"aliases": []}))
    row = {"model": "minilm", "method": "probe", "bundle": "/b", "run": "abcd1234"}
    row |= {"seconds": 1.25, "peak_bytes": None, **measure(0.75)}
    board = {"measure": "accuracy", "lower_is_better": False, "task": "classification"}
    board |= {"names": ["/d/test.csv"], "split": "test", "data_sha256": "e" * 64, "rows": [row]}
    text = shown(RunsResult("leaderboard", {"boards": [board]}))
    assert "accuracy (higher is better), classification, n=1,234, rows eeeeeeeeeeee: " in text
    assert "0.750 [0.400, 0.600]" in text
    node = {"kind": "bundle", "path": None, "is_there": False, "fingerprint": "e" * 64}
    node |= {"run": None, "aliases": []}
    parent = {**node, "path": "/w/teacher", "run": "ffff0000"}
    made = {**node, "path": str(tmp_path / "x"), "is_there": True, "aliases": ["@production"]}
    made |= {"parents": [{**parent, "parents": [node]}], "children": [node]}
    text = shown(RunsResult("show", {"runs": [run()], "lineage": [made]}))
    assert "bundle x eeeeeeeeeeee @production" in text
    assert "made from bundle /w/teacher (gone) eeeeeeeeeeee run ffff0000" in text
    assert "became bundle not recorded here" in text
    found = {
        "records_without_folder": [{"run": "abcd1234", "folder": "/gone", "started": ""}],
        "folders_without_record": [{"folder": "/stray", "bytes": 2_000_000, "needed_by": []}],
        "stale_checkpoints": [{"folder": "/x/checkpoint-3", "bytes": 1_500_000}],
        "is_done": False,
        "removes_folders": False,
    }
    text = shown(RunsResult("gc", found))
    assert "Would remove /x/checkpoint-3 (1.5 MB)" in text
    assert "No record tells of /stray (2.0 MB); --folders removes it" in text
    assert "Do it: tunesmith runs gc --yes" in text
    text = shown(RunsResult("gc", {**found, "is_done": True, "removes_folders": True}))
    assert "Removed /stray" in text
    assert "Nothing was removed" not in text
    text = shown(RunsResult("tag", {"runs": [{**run(), "name": "n", "tags": ["t"], "note": ""}]}))
    assert "Name  n" in text
    assert "Tags  t" in text


def test_env_shows_what_is_missing(shown):
    result = EnvResult(
        {"torch": "2"}, "Linux", 4, "cpu", "fp32", {"hub": False, "demo": True}, "/w"
    )
    text = shown(result)
    assert "hub (not installed)" in text
    assert "Linux, 4 cores" in text


@pytest.mark.parametrize(
    "result",
    [
        CheckResult(HOSTILE, {"train": 1}, (finding("note", HOSTILE),)),
        FitResult(Path("b"), report(HOSTILE, (HOSTILE,)), 1.0, (f"tunesmith predict b {HOSTILE}",)),
        EvaluateResult("b", "f", report(HOSTILE, (HOSTILE,)), HOSTILE),
        PredictResult(
            "b", "f", 1, 1.0, ({"text": HOSTILE, "label": "a", "confidence": 1.0},), None
        ),
        PredictResult(
            "b", "f", 1, 1.0, ({"text": "t", "label": HOSTILE, "confidence": 1.0},), None
        ),
        PredictResult("b", "f", 1, 1.0, (), HOSTILE),
        ExportResult(HOSTILE, "f", "x.onnx", "fp32", 1, 1, parity(None), 1.0),
        RunsResult("list", {"runs": [run(out=HOSTILE)]}),
        RunsResult(
            "list", {"runs": [run(problem={"error": "x", "problems": [{"must": HOSTILE}]})]}
        ),
        EnvResult({}, "Linux", 1, "cpu", "fp32", {}, HOSTILE),
    ],
    ids=lambda result: type(result).__name__,
)
def test_hostile_text_is_shown_as_text_and_never_obeyed(shown, monkeypatch, result):
    monkeypatch.setenv("COLUMNS", "400")
    text = shown(result)
    assert SHOWN in text
    assert "\x1b" not in text
    assert "\x07" not in text


def known_model(**fields: Any) -> dict[str, Any]:
    return {
        "id": "someone/some-model-of-a-long-name",
        "family": "BERT",
        "parameters": 22_713_216,
        "languages": ["en", "zh", "de"],
        "licence": "Apache-2.0",
        "commercial": "unknown",
        "download_bytes": 90_852_864,
        "here": True,
        **fields,
    }


def test_zoo_lists_a_model_a_row_and_says_how_many(shown):
    text = shown(ZooResult("list", (known_model(), known_model(id=HOSTILE)), {}))
    row = next(line for line in text.splitlines() if "someone" in line)
    for cell in ("BERT", "22.7M", " 3 ", "Apache-2.0?", "90.9 MB", "yes"):
        assert cell in row
    assert "2 models" in text
    assert "\x1b" not in text


def test_zoo_says_what_a_fetch_and_a_removal_did(shown):
    details = {"path": LONG, "revision": "c0ffee" * 6, "sha256": "ab" * 32, "bytes": 90_852_864}
    text = shown(ZooResult("fetch", ({"id": "a/b"},), details))
    assert "Model     a/b at c0ffeec0ffee\n" in text
    assert f"Folder    {LONG}\n" in text
    assert "90.9 MB" in text
    freed = {"removed": "a/b", "freed_bytes": 1500, "entry_removed": True}
    assert shown(ZooResult("remove", (), freed)) == "Removed a/b, and its entry: 1.5 kB freed\n"


def test_zoo_shows_what_a_model_is_expected_to_take_or_why_that_is_not_told(shown):
    expected = {
        "latency_ms": 12.34,
        "tokens": 32,
        "device": "cpu",
        "precision": "bf16",
        "threads": 1,
        "why": "",
    }
    details = {"memory": {}, "expected": expected, "path": None, "ranked": [], "measured": []}
    model = find_entry("minilm").to_json()
    text = shown(ZooResult("show", (model,), details))
    assert "  Latency    12.3 ms a row of 32 tokens, expected: cpu, bf16, 1 thread\n" in text
    untold = {**expected, "latency_ms": None, "why": "it is too wide"}
    text = shown(ZooResult("show", (model,), {**details, "expected": untold}))
    assert "  Latency    not told: it is too wide\n" in text
    assert "Latency" not in shown(ZooResult("show", (model,), {**details, "expected": None}))


def ranked_model(**fields: Any) -> dict[str, Any]:
    return {
        "place": 1,
        "place_low": 1,
        "place_high": 2,
        "is_tied": True,
        "model": "minilm",
        "score": 0.5,
        "score_low": 0.48,
        "score_high": 0.52,
        "shares": {"logme": 0.1, "h_score": 0.4, "neighbours": 0.7, "probe": 0.8},
        "nce": {"nats": None, "ratio": None, "why": "the model has no labels of its own"},
        "measured": None,
        "latency_ms": 12.34,
        "memory_gb": 0.72,
        "disk_bytes": 91_000_000,
        "state": "",
        **fields,
    }


def test_zoo_ranks_models_and_says_who_is_tied_measured_beyond_limits_and_left_out(shown):
    known = {**measure(0.8), "method": "full", "measure": "accuracy", "split": "test"}
    models = (
        ranked_model(measured={**known, "model": "minilm"}),
        ranked_model(model=HOSTILE, place=2, nce={"nats": -1.0, "ratio": 0.25, "why": ""}),
        ranked_model(
            model="slow",
            place=None,
            place_low=None,
            place_high=None,
            is_tied=False,
            state="99.0 ms a row, 2 are allowed",
        ),
    )
    details = {
        "data": "rows.csv",
        "task": "classification",
        "measure": "accuracy",
        "rows": 100,
        "train_rows": 1000,
        "left_out": [{"model": "big", "why": "335M parameters, 120M are allowed"}],
        "next": "tunesmith fit rows.csv --task classification --model minilm",
    }
    text = shown(ZooResult("rank", models, details))
    row = next(line for line in text.splitlines() if " minilm " in line)
    for cell in ("1–2", "0.500 ±0.020", "12.3 ms", "0.72 GB", "91.0 MB", "tied"):
        assert cell in row
    assert "Sure     minilm, " in text
    assert "cannot be told apart" in text
    assert "its own labels tell 25.0% of yours" in text
    assert "Measured minilm, full: accuracy 0.800" in text
    assert "Left out big: 335M parameters" in text
    assert "tunesmith fit rows.csv" in text
    assert "\x1b" not in text
