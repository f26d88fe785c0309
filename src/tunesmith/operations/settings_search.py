"""How `fit --search n` works: rows are prepared once, settings tried one after another on them.

A trial tunes as `fit` does and writes nothing but its score; the best settings are then tuned once
more, as any other request, and become the bundle.
"""

from __future__ import annotations

import gc
import secrets
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from tunesmith.core.errors import ForeignError, TunesmithError
from tunesmith.core.events import Event, Progress, Said, Step, Validated, Warned
from tunesmith.core.search import Range, SearchRecipe
from tunesmith.core.spec import set_words
from tunesmith.model.device import threads
from tunesmith.operations.companions import with_settings_of
from tunesmith.operations.deltas import with_own_training
from tunesmith.operations.fit import FitResult, FitSpec
from tunesmith.operations.fitting import Ready, make_ready, open_folder, tune, tune_and_write
from tunesmith.operations.preparing import with_own_backbone
from tunesmith.operations.reliability import UNLABELLED
from tunesmith.operations.search_space import (
    own_values,
    refuse_unsuited,
    settle_ranges,
    spec_with,
)
from tunesmith.session import Session
from tunesmith.stages.search.study import Asked, Study, open_study, require_optuna
from tunesmith.stages.search.trials import (
    Pruned,
    Trial,
    best_trial,
    find_twin,
    quarters_done,
)
from tunesmith.stages.tune import tuned_score
from tunesmith.store.run_folder import (
    keep_search,
    read_search,
    removed_if_unstarted,
    search_address,
    trial_folder,
)

FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class Searching:
    """A search under way: the request without it, what is ready, and what is tried."""

    spec: FitSpec
    recipe: SearchRecipe
    ready: Ready
    ranges: Mapping[str, Range]
    study: Study
    name: str
    session: Session
    thread_count: int

    @property
    def measure(self) -> str:
        """The name of what is compared."""
        return self.ready.prepared.task.selection


@dataclass(slots=True)
class Watcher:
    """A listener that hands on what shows that work goes on, and breaks off what is hopeless."""

    emit: Callable[[Event], None]
    study: Study
    asked: Asked
    total: int = 0
    best: float | None = None

    def listen(self, event: Event) -> None:
        """Report a validation to the study. Raises `Pruned` where it says that this is enough."""
        match event:
            case Step(total=total):
                self.total = total
                self.emit(event)
            case Progress():
                self.emit(event)
            case Validated(index=step, value=value) if self.total:
                self.best = value if self.best is None else max(self.best, value)
                quarter = quarters_done(min(step, self.total), self.total)
                if self.study.report(self.asked, quarter=quarter, value=self.best):
                    raise Pruned


def fit_searched(spec: FitSpec, session: Session, *, recipe: SearchRecipe) -> FitResult:
    """Return the result of the best settings that were tried, after their bundle was written.

    A run that is resumed keeps the trials that ended; one that was running is asked again. Raises
    `SpecError` for what cannot be searched, before a row is read, `MissingExtraError` without
    Optuna, and where every trial failed what the first failed with.
    """
    started = time.perf_counter()
    out = spec.folder
    spec = spec.model_copy(update={"out": str(out)})
    plain = spec.model_copy(update={"search": None})
    ranges = settle_ranges(plain, recipe)
    require_optuna()
    ready = make_ready(with_own_training(plain), session)
    refuse_unsuited(plain, ranges, ready.prepared.task)
    open_folder(with_own_training(spec), session, ready.prepared, ready.beside.fingerprints)
    with removed_if_unstarted(out), threads(spec.training.threads) as count:
        name = (read_search(out) or {}).get("study") or f"{out.name}-{secrets.token_hex(4)}"
        url = recipe.storage or search_address(out)
        with open_study(
            recipe, ranges, url=url, name=name, seed=spec.seed, emit=session.emit
        ) as study:
            searching = Searching(plain, recipe, ready, ranges, study, name, session, count)
            record = run_search(searching)
        best = record["trials"][record["winner"]]
        session.emit(Said(f"chosen: {_told(best)}; tuning it once more for the bundle"))
        chosen = plain if best["own"] else spec_with(plain, best["values"])
        result = tune_and_write(
            _with_settings(ready, with_own_training(chosen)),
            session,
            thread_count=count,
            search=record,
        )
    return replace(result, seconds=time.perf_counter() - started)


def run_search(searching: Searching) -> dict[str, Any]:
    """Return the record of a search, `search.json`, after the last trial.

    It is written after each, so that a run that is broken off shows what it found. Raises what the
    first trial failed with where none was complete.
    """
    study, recipe, out = searching.study, searching.recipe, searching.spec.folder
    own = own_values(searching.spec, searching.ranges)
    trials = study.trials()
    keep_search(out, _record(searching, trials))
    if trials:
        searching.session.emit(Said(f"{len(trials)} of {recipe.trials} trials were done before"))
    failure: TunesmithError | None = None
    while len(trials) < recipe.trials and not _is_over(recipe, trials):
        asked = study.ask(own)
        if twin := find_twin(trials, asked.values):
            told = f"as trial {twin.number + 1}"
            trials.append(
                study.tell(asked, "complete", seconds=0.0, score=twin.score, problem=told)
            )
        else:
            trial, error = run_trial(searching, asked)
            failure = failure or error
            trials.append(trial)
        keep_search(out, _record(searching, trials))
        _tell(searching, trials)
    if best_trial(trials) is None:
        raise failure or ForeignError(
            [f"trial {trial.number}: {trial.problem}" for trial in trials],
            hint="--overwrite starts again, with other ranges",
        )
    record = _record(searching, trials) | {"importance": study.importance()}
    keep_search(out, record)
    return record


def run_trial(searching: Searching, asked: Asked) -> tuple[Trial, TunesmithError | None]:
    """Return how a trial ended, and what it failed with where it did."""
    from tunesmith.operations import was_interrupted, wrap_failure

    started = time.perf_counter()
    watcher = Watcher(searching.session.emit, searching.study, asked)
    outcome: dict[str, Any]
    error: TunesmithError | None = None
    try:
        outcome = {"state": "complete", "score": _score(searching, asked, watcher)}
    except Pruned:
        outcome = {"state": "pruned"}
    except Exception as failure:
        if was_interrupted(failure):
            raise
        traceback.clear_frames(failure.__traceback__)  # they would hold the model
        error = failure if isinstance(failure, TunesmithError) else wrap_failure(failure)
        outcome = {"state": "failed", "problem": "; ".join(map(str, error.problems))}
    _free_memory()
    seconds = time.perf_counter() - started
    return searching.study.tell(asked, seconds=seconds, **outcome), error


def _score(searching: Searching, asked: Asked, watcher: Watcher) -> float:
    """Return what settings reach on the validation rows, tuned as `fit` would, nothing written.

    What a bundle learns of its own limits changes no answer, and is left to the last tuning.
    """
    plain, session = searching.spec, searching.session
    watched = Session(
        workspace=session.workspace, device=str(session.device), listener=watcher.listen
    )
    spec = with_own_training(plain if asked.is_own else spec_with(plain, asked.values))
    with trial_folder(plain.folder) as folder:
        own: dict[str, Any] = {"out": str(folder), "resume": False}
        own["training"] = spec.training.model_copy(update={"track": "none"})
        own["reliability"] = spec.reliability.model_copy(update=UNLABELLED)
        spec = spec.model_copy(update=own)
        ready = _fresh(_with_settings(searching.ready, spec), watched)
        job = tune(ready, watched, thread_count=searching.thread_count)[0].job
        return tuned_score(job)


def _with_settings(ready: Ready, spec: FitSpec) -> Ready:
    """Return what is ready, to be tuned as `spec` says, with all that is learned beside it."""
    return replace(ready, spec=spec, beside=with_settings_of(ready.beside, spec))


def _fresh(ready: Ready, session: Session) -> Ready:
    """Return what is ready with models that no trial has touched: the task's and those beside."""
    others = {
        name: replace(other, prepared=with_own_backbone(other.prepared, other.spec, session))
        for name, other in ready.beside.others.items()
    }
    prepared = with_own_backbone(ready.prepared, ready.spec, session)
    return replace(ready, prepared=prepared, beside=replace(ready.beside, others=others))


def _is_over(recipe: SearchRecipe, trials: list[Trial]) -> bool:
    """Tell whether the minutes are spent; something is always tried."""
    spent = sum(trial.seconds for trial in trials)
    return bool(trials) and recipe.minutes is not None and spent >= 60 * recipe.minutes


def _tell(searching: Searching, trials: list[Trial]) -> None:
    """Tell how the last trial went."""
    last, best = trials[-1], best_trial(trials)
    count = f"trial {len(trials)} of {searching.recipe.trials}"
    if last.state == "failed":
        searching.session.emit(Warned(f"{count} failed: {_told(last.to_json())}: {last.problem}"))
        return
    score = "" if last.score is None else f"{searching.measure} {last.score:.4f}, "
    mark = " (best so far)" if last is best else ""
    state = "broken off, " if last.state == "pruned" else ""
    told = _told(last.to_json())
    searching.session.emit(Said(f"{count}: {state}{score}{told}, {last.seconds:.1f} s{mark}"))


def _told(trial: Mapping[str, Any]) -> str:
    """Return the values of a trial as a sentence holds them."""
    values = ", ".join(f"{path} {value_text(value)}" for path, value in trial["values"].items())
    return f"the recipe's own ({values})" if trial["own"] else values


def value_text(value: Any) -> str:
    """Return a value in few characters.

    >>> value_text(0.000123456)
    '0.000123'
    """
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def repeat_words(trial: Trial) -> str:
    """Return the words that give a request the values of a trial; none for the recipe's own."""
    values = {} if trial.is_own else trial.values
    return " ".join(set_words(path, value) for path, value in values.items())


def _record(searching: Searching, trials: list[Trial]) -> dict[str, Any]:
    best = best_trial(trials)
    recipe = searching.recipe
    return {
        "format_version": FORMAT_VERSION,
        "study": searching.name,
        "measure": searching.measure,
        "wanted": recipe.trials,
        "sampler": recipe.sampler,
        "seed": searching.spec.seed,
        "ranges": {path: range_.to_json() for path, range_ in searching.ranges.items()},
        "trials": [trial.to_json() for trial in trials],
        "winner": None if best is None else best.number,
        "repeat": None if best is None else repeat_words(best),
        "importance": None,
        "seconds": round(sum(trial.seconds for trial in trials), 1),
    }


def _free_memory() -> None:
    """Give back what the last trial held, so that the next does not stand beside it."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
