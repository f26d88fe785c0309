"""plan, on a tiny model and real files: the evidence, the page, and what cannot be planned."""

from __future__ import annotations

import json

import pytest

import tunesmith
from tunesmith.core.errors import InterruptedRunError, ResourceError, SpecError
from tunesmith.core.events import Said, Step
from tunesmith.session import Session
from tunesmith.stages.evaluate.page import render_page


@pytest.fixture(scope="module")
def planned(tmp_path_factory, tiny_model, tiny_rows):
    out = tmp_path_factory.mktemp("plan") / "out"
    return tunesmith.plan(
        str(tiny_rows),
        model=str(tiny_model),
        candidates=["probe", "full"],
        budget_minutes=60,
        training={"epochs": 1},
        out=str(out),
    )


def test_plan_measures_every_candidate_on_growing_rows_and_chooses_one(planned):
    plan = planned.plan
    assert set(plan["cells"]) == {"probe", "full"}
    for cells in plan["cells"].values():
        rows = [cell["rows"] for cell in cells]
        assert rows == sorted(set(rows))
        assert all(cell["low"] <= cell["score"] <= cell["high"] for cell in cells)
    assert plan["choice"] in plan["cells"]
    assert {step["method"] for step in plan["ladder"]} == {"probe", "full"}
    assert all(step["latency_ms"] > 0 and step["memory_gb"] > 0 for step in plan["ladder"])
    assert f"--method {plan['choice']}" in planned.next_command


def test_plan_stands_in_files_that_a_person_and_a_program_can_read(planned):
    kept = json.loads((planned.folder / "plan.json").read_text("utf-8"))
    assert kept == json.loads(json.dumps(planned.plan))
    page = (planned.folder / "plan.html").read_text("utf-8")
    assert "Methods compared" in page
    assert page.count("<polyline") >= 2
    assert "方法比较" in render_page({"plan": kept}, language="zh-CN")


def test_same_seed_plans_the_same_scores(planned, tmp_path, tiny_model, tiny_rows):
    again = tunesmith.plan(
        str(tiny_rows),
        model=str(tiny_model),
        candidates=["probe"],
        budget_minutes=60,
        out=str(tmp_path / "again"),
    )
    scores = [
        [(cell["rows"], cell["score"]) for cell in plan["cells"]["probe"][:1]]
        for plan in (planned.plan, again.plan)
    ]
    assert scores[0] == scores[1]


def test_budget_too_small_for_one_method_is_told_with_a_larger_one(tmp_path, tiny_model, tiny_rows):
    with pytest.raises(ResourceError, match="the budget must reach for one method"):
        tunesmith.plan(
            str(tiny_rows),
            model=str(tiny_model),
            candidates=["full"],
            budget_minutes=1e-6,
            out=str(tmp_path / "out"),
        )
    assert not (tmp_path / "out" / "plan.json").exists()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"candidates": ["lora", "magic"]}, "must be methods; got magic"),
        ({"task": "translation"}, "answers can be counted"),
        ({"candidates": ["extractive"]}, "documents to summarise"),
    ],
)
def test_what_cannot_be_planned_is_refused(tmp_path, tiny_model, tiny_rows, settings, said):
    with pytest.raises(SpecError, match=said):
        tunesmith.plan(str(tiny_rows), model=str(tiny_model), out=str(tmp_path / "out"), **settings)


def test_limit_that_no_method_keeps_is_an_error(tmp_path, tiny_model, tiny_rows):
    with pytest.raises(ResourceError, match="keep within the limits"):
        tunesmith.plan(
            str(tiny_rows),
            model=str(tiny_model),
            candidates=["probe"],
            max_memory_gb=1e-6,
            out=str(tmp_path / "out"),
        )


def auto(tiny_model, tiny_rows, out, **settings):
    method = {"name": "auto", "candidates": ["probe", "full"], "budget_minutes": 5}
    return tunesmith.fit(
        str(tiny_rows),
        task="classification",
        model=str(tiny_model),
        method=method,
        training={"epochs": 1},
        out=str(out),
        **settings,
    )


def test_auto_tunes_by_what_the_plan_chose_and_keeps_the_evidence(tmp_path, tiny_model, tiny_rows):
    made = auto(tiny_model, tiny_rows, tmp_path / "run")
    plan = made.report["plan"]
    assert set(plan["cells"]) == {"probe", "full"}
    manifest = json.loads((made.bundle / "bundle.json").read_text("utf-8"))
    assert manifest["method"]["name"] == plan["choice"]
    assert json.loads((tmp_path / "run" / "plan.json").read_text("utf-8")) == plan
    assert "Methods compared" in (made.bundle / "report.html").read_text("utf-8")


def test_auto_refuses_a_taken_folder_before_anything_is_measured(tmp_path, tiny_model, tiny_rows):
    auto(tiny_model, tiny_rows, tmp_path / "run")
    said = []
    with pytest.raises(SpecError, match="must be a new or empty folder"):
        auto(tiny_model, tiny_rows, tmp_path / "run", session=Session(listener=said.append))
    assert not said


def test_auto_that_was_stopped_goes_on_by_the_plan_it_began_with(tmp_path, tiny_model, tiny_rows):
    out = tmp_path / "run"

    def stop(event):
        if isinstance(event, Said) and event.text.startswith("evaluating on"):
            raise KeyboardInterrupt

    with pytest.raises(InterruptedRunError):
        auto(tiny_model, tiny_rows, out, session=Session(listener=stop))
    before = (out / "plan.json").read_bytes()
    made = auto(tiny_model, tiny_rows, out, resume=True)
    assert (out / "plan.json").read_bytes() == before
    assert made.report["plan"] == json.loads(before)


@pytest.mark.parametrize(
    ("beside", "says"),
    [
        ({"ensemble": {"seeds": 2}}, "a plan measures single methods.*got `ensemble`"),
        ({"joint": {"data": "TEXT"}}, "a plan measures single methods.*got `joint`"),
        ({"distillation": {"teacher": "B"}}, "what labelled rows teach.*got `distillation`"),
        ({"self_training": {"data": "TEXT"}}, "what labelled rows teach.*got `self_training`"),
    ],
)
def test_auto_refuses_what_no_plan_measures(tmp_path, tiny_model, tiny_rows, beside, says):
    with pytest.raises(SpecError, match=says):
        auto(tiny_model, tiny_rows, tmp_path / "run", **beside)


@pytest.mark.parametrize(
    ("settings", "says", "hint"),
    [
        (
            {"boost": "fgm", "candidates": ["probe", "full"]},
            "`boost.adversarial` goes with full and the deltas",
            "--candidates full, or for fit --set method.candidates=full",
        ),
        (
            {"boost": "r_drop,mixup", "candidates": ["probe", "contrastive"]},
            "`boost.r_drop` goes with",
            "--set boost.r_drop=false --set boost.mixup=false",
        ),
        (
            {"boost": "r_drop", "task": "qa"},
            "`boost.r_drop` trains one label",
            "boost.r_drop=false",
        ),
        ({"augmentation": "mentions"}, "mentions", ""),
    ],
)
def test_what_does_not_suit_is_refused_before_anything_is_read(
    tmp_path, tiny_model, tiny_rows, settings, says, hint
):
    heard = []
    with pytest.raises(SpecError) as refused:
        tunesmith.plan(
            str(tiny_rows),
            model=str(tiny_model),
            out=str(tmp_path / "out"),
            session=Session(listener=heard.append),
            **settings,
        )
    assert says in str(refused.value)
    assert hint in refused.value.hint
    assert not heard


def test_auto_with_a_booster_that_suits_no_candidate_is_refused_before_the_plan(
    tmp_path, tiny_model, tiny_rows
):
    heard = []
    with pytest.raises(SpecError, match="goes with full and the deltas"):
        auto(
            tiny_model,
            tiny_rows,
            tmp_path / "run",
            boost="fgm",
            session=Session(listener=heard.append),
        )
    assert not heard
    assert not (tmp_path / "run").exists()


def test_plan_measures_with_what_is_added_to_training(tmp_path, tiny_model, tiny_rows):
    """Rows of the label `outside` are set apart, and methods that no booster suits left out."""
    lines = tiny_rows.read_text("utf-8").splitlines()
    lines += [f"hello there my friend number {number},other" for number in range(30)]
    rows = tmp_path / "rows.csv"
    rows.write_text("\n".join(lines) + "\n", "utf-8")
    heard = []
    made = tunesmith.plan(
        str(rows),
        model=str(tiny_model),
        boost="ema",
        augmentation="eda",
        reliability={"outside": "other"},
        training={"max_steps": 3, "evaluate_every": 3},
        budget_minutes=60,
        out=str(tmp_path / "out"),
        session=Session(listener=heard.append),
    )
    told = [event.text for event in heard if isinstance(event, Said)]
    assert "only full can learn with what is added to training" in told
    assert set(made.plan["cells"]) == {"full"}
    assert made.plan["rows"] == 60  # of 90
    assert "--boost ema --augmentation eda" in made.next_command


def test_trial_learns_the_copies_that_fit_would(tmp_path, tiny_model, tiny_rows):
    """With twice the rows an epoch has more steps: what is added reaches the loop."""
    steps = {}
    for name, augmentation in (("plain", None), ("copies", {"name": "eda", "copies": 3})):
        heard = []
        tunesmith.plan(
            str(tiny_rows),
            model=str(tiny_model),
            candidates=["full"],
            augmentation=augmentation,
            training={"epochs": 1, "batch_tokens": 64},
            budget_minutes=60,
            out=str(tmp_path / name),
            session=Session(listener=heard.append),
        )
        steps[name] = max(event.total for event in heard if isinstance(event, Step))
    assert steps["copies"] > 1.5 * steps["plain"]
