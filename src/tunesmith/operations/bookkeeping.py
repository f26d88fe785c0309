"""What `runs` does with the records alone: list, show, names, notes, tags, aliases."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import Any

from tunesmith.core.errors import NotFoundError, SpecError
from tunesmith.operations.lineage import lineage_of
from tunesmith.operations.naming import find_bundle
from tunesmith.operations.runs import ACTIONS, RunsSpec
from tunesmith.session import Session
from tunesmith.store.runs import Run, Wanted

_AGO = re.compile(r"(\d{1,5})([dh])")
_USES = {
    "show": "RUN",
    "name": "RUN NAME",
    "note": "RUN TEXT",
    "tag": "RUN TAG…",
    "untag": "RUN TAG…",
    "alias": "@NAME BUNDLE",
    "unalias": "@NAME",
    "compare": "A B [DATA]",
    "leaderboard": "DATA",
    "delete": "RUN…",
}


def require_operands(spec: RunsSpec, *, least: int, most: int | None) -> tuple[str, ...]:
    """Return what the action is to be done with. Raises `SpecError` where that is not enough."""
    if spec.action not in ACTIONS and spec.names:
        near = get_close_matches(spec.action, ACTIONS, n=1)
        raise SpecError(
            f"the first word behind `runs` must be {', '.join(ACTIONS)} or, alone, a run; "
            f"got `{spec.action}`",
            hint=f"tunesmith runs {near[0] if near else '--help'}",
        )
    count = len(spec.operands)
    if count < least or (most is not None and count > most):
        use = f"tunesmith runs {spec.verb} {_USES.get(spec.verb, '')}".rstrip()
        raise SpecError(
            f"`runs {spec.verb}` must be written `{use}`; got {count or 'no'} "
            f"word{'' if count == 1 else 's'} behind it",
            hint=use,
        )
    return spec.operands


def _list(spec: RunsSpec, session: Session) -> dict[str, Any]:
    require_operands(spec, least=0, most=0)
    wanted = Wanted(spec.operation, spec.status, spec.tag, spec.data, _since(spec.since))
    return {
        "runs": [own.to_json() for own in session.workspace.runs.list(wanted, limit=spec.limit)]
    }


def _show(spec: RunsSpec, session: Session) -> dict[str, Any]:
    (name,) = require_operands(spec, least=1, most=1)
    try:
        run = session.workspace.runs.show(name)
    except NotFoundError as error:
        near = get_close_matches(name, ACTIONS, n=1)
        if spec.action != name or not near:
            raise
        raise NotFoundError(error.problems, hint=f"tunesmith runs {near[0]}") from None
    return {"runs": [run.to_json()], "lineage": lineage_of(run, session.workspace)}


def _name(spec: RunsSpec, session: Session) -> dict[str, Any]:
    run, name = _run_and_more(spec, session, most=2)
    if name[0] in ACTIONS or re.fullmatch("[0-9a-f]{1,8}", name[0]):
        raise SpecError(
            f"the name of a run must not be read as an id or an action; got `{name[0]}`",
            hint=f"tunesmith runs name {run.id} my-{name[0]}",
        )
    session.workspace.runs.rename(run.id, name[0])
    return _again(run, session)


def _note(spec: RunsSpec, session: Session) -> dict[str, Any]:
    run, words = _run_and_more(spec, session, most=None)
    session.workspace.runs.annotate(run.id, " ".join(words))
    return _again(run, session)


def _tag(spec: RunsSpec, session: Session) -> dict[str, Any]:
    run, tags = _run_and_more(spec, session, most=None)
    session.workspace.runs.tag(run.id, tags)
    return _again(run, session)


def _untag(spec: RunsSpec, session: Session) -> dict[str, Any]:
    run, tags = _run_and_more(spec, session, most=None)
    session.workspace.runs.tag(run.id, tags, remove=True)
    return _again(run, session)


def _alias(spec: RunsSpec, session: Session) -> dict[str, Any]:
    """Give an alias, show the history of one, or list all."""
    words = require_operands(spec, least=0, most=2)
    aliases = session.workspace.aliases
    if len(words) == 2:
        _require_at(words[0])
        found = find_bundle(words[1], session.workspace)
        made = aliases.give(words[0], found.bundle, run=found.run)
        return {"aliases": [made.to_json()], "given": made.to_json()["alias"]}
    if words:
        _require_at(words[0])
        past = aliases.history(words[0])
        if not past:
            aliases.find(words[0])  # raises with the nearest names
        return {"aliases": [own.to_json() for own in past]}
    return {"aliases": [own.to_json() for own in aliases.in_force()]}


def _unalias(spec: RunsSpec, session: Session) -> dict[str, Any]:
    (name,) = require_operands(spec, least=1, most=1)
    _require_at(name)
    taken = session.workspace.aliases.take(name)
    return {"aliases": [], "taken": taken.to_json()["alias"], "stood_for": taken.path}


def _run_and_more(
    spec: RunsSpec, session: Session, *, most: int | None
) -> tuple[Run, tuple[str, ...]]:
    name, *more = require_operands(spec, least=2, most=most)
    return session.workspace.runs.show(name), tuple(more)


def _again(run: Run, session: Session) -> dict[str, Any]:
    return {"runs": [session.workspace.runs.show(run.id).to_json()]}


def _require_at(name: str) -> None:
    if not name.startswith("@"):
        raise SpecError(
            f"an alias must begin with `@`; got `{name}`",
            hint=f"tunesmith runs alias @{name} BUNDLE",
        )


def _since(text: str | None) -> str | None:
    """Return a moment in UTC, as records keep it, from a day, a moment, or so long ago."""
    if text is None:
        return None
    if ago := _AGO.fullmatch(text):
        unit = {"d": "days", "h": "hours"}[ago[2]]
        moment = datetime.now(UTC) - timedelta(**{unit: int(ago[1])})
    else:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError as error:
            raise SpecError(
                f"`since` must be a day, a moment, or so many days or hours ago; got `{text[:80]}`",
                hint="--since 2026-11-28, or --since 7d",
            ) from error
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


DEEDS: dict[str, Callable[[RunsSpec, Session], dict[str, Any]]] = {
    "list": _list,
    "show": _show,
    "name": _name,
    "note": _note,
    "tag": _tag,
    "untag": _untag,
    "alias": _alias,
    "unalias": _unalias,
}
