"""What a bundle was made from, and what was made from it, as a tree of records."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable
from typing import Any

from tunesmith.store.bundles import MANIFEST
from tunesmith.store.runs import Run
from tunesmith.store.workspace import Workspace

DEEPEST = 6
"""Generations that are followed up and down."""


def lineage_of(run: Run, workspace: Workspace) -> list[dict[str, Any]]:
    """Return what a run left, each with its ancestors and descendants (`parents`, `children`).

    Of a run that was recorded before lineage was, the bundle itself is asked for its parents.
    """
    made = [own.fingerprint for own in workspace.made.of_run(run.id)]
    above = {name: workspace.made.parents_of(name) for name in made}
    if not made and (path := (run.result or {}).get("bundle")):
        manifest = run.locate(path) / MANIFEST
        with contextlib.suppress(OSError, ValueError):  # gone, or damaged: nothing is known then
            raw = manifest.read_bytes()
            above = {hashlib.sha256(raw).hexdigest(): list(json.loads(raw)["parents"])}
    aliases: dict[str, list[str]] = {}
    for own in workspace.aliases.in_force():
        aliases.setdefault(own.fingerprint, []).append(f"@{own.alias}")
    tree = _Tree(workspace, aliases)
    return [
        {
            **tree.node(name),
            "parents": tree.grow(parents, "parents", workspace.made.parents_of, {name}),
            "children": tree.grow(
                workspace.made.children_of(name), "children", workspace.made.children_of, {name}
            ),
        }
        for name, parents in above.items()
    ]


class _Tree:
    """What a node tells, and how one grows another."""

    def __init__(self, workspace: Workspace, aliases: dict[str, list[str]]) -> None:
        self._workspace = workspace
        self._aliases = aliases

    def node(self, fingerprint: str) -> dict[str, Any]:
        """Return what is known of a bundle: its path and run are None where it is not recorded."""
        places = self._workspace.made.of(fingerprint)
        place = next((own for own in places if os.path.exists(own.path)), None)
        place = place or (places[0] if places else None)
        return {
            "fingerprint": fingerprint,
            "kind": place.kind if place else "bundle",
            "path": place.path if place else None,
            "run": place.run if place else None,
            "is_there": place is not None and os.path.exists(place.path),
            "aliases": self._aliases.get(fingerprint, []),
        }

    def grow(
        self, names: list[str], key: str, more: Callable[[str], list[str]], seen: set[str]
    ) -> list[dict[str, Any]]:
        """Return the nodes of `names`, and under `key` what `more` says is beyond each."""
        if len(seen) > DEEPEST:
            return []
        return [
            {**self.node(name), key: self.grow(more(name), key, more, seen | {name})}
            for name in names
            if name not in seen
        ]
