"""fit --search on a tiny model: what is tried, what wins, what is refused, what a break leaves."""

from __future__ import annotations

import json
import sys

import pytest

import tunesmith
from tunesmith.core.errors import InterruptedRunError, MissingExtraError, ResourceError, SpecError
from tunesmith.core.events import Said, Warned
from tunesmith.session import Session
from tunesmith.stages.evaluate.page import render_page

TRAINING = {
    **{"max_steps": 20, "epochs": 1000, "evaluate_every": 5, "patience": 0},
    **{"batch_tokens": 512, "precision": "fp32", "warmup_ratio": 0.0, "threads": 1},
}
BAD, GOOD = 1e-8, 1e-2
"""Rates by which the tiny model learns nothing and everything, in these steps."""
RATES = {"training.learning_rate": [BAD, GOOD]}


@pytest.fixture(scope="session")
def searched(tiny_model, tiny_rows):
    """Return what tunes the tiny model by a recipe that learns nothing, and searches."""

    def fit(out, *, session=None, training=None, **settings):
        usual = {
            "task": "classification",
            "model": {"name": str(tiny_model), "dropout": 0.0},
            "method": {"name": "full", "head_start": "random"},
            "split": {"valid": 0.4},
            "training": {**TRAINING, "learning_rate": BAD, **(training or {})},
        }
        return tunesmith.fit(tiny_rows, out=out, session=session, **{**usual, **settings})

    return fit


@pytest.fixture(scope="module")
def run(searched, tmp_path_factory):
    """Return folder, result and events of a search; the recipe's own rate is not in its range."""
    out = tmp_path_factory.mktemp("search") / "out"
    said = []
    space = {"training": {"learning_rate": "2e-3..3e-2", "head_learning_rate": "1e-4..1e-2"}}
    result = searched(
        out,
        session=Session(listener=said.append),
        search={"trials": 7, "space": space},
        language="zh-CN",
    )
    return out, result, said


def record(out):
    return json.loads((out / "search.json").read_text("utf-8"))


def outcomes(out):
    return [(t["values"], t["state"], t["score"]) for t in record(out)["trials"]]


def test_first_trial_is_the_recipes_own_and_the_best_becomes_the_bundle(run):
    out, result, _ = run
    kept = record(out)
    assert len(kept["trials"]) == 7
    own = kept["trials"][0]
    assert own["own"]
    assert own["values"] == {"training.learning_rate": BAD, "training.head_learning_rate": 1e-3}
    scores = [trial["score"] for trial in kept["trials"] if trial["state"] == "complete"]
    winner = kept["trials"][kept["winner"]]
    assert winner["score"] == max(scores) > own["score"]
    assert result.measures["accuracy"].value == pytest.approx(winner["score"])
    assert result.report["search"]["winner"] == kept["winner"]


def test_only_one_bundle_and_the_evidence_are_left(run):
    out, _, _ = run
    names = {path.name for path in out.iterdir() if not path.name.startswith("checkpoint-")}
    assert names == {"bundle", "config.lock.yaml", "search.json", "search.sqlite3"}
    assert "trials: 7" in (out / "config.lock.yaml").read_text("utf-8")


def test_every_trial_is_told_and_the_caution_is_written(run):
    out, result, said = run
    told = [event.text for event in said if isinstance(event, Said)]
    assert sum(text.startswith("trial ") for text in told) == 7
    assert any(text.startswith("trial 1 of 7: accuracy 0.") for text in told)
    assert any(text.startswith("chosen: training.learning_rate") for text in told)
    notes = [note for note in result.report["notes"] if "chose between 7 settings" in note]
    assert len(notes) == 1
    assert f"tunesmith evaluate {out}/bundle TEST" in notes[0]


def test_report_shows_trials_and_a_chart_a_setting_in_both_languages(run):
    _, result, _ = run
    page = (result.bundle / "report.html").read_text("utf-8")
    assert "尝试过的设置" in page
    english = render_page(result.report)
    assert "Settings tried" in english
    assert english.count('id="search-training-') == 4  # title and description, two charts
    assert "The validation rows chose between these settings" in english
    assert english.count("recipe&#x27;s own") >= 2


def test_same_seed_tries_the_same_and_resuming_what_is_complete_is_refused(run, searched, tmp_path):
    out, _, _ = run
    space = {"training.learning_rate": "2e-3..3e-2", "training.head_learning_rate": "1e-4..1e-2"}
    stop = _stop_after(4)
    again = tmp_path / "again"
    with pytest.raises(InterruptedRunError) as stopped:
        searched(again, session=stop, search={"trials": 7, "space": space}, language="zh-CN")
    assert stopped.value.hint == f"tunesmith fit {again}/config.lock.yaml --resume"
    assert outcomes(again) == outcomes(out)[:4]
    assert not (again / "trial").exists()

    lock = again / "config.lock.yaml"
    with pytest.raises(SpecError, match="exists") as taken:
        searched(again, search={"trials": 7, "space": space}, language="zh-CN")
    assert f"go on with: tunesmith fit {lock} --resume" in taken.value.hint
    with pytest.raises(SpecError, match=r"`search.trials` must be 7 as when the run began; got 8"):
        searched(again, search={"trials": 8, "space": space}, language="zh-CN", resume=True)
    searched(again, search={"trials": 7, "space": space}, language="zh-CN", resume=True)
    assert outcomes(again) == outcomes(out)
    assert record(again)["winner"] == record(out)["winner"]


def _stop_after(trials):
    """Return a session whose listener presses Ctrl-C once so many trials were told."""
    told = []

    def listen(event):
        told.append(isinstance(event, Said) and event.text.startswith("trial "))
        if sum(told) == trials:
            raise KeyboardInterrupt

    return Session(listener=listen)


def test_trial_that_fails_is_kept_with_its_problem_and_the_search_goes_on(searched, tmp_path):
    heard = []
    out = tmp_path / "out"
    space = {"training.learning_rate": [GOOD, 1e30, 1e31]}
    searched(out, session=Session(listener=heard.append), search={"trials": 4, "space": space})
    trials = record(out)["trials"]
    failed = [trial for trial in trials if trial["state"] == "failed"]
    assert failed
    assert len(failed) < 4
    assert all("the loss must stay finite" in trial["problem"] for trial in failed)
    assert all(trial["score"] is None for trial in failed)
    warned = [event.text for event in heard if isinstance(event, Warned)]
    assert sum("failed: training.learning_rate 1e+3" in text for text in warned) == len(failed)


def test_where_every_trial_fails_the_first_problem_is_raised_and_nothing_is_left(
    searched, tmp_path
):
    out = tmp_path / "out"
    space = {"training.learning_rate": [1e30, 1e31]}
    with pytest.raises(ResourceError, match="the loss must stay finite"):
        searched(out, training={"learning_rate": 1e30}, search={"trials": 2, "space": space})
    assert not out.exists()


def test_hopeless_trials_are_broken_off(searched, tmp_path):
    """Of this seed five rates that learn come first, then one by which nothing is learned."""
    out = tmp_path / "out"
    good, bad = (number / 1000 for number in range(7, 19)), (n * 1e-8 for n in range(1, 7))
    searched(
        out,
        training={"learning_rate": GOOD, "max_steps": 40, "evaluate_every": 10},
        search={
            "trials": 6,
            "space": {"training.learning_rate": [*good, *bad]},
            "sampler": "random",
        },
        seed=7,
    )
    *before, last = record(out)["trials"]
    assert {trial["state"] for trial in before} == {"complete"}
    assert last["values"]["training.learning_rate"] < 1e-6
    assert last["state"] == "pruned"
    assert last["score"] < min(trial["score"] for trial in before)


def test_no_trial_begins_after_the_minutes_but_the_first_always_does(searched, tmp_path):
    out = tmp_path / "out"
    searched(out, search={"trials": 50, "minutes": 0.001, "space": RATES})
    assert len(record(out)["trials"]) == 1


def test_values_that_were_tried_before_are_not_tuned_again(searched, tmp_path):
    out = tmp_path / "out"
    searched(out, search={"trials": 8, "space": RATES})
    trials = record(out)["trials"]
    twins = [trial for trial in trials if trial["problem"]]
    assert len(trials) - len(twins) == len({str(trial["values"]) for trial in trials}) == 2
    for trial in twins:
        first = trials[int(trial["problem"].removeprefix("as trial ")) - 1]
        assert (trial["values"], trial["score"]) == (first["values"], first["score"])
        assert trial["seconds"] == 0


def test_what_is_learned_beside_the_task_is_learned_in_each_trial(
    searched, tmp_path, tiny_rows, tiny_text
):
    """The weight of the text is searched; other tasks begin anew in each trial."""
    out = tmp_path / "out"
    result = searched(
        out,
        method="full",
        training={"max_steps": 4, "evaluate_every": 2, "learning_rate": GOOD},
        joint={"data": str(tiny_text), "task_weight": 3.0, "batch_tokens": 64},
        also={"other": {"data": str(tiny_rows), "task": "classification"}},
        search={"trials": 3, "space": {"joint.task_weight": [0.001, 1000.0]}},
    )
    trials = result.report["search"]["trials"]
    assert {trial["state"] for trial in trials} == {"complete"}
    assert trials[0]["values"] == {"joint.task_weight": 3.0}
    assert set(result.also) == {"other"}
    winner = trials[result.report["search"]["winner"]]
    assert result.measures["accuracy"].value == pytest.approx(winner["score"])


def test_number_alone_searches_the_ranges_of_the_method(searched, tmp_path):
    result = searched(tmp_path / "out", search=2)
    ranges = result.report["search"]["ranges"]
    assert set(ranges) == {"training.learning_rate", "training.epochs"}
    assert ranges["training.learning_rate"]["log"]


@pytest.mark.parametrize(
    ("method", "path", "choices"),
    [
        ("lora", "method.rank", [2, 4]),
        ("soft-prompt", "method.tokens", [2, 6]),
        ("contrastive", "method.temperature", [0.05, 0.5]),
        ("probe", "method.max_iterations", [1, 50]),
        ("full", "boost", ["", "fgm"]),
        ("full", "augmentation", [None, "eda"]),
        ("full", "model.dropout", [0.1, 0.3]),
    ],
)
def test_settings_of_methods_and_groups_are_searched(searched, tmp_path, method, path, choices):
    space = {path: choices}
    result = searched(
        tmp_path / "out",
        method=method,
        training={"max_steps": 4, "evaluate_every": 2},
        search={"trials": 3, "space": space},
    )
    tried = {json.dumps(trial["values"][path]) for trial in result.report["search"]["trials"]}
    assert tried <= {json.dumps(choice) for choice in choices} | {
        json.dumps(result.report["search"]["trials"][0]["values"][path])
    }
    assert {trial["state"] for trial in result.report["search"]["trials"]} == {"complete"}
    assert len(tried) > 1


@pytest.mark.parametrize(
    ("settings", "space", "says", "hint"),
    [
        ({}, {"training.epohcs": "2..4"}, "did you mean `training.epochs`", "search.space."),
        ({}, {"training.schedule": "1..3"}, "`training.schedule` must be 'auto'", "[auto, linear]"),
        ({}, {"training.epochs": "0..4"}, "`training.epochs` must be at least 1", "epochs=2..8"),
        ({}, {"training.epochs": "1.0..4.5"}, "must be a valid integer", "epochs=2..8"),
        ({}, {"training.label_smoothing": "0.0..1.5"}, "must be below 1", "search.space."),
        ({}, {"method.rank": [4, 8]}, "must be a setting of `method: full`", "search.space."),
        ({}, {"seed": "1..5"}, "leaves the rows and their reading as they are", "search.space."),
        ({}, {"task": ["ner", "qa"]}, "leaves the rows", "search.space."),
        ({}, {"model.max_length": [64, 128]}, "leaves the rows", "search.space."),
        ({}, {"split.valid": "0.1..0.3"}, "leaves the rows", "search.space."),
        ({}, {"training": ["a", "b"]}, "leaves the rows", "search.space."),
        ({}, {"method.name": ["full", "lora"]}, "`tunesmith plan` compares", "search.space."),
        ({}, {"training.threads": [1, 2]}, "must stay as it is", "search.space."),
        ({}, {"boost.r_drop.weight": "0.1..2.0"}, "`boost.r_drop`: none", "--boost r_drop"),
        ({}, {"augmentation.share": "0.1..0.2"}, "`augmentation`: none", "--augmentation eda"),
        ({}, {"boost": ["fgm", "nothing"]}, "no booster is called nothing", "search.space."),
        ({"method": "probe"}, {}, "the method `probe` declares none", "--method full"),
        ({"method": "probe"}, {"boost": ["", "fgm"]}, "`probe` does not", "search.space."),
        ({"method": "auto"}, {}, "`--method auto` names none", "tunesmith plan"),
        ({"ensemble": {"seeds": 2}}, {}, "`ensemble` makes one of several", "ensemble.seeds=3"),
        ({"self_training": {"data": "x.txt"}}, {}, "another teacher", "`self_training`"),
    ],
)
def test_what_cannot_be_searched_is_refused_before_a_row_is_read(
    searched, tmp_path, settings, space, says, hint
):
    out = tmp_path / "out"
    heard = []
    with pytest.raises(SpecError) as refused:
        searched(
            out,
            session=Session(listener=heard.append),
            search={"trials": 2, "space": space},
            **settings,
        )
    assert says in str(refused.value)
    assert hint in refused.value.hint
    assert not heard
    assert not out.exists()


def test_all_problems_of_a_space_are_told_at_once(searched, tmp_path):
    space = {"training.epochs": "0..4", "seed": "1..5", "training.schedule": ["linear", "cosnie"]}
    with pytest.raises(SpecError) as refused:
        searched(tmp_path / "out", search={"space": space})
    assert len(refused.value.problems) == 3


def test_prompted_methods_are_sent_to_the_search_for_prompts(tiny_decoder, tiny_rows, tmp_path):
    with pytest.raises(SpecError, match="asks by a prompt") as refused:
        tunesmith.fit(
            tiny_rows,
            task="classification",
            model=tiny_decoder,
            method="few-shot",
            search=3,
            out=tmp_path / "out",
        )
    assert "tunesmith prompt" in refused.value.hint


def test_without_optuna_the_extra_is_named_before_a_row_is_read(searched, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtraError, match="optuna") as missing:
        searched(tmp_path / "out", search=2)
    assert missing.value.hint == "pip install 'tunesmith[search]'"
    assert not (tmp_path / "out").exists()


def test_storage_of_ones_own_keeps_the_trials(searched, tmp_path):
    url = f"sqlite:///{tmp_path / 'shared.sqlite3'}"
    out = tmp_path / "out"
    searched(out, search={"trials": 2, "space": RATES, "storage": url})
    assert not (out / "search.sqlite3").exists()
    import optuna

    (name,) = optuna.get_all_study_names(url)
    assert name == record(out)["study"]
