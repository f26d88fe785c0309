"""Which settings a search tries: all that cannot be is refused before a row is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, get_args

from tunesmith.core.boosters import SETTING_OF, BoostRecipe
from tunesmith.core.errors import Problem, SpecError
from tunesmith.core.prompting import Asked
from tunesmith.core.search import Range, SearchRecipe, read_range
from tunesmith.core.spec import build_spec, set_path, setting_paths
from tunesmith.operations.boosters import refuse_boosters
from tunesmith.operations.companions import refuse_contradictions
from tunesmith.operations.deltas import with_own_training
from tunesmith.operations.enriching import refuse_enriching
from tunesmith.operations.fit import FitSpec
from tunesmith.tasks.task import Task

SEARCHED = (
    "training.",
    "method.",
    "boost",
    "augmentation",
    "recommend.",
    "joint.task_weight",
    "joint.final_task_weight",
    "joint.batch_tokens",
    "model.dropout",
)
"""The beginnings of what may be searched: what leaves the rows, and how they are read, as they are.
"""

KEPT = {
    "training.threads": "it changes how fast a machine is, not what is learned",
    "training.token_cache": "it changes no result",
    "training.track": "it changes no result",
    "training.checkpoint_steps": "it changes no result",
    "training.selection": "scores by different measures cannot be compared",
    "recommend.liked": "it says what the rows mean",
    "method.name": "`tunesmith plan` compares methods",
}
"""What may not be searched among these, and why."""

SWITCHES = {"augmentation": "--augmentation eda", "joint": "--set joint.data=FILE"}
"""What switches a group on."""

WHERE = "search.space"


def settle_ranges(spec: FitSpec, recipe: SearchRecipe) -> Mapping[str, Range]:
    """Return what is searched: the ranges that were given, else those declared beside the method.

    Raises `SpecError` with every setting that may not be searched, and every value that the recipe
    does not allow, and where there is nothing to search.
    """
    _refuse_unsearchable(spec)
    ranges = recipe.ranges or declared_ranges(spec)
    if not ranges:
        raise SpecError(
            f"`--search` must have ranges; the method `{spec.method.name}` declares none: what it "
            "has to choose, it chooses on the validation rows itself",
            hint="leave out --search, or --method full",
        )
    problems: list[Problem | str] = []
    hints: list[str] = []
    for path, range_ in ranges.items():
        found = list(_problems(spec, path, range_))
        hints += [_hint(spec, path)] if found and not hints else []
        problems += found
    if problems:
        raise SpecError(problems, hint=hints[0])
    return ranges


def declared_ranges(spec: FitSpec) -> Mapping[str, Range]:
    """Return the ranges that are declared beside the method, or beside the recommender's recipe."""
    declared = getattr(spec.method, "ranges", {})
    if spec.task == "recommendation" and spec.method.name == "full":
        declared = spec.recommend.ranges
    return {path: read_range(written) for path, written in declared.items()}


def spec_with(spec: FitSpec, values: Mapping[str, Any]) -> FitSpec:
    """Return a request with other settings by their paths; what was not given stays not given.

    Raises `SpecError` where they cannot be.
    """
    fields = spec.model_dump(mode="json", exclude_unset=True)
    for path, value in values.items():
        set_path(fields, path, value)
    return build_spec(FitSpec, fields, where=WHERE)


def own_values(spec: FitSpec, ranges: Mapping[str, Range]) -> dict[str, Any]:
    """Return the values that the recipe itself has, and its method where it names none."""
    spec = with_own_training(spec)
    return {path: _plain(_found(spec, path)) for path in ranges}


def refuse_unsuited(spec: FitSpec, ranges: Mapping[str, Range], task: Task) -> None:
    """Raise `SpecError` where a value does not suit what the rows turned out to be."""
    for path, range_ in ranges.items():
        for value in range_.samples:
            refuse_boosters(spec_with(spec, {path: value}), task)


def _refuse_unsearchable(spec: FitSpec) -> None:
    """Raise `SpecError` with all that a search cannot be done beside."""
    problems, hint = [], "leave out --search"
    if spec.ensemble is not None:
        problems.append("`--search` finds one bundle; `ensemble` makes one of several")
        hint = "search first, then --set ensemble.seeds=3 with the settings that won"
    if spec.self_training is not None:
        problems.append(
            "`--search` tunes on rows that stay the same; `self_training` would label them by "
            "another teacher in each trial"
        )
        hint = "search first, then `self_training` with the settings that won"
    if spec.method.name == "auto":
        problems.append("`--search` tries the settings of one method; `--method auto` names none")
        hint = f"tunesmith plan {spec.data} --task {spec.task}, then --search with what it chooses"
    elif isinstance(spec.method, Asked) and _is_prompted(spec):
        problems.append(
            f"`--search` tunes; `--method {spec.method.name}` asks by a prompt and tunes nothing"
        )
        hint = f"tunesmith prompt {spec.data} --task {spec.task}, which searches prompts"
    if problems:
        raise SpecError(problems, hint=hint)


def _is_prompted(spec: FitSpec) -> bool:
    from tunesmith.operations.prompting import answers_by_prompt

    return bool(answers_by_prompt(spec))


def _problems(spec: FitSpec, path: str, range_: Range) -> Iterator[Problem | str]:
    """Yield what keeps a setting from being searched over a range."""
    if path in KEPT:
        yield Problem(f"`{path}` must stay as it is: {KEPT[path]}", "a range", WHERE)
        return
    if not _may_be_searched(path):
        must = f"`{path}` must be a setting that leaves the rows and their reading as they are"
        yield Problem(must, _nearest(path), WHERE)
        return
    if off := _group_off(spec, path):
        yield Problem(f"`{path}` must be a setting of what the recipe has", f"`{off}`: none", WHERE)
        return
    told: list[Problem] = []
    for value in range_.samples:
        try:
            other = spec_with(spec, {path: value})
            refuse_contradictions(other)
            refuse_boosters(other)
            refuse_enriching(other)
        except SpecError as error:
            told += [problem for problem in error.problems if problem not in told]
    yield from told


def _may_be_searched(path: str) -> bool:
    named = [known for known in SEARCHED if not known.endswith(".")]
    return path.startswith(tuple(known for known in SEARCHED if known.endswith("."))) or any(
        path == known or (path.startswith(f"{known}.") and known in ("boost", "augmentation"))
        for known in named
    )


def _nearest(path: str) -> str:
    known = [name for name, _ in setting_paths(FitSpec) if _may_be_searched(name)]
    near = get_close_matches(path, known, n=1)
    is_known = path in dict(setting_paths(FitSpec))
    if is_known:
        return "one that does not"
    return f"an unknown name; did you mean `{near[0]}`?" if near else "an unknown name"


def _group_off(spec: FitSpec, path: str) -> str:
    """Return the group of a setting where the recipe has left it off."""
    part: Any = spec
    *parents, _ = path.split(".")
    for at, name in enumerate(parents):
        if not hasattr(part, name):
            return ""
        part = getattr(part, name)
        if part is None:
            return ".".join(parents[: at + 1])
    return ""


def _found(spec: FitSpec, path: str) -> Any:
    found: Any = spec
    for name in path.split("."):
        found = getattr(found, name)
    return found


def _plain(value: Any) -> Any:
    """Return a value as a choice is written: a group by its name, or by the names that are on."""
    if isinstance(value, BoostRecipe):
        return ",".join(value.names)
    return getattr(value, "name", value)


def _hint(spec: FitSpec, path: str) -> str:
    """Return a range that can be typed, for this setting where one is known."""
    known = dict(setting_paths(FitSpec))
    if off := _group_off(spec, path):
        group, _, setting = off.rpartition(".")
        booster = next((name for name, own in SETTING_OF.items() if own == setting), "")
        return f"--boost {booster}" if group == "boost" else SWITCHES.get(off, "--print-spec")
    declared = declared_ranges(spec)
    if path in declared:
        return f"--set 'search.space.{path}={declared[path]}'"
    if path in known and _may_be_searched(path) and path not in KEPT:
        words = [word for word in get_args(known[path].annotation) if isinstance(word, str)]
        if len(words) > 1:
            return f"--set 'search.space.{path}=[{words[0]}, {words[1]}]'"
    usual = declared or {"training.epochs": read_range("2..8")}
    first, range_ = next(iter(usual.items()))
    return f"--set 'search.space.{first}={range_}'"
