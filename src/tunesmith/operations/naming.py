"""A bundle by whatever names it: a folder, an alias, or the run that made it."""

from __future__ import annotations

import os
from dataclasses import dataclass

from tunesmith.core.errors import NotFoundError
from tunesmith.store.bundles import Bundle, read_bundle
from tunesmith.store.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Found:
    """A bundle with the id of the run that made it, where that is known."""

    bundle: Bundle
    run: str | None


def find_bundle(name: str, workspace: Workspace) -> Found:
    """Return the bundle that a folder, `@alias`, or the name or id of a run stands for.

    Raises `NotFoundError` where there is none, and what `read_bundle` raises.
    """
    if name.startswith("@"):
        bundle = workspace.bundle(name)
        return Found(bundle, workspace.aliases.find(name).run)
    if os.path.exists(name):
        bundle = read_bundle(name)
        places = workspace.made.of(bundle.fingerprint)
        return Found(bundle, places[0].run if places else None)
    try:
        run = workspace.runs.show(name)
    except NotFoundError as error:
        raise NotFoundError(
            f"`{name}` must be a bundle's folder, an alias or a run; there is no such folder, and "
            f"{error.problems[0]}",
            hint="tunesmith runs",
        ) from None
    path = (run.result or {}).get("bundle")
    if path is None:
        raise NotFoundError(
            f"the run `{run.id}` must have made a bundle; it is `{run.operation}`, {run.status}",
            hint="tunesmith runs --operation fit --status done",
        )
    return Found(read_bundle(run.locate(path)), run.id)
