"""The study on a law that is known: what is asked, what is kept, and what a break leaves of it."""

from __future__ import annotations

import math

import pytest

from tunesmith.core.errors import MissingExtraError, ResourceError, SpecError
from tunesmith.core.search import SearchRecipe
from tunesmith.stages.search.study import FEWEST_RANKED, RANDOM_TRIALS, open_study
from tunesmith.stages.search.trials import best_trial, quarters_done

SPACE = {"training.learning_rate": "1e-5..1e-1", "training.epochs": "1..9", "method.rank": [4, 8]}
OWN = {"training.learning_rate": 1e-4, "training.epochs": 5, "method.rank": 8}


class Killed(Exception):
    """The process is gone; nothing is told any more."""


def law(values):
    """Return the score: best at a rate of 1e-3, and better with a rank of 8."""
    distance = abs(math.log10(values["training.learning_rate"]) + 3)
    return 1 - 0.1 * distance - 0.05 * (values["method.rank"] == 4)


def opening(recipe=None, *, url="sqlite:///:memory:", seed=0, heard=None, **changes):
    """Open a study, in memory where no address is given."""
    recipe = recipe or SearchRecipe(space=SPACE, **changes)
    emit = [].append if heard is None else heard.append
    url = recipe.storage or url
    return open_study(recipe, recipe.ranges, url=url, name="study", seed=seed, emit=emit)


@pytest.fixture(scope="module")
def whole():
    """Return the trials of a study without a break."""
    with opening() as study:
        return run(study, 14)


def run(study, count, *, own=OWN, killed_in=None):
    """Ask and tell until so many trials have ended; stop in the middle of trial `killed_in`."""
    while len(study.trials()) < count:
        asked = study.ask(own)
        for quarter in (1, 2, 3, 4):
            is_hopeless = study.report(
                asked, quarter=quarter, value=law(asked.values) * quarter / 4
            )
            if (asked.number, quarter) == killed_in:
                raise Killed
            if is_hopeless:
                study.tell(asked, "pruned", seconds=1.0)
                break
        else:
            study.tell(asked, "complete", seconds=2.0, score=law(asked.values))
    return study.trials()


def test_first_trial_is_the_recipes_own_and_all_are_within_their_ranges(whole):
    trials = whole
    assert trials[0].is_own
    assert trials[0].values == OWN
    assert [trial.number for trial in trials] == list(range(14))
    assert not any(trial.is_own for trial in trials[1:])
    assert {type(trial.values["training.epochs"]) for trial in trials} == {int}
    for trial in trials:
        assert 1e-5 <= trial.values["training.learning_rate"] <= 1e-1
        assert 1 <= trial.values["training.epochs"] <= 9
        assert trial.values["method.rank"] in (4, 8)


def test_sampler_finds_more_than_chance_once_it_looks():
    """Over two seeds, the mean score of what is tried after the trials at random."""
    means = {}
    for sampler in ("tpe", "random"):
        found = []
        for seed in range(2):
            with opening(sampler=sampler, prune=False, seed=seed) as study:
                found += [trial.score for trial in run(study, 22)[RANDOM_TRIALS:]]
        means[sampler] = sum(found) / len(found)
    assert means["tpe"] > means["random"] + 0.03


@pytest.mark.parametrize("killed_in", [(0, 1), (7, 1), (12, 3)])
def test_study_that_was_broken_off_asks_what_one_without_a_break_asked(whole, tmp_path, killed_in):
    url = f"sqlite:///{tmp_path / 'trials.sqlite3'}"
    with opening(url=url) as study, pytest.raises(Killed):
        run(study, 14, killed_in=killed_in)
    with opening(url=url) as study:
        assert len(study.trials()) == killed_in[0]
        assert study.ask(OWN).number == killed_in[0]
        resumed = run(study, 14)
    assert resumed == whole
    assert "pruned" in {trial.state for trial in whole}


def test_own_values_outside_their_range_are_tried_all_the_same():
    own = {"training.learning_rate": 0.5, "training.epochs": None, "method.rank": 8}
    with opening() as study:
        asked = study.ask(own)
        assert asked.is_own
        assert asked.values == own
        study.tell(asked, "complete", seconds=1.0, score=0.5)
        assert study.trials()[0].values == own
        assert study.ask(own).values != own


def test_trial_below_the_median_is_broken_off_and_a_hopeful_one_is_not():
    with opening() as study:
        for number in range(5):
            asked = study.ask(OWN)
            assert not study.report(asked, quarter=1, value=0.5 + number / 10)
            study.tell(asked, "complete", seconds=1.0, score=0.5 + number / 10)
        good, bad = study.ask(OWN), 0.6
        assert not study.report(good, quarter=1, value=0.8)
        study.tell(good, "complete", seconds=1.0, score=0.8)
        worse = study.ask(OWN)
        assert study.report(worse, quarter=1, value=bad)
        told = study.tell(worse, "pruned", seconds=0.5)
        assert (told.state, told.score) == ("pruned", bad)
        late = study.ask(OWN)
        assert not study.report(late, quarter=4, value=bad)
        assert not study.report(late, quarter=0, value=bad)


def test_nothing_is_broken_off_where_pruning_is_off():
    with opening(prune=False) as study:
        assert {trial.state for trial in run(study, 12)} == {"complete"}


def test_failed_trial_keeps_its_problem_and_is_never_the_best():
    with opening() as study:
        study.tell(study.ask(OWN), "failed", seconds=1.0, problem="the loss must stay finite")
        asked = study.ask(OWN)
        study.tell(asked, "complete", seconds=1.0, score=-5.0)
        failed, complete = study.trials()
    assert (failed.state, failed.score) == ("failed", None)
    assert failed.problem == "the loss must stay finite"
    assert best_trial([failed, complete]) == complete
    assert best_trial([failed]) is None


def test_importance_tells_what_matters_once_enough_is_known():
    with opening(prune=False) as study:
        run(study, FEWEST_RANKED - 1)
        assert study.importance() is None
        run(study, 14)
        found = study.importance()
        assert found == study.importance()
    assert set(found) == set(SPACE)
    assert max(found, key=found.get) == "training.learning_rate"
    assert sum(found.values()) == pytest.approx(1, abs=0.001)


def test_nothing_reaches_standard_error(capfd):
    import optuna

    heard = []
    with opening(heard=heard) as study:
        run(study, 11)
        study.importance()
        optuna.logging.get_logger("optuna.trial").warning("strange")
    assert capfd.readouterr() == ("", "")
    assert [event.text for event in heard] == ["strange"]


@pytest.mark.parametrize("url", ["nonsense", "no_such://place/name", "postgresql+nothing://a/b"])
def test_address_that_is_none_is_refused(url):
    recipe = SearchRecipe(space=SPACE, storage=url)
    with pytest.raises(SpecError, match=r"`search\.storage` must"), opening(recipe):
        pass


def test_database_that_cannot_be_made_is_a_lack_of_resources_and_shows_no_password():
    recipe = SearchRecipe(space=SPACE, storage="sqlite:////no/such/folder/x.sqlite3")
    with pytest.raises(ResourceError, match="must be readable and writable"), opening(recipe):
        pass


def test_without_optuna_the_extra_is_named(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r"--search.*optuna") as refused, opening():
        pass
    assert refused.value.hint == "pip install 'tunesmith[search]'"


def test_quarters_are_those_that_have_ended():
    assert [quarters_done(step, 8) for step in range(9)] == [0, 0, 1, 1, 2, 2, 3, 3, 4]
    assert quarters_done(1, 1) == 4
