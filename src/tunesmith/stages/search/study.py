"""The study of a search: what to try next, and what is kept of it. Only here is Optuna known.

It says nothing on standard error: what Optuna warns of becomes an event.
"""

from __future__ import annotations

import contextlib
import logging
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tunesmith.core.errors import MissingExtraError, ResourceError, SpecError
from tunesmith.core.events import Event, Warned
from tunesmith.core.search import Between, Range, SearchRecipe
from tunesmith.stages.search.trials import QUARTERS, State, Trial

RANDOM_TRIALS = 10
"""Trials, the recipe's own among them, before the sampler looks at what was found (TPE's usual)."""

UNPRUNED_TRIALS = 5
"""Complete trials before any is broken off."""

FEWEST_RANKED = 10
"""Complete trials from which the importance of settings is told: fewer say nothing of it."""


@dataclass(slots=True)
class Asked:
    """A trial that is to be run: its number, its values, and the last quarter it reported on.

    One that is run again after its process died has reported before, the same values.
    """

    number: int
    values: Mapping[str, Any]
    is_own: bool
    handle: Any
    reported: int = 0


class Study:
    """Trials in a database, asked one after another by one process.

    What is asked depends on the seed, the number of the trial and the trials before it, so that a
    study that was broken off asks what one without a break would have asked.
    """

    def __init__(self, study: Any, ranges: Mapping[str, Range], *, seed: int) -> None:
        """Take over a study of Optuna's; `open_study` makes one."""
        self._study = study
        self._ranges = ranges
        self._seed = seed

    def trials(self) -> list[Trial]:
        """Return the trials that have ended, in the order of their numbers."""
        return [_trial(found) for found in self._study.trials if found.state.is_finished()]

    def ask(self, own: Mapping[str, Any]) -> Asked:
        """Return the next trial: one that was running when its process died, or a new one.

        The first has the recipe's `own` values, those outside their range too.
        """
        found = self._study.trials
        known = {
            path: float(own[path]) if _is_real(range_) else own[path]
            for path, range_ in self._ranges.items()
            if range_.holds(own[path])
        }
        if not found:
            self._study.enqueue_trial(known)
        stale = next((trial for trial in found if trial.state.name == "RUNNING"), None)
        handle = self._study.ask() if stale is None else _taken_up(self._study, stale)
        is_own = handle.number == 0
        values = {
            path: own[path] if is_own and path not in known else _suggest(handle, path, range_)
            for path, range_ in self._ranges.items()
        }
        handle.set_user_attr("values", values)
        reported = 0 if stale is None else max(stale.intermediate_values, default=0)
        return Asked(handle.number, values, is_own, handle, reported)

    def report(self, asked: Asked, *, quarter: int, value: float) -> bool:
        """Keep the best value that a trial had after a quarter; tell whether to break it off.

        The last quarter breaks nothing off: there is nothing left to save.
        """
        if not quarter or quarter < asked.reported:
            return False
        if quarter > asked.reported:
            asked.reported = quarter
            asked.handle.report(value, quarter)
        return quarter < QUARTERS and asked.handle.should_prune()

    def tell(
        self,
        asked: Asked,
        state: State,
        *,
        seconds: float,
        score: float | None = None,
        problem: str = "",
    ) -> Trial:
        """Keep how a trial ended, and return it."""
        from optuna.trial import TrialState  # noqa: PLC0415 (an extra)

        states = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED}
        asked.handle.set_user_attr("seconds", round(seconds, 3))
        asked.handle.set_user_attr("problem", problem)
        self._study.tell(asked.handle, score, state=states.get(state, TrialState.FAIL))
        return _trial(self._study.trials[asked.number])

    def importance(self) -> dict[str, float] | None:
        """Return the share of the scores' variance that each setting explains, the largest first.

        None where fewer than two settings, or too few trials that differ, could tell. Source:
        Hutter, Hoos & Leyton-Brown 2014 (fANOVA), over a random forest of a fixed seed.
        """
        from optuna.importance import (  # noqa: PLC0415 (an extra)
            FanovaImportanceEvaluator,
            get_param_importances,
        )

        complete = [
            trial
            for trial in self._study.trials
            if trial.state.name == "COMPLETE" and set(trial.params) == set(self._ranges)
        ]
        scores = {trial.value for trial in complete}
        if len(complete) < FEWEST_RANKED or len(scores) < 2 or len(self._ranges) < 2:
            return None
        found = get_param_importances(
            self._study,
            evaluator=FanovaImportanceEvaluator(seed=self._seed),
            params=list(self._ranges),
        )
        return {path: round(float(share), 4) for path, share in found.items()}


@contextlib.contextmanager
def open_study(
    recipe: SearchRecipe,
    ranges: Mapping[str, Range],
    *,
    url: str,
    name: str,
    seed: int,
    emit: Callable[[Event], None],
) -> Iterator[Study]:
    """Give the study called `name` in the database at `url`, a new one where it has none.

    Raises `MissingExtraError` without Optuna, `SpecError` where the address cannot be one, and
    `ResourceError` where the database cannot be used.
    """
    require_optuna()
    import optuna  # noqa: PLC0415 (an extra)

    pruner = (
        optuna.pruners.MedianPruner(n_startup_trials=UNPRUNED_TRIALS)
        if recipe.prune
        else optuna.pruners.NopPruner()
    )
    with _speaking_to(emit), _named_failures(url):
        try:
            storage = optuna.storages.RDBStorage(url)
        except ImportError as error:
            raise SpecError(
                f"`search.storage` must name a database whose driver is installed: {error}",
                hint="leave out `search.storage`",
            ) from error
        try:
            study = optuna.create_study(
                storage=storage,
                study_name=name,
                sampler=_make_sampler(recipe.sampler, seed),
                pruner=pruner,
                direction="maximize",
                load_if_exists=True,
            )
            yield Study(study, ranges, seed=seed)
        finally:
            storage.remove_session()
            storage.engine.dispose()


def require_optuna() -> None:
    """Raise `MissingExtraError` where Optuna is not installed."""
    try:
        import optuna  # noqa: F401, PLC0415 (an extra)
    except ImportError as error:
        raise MissingExtraError(
            "`--search` needs the package optuna, which is not installed",
            hint="pip install 'tunesmith[search]'",
        ) from error


def _make_sampler(name: str, seed: int) -> Any:
    """Return a sampler that draws each value anew from seed, trial and setting.

    One generator for a whole study would depend on how often it was resumed.
    """
    from optuna.samplers import BaseSampler, RandomSampler, TPESampler  # noqa: PLC0415 (an extra)

    class SteadySampler(BaseSampler):
        """Tree-structured Parzen estimators (Bergstra et al. 2011) or chance, each alone."""

        def infer_relative_search_space(self, study: Any, trial: Any) -> dict:  # noqa: ARG002
            return {}

        def sample_relative(self, study: Any, trial: Any, search_space: Any) -> dict:  # noqa: ARG002
            return {}

        def sample_independent(
            self, study: Any, trial: Any, param_name: str, param_distribution: Any
        ) -> Any:
            entropy = (seed, trial.number, zlib.crc32(param_name.encode()))
            own = int(np.random.SeedSequence(entropy).generate_state(1)[0])
            sampler: BaseSampler = RandomSampler(seed=own)
            if name == "tpe":
                sampler = TPESampler(seed=own, n_startup_trials=RANDOM_TRIALS, multivariate=False)
            return sampler.sample_independent(study, trial, param_name, param_distribution)

    return SteadySampler()


def _taken_up(study: Any, stale: Any) -> Any:
    """Return the handle of a trial whose process died; values it was given stay as they are."""
    from optuna.trial import Trial as Handle  # noqa: PLC0415 (an extra)

    return Handle(study, stale._trial_id)  # what a frozen trial has no public name for


def _suggest(handle: Any, path: str, range_: Range) -> Any:
    """Return the value of a setting, one of its range."""
    if not isinstance(range_, Between):
        return handle.suggest_categorical(path, range_.choices)
    if range_.is_whole:
        return handle.suggest_int(path, int(range_.low), int(range_.high), log=range_.is_log)
    return handle.suggest_float(path, range_.low, range_.high, log=range_.is_log)


def _is_real(range_: Range) -> bool:
    return isinstance(range_, Between) and not range_.is_whole


def _trial(found: Any) -> Trial:
    states: dict[str, State] = {"COMPLETE": "complete", "PRUNED": "pruned"}
    facts = found.user_attrs
    return Trial(
        number=found.number,
        values=facts.get("values", dict(found.params)),
        state=states.get(found.state.name, "failed"),
        score=found.value,
        seconds=facts.get("seconds", 0.0),
        problem=facts.get("problem", ""),
        is_own=found.number == 0,
    )


@contextlib.contextmanager
def _speaking_to(emit: Callable[[Event], None]) -> Iterator[None]:
    """Let warnings of Optuna's log become events, and nothing of it reach standard error."""
    from optuna import logging as own  # noqa: PLC0415 (an extra)

    class Told(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            emit(Warned(record.getMessage()))

    log = logging.getLogger("optuna")
    before, level = log.handlers[:], own.get_verbosity()
    log.handlers = [Told()]
    own.set_verbosity(own.WARNING)
    try:
        yield
    finally:
        log.handlers = before
        own.set_verbosity(level)


@contextlib.contextmanager
def _named_failures(url: str) -> Iterator[None]:
    """Translate what a database, or its address, fails with. Other errors pass."""
    from optuna.exceptions import StorageInternalError  # noqa: PLC0415 (an extra)

    shown = url.rpartition("@")[2]  # no password in an error
    try:
        yield
    except Exception as error:
        first = (str(error).strip().splitlines() or [""])[0][:300]
        origin = type(error).__module__.partition(".")[0]
        if origin == "sqlalchemy" and type(error).__name__ in (
            "ArgumentError",
            "NoSuchModuleError",
        ):
            raise SpecError(
                f"`search.storage` must be an SQLAlchemy URL; got `{shown}`: {first}",
                hint="--set search.storage=sqlite:///FILE",
            ) from error
        if isinstance(error, StorageInternalError) or origin == "sqlalchemy":
            raise ResourceError(
                f"the trials in `{shown}` must be readable and writable; {first}",
                hint="leave out `search.storage`, or name a database that answers",
            ) from error
        raise
