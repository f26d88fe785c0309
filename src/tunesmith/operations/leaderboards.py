"""What was measured on some rows, ranked: the records that `runs leaderboard` and `zoo` read."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tunesmith.core.errors import NotFoundError, TunesmithError
from tunesmith.operations.bookkeeping import require_operands
from tunesmith.operations.recording import whole_path
from tunesmith.operations.runs import RunsSpec
from tunesmith.session import Session
from tunesmith.store.results import Measured

_FINGERPRINT = re.compile("[0-9a-f]{8,64}")
FALLING = frozenset({"perplexity"})
"""Measures of which less is better, beside those that the report page knows."""


def rank_results(spec: RunsSpec, session: Session) -> dict[str, Any]:
    """Return what was measured on DATA, a board for each set of rows and measure, best first.

    DATA is a data argument or the beginning of a fingerprint. A bundle that was measured more than
    once on the same rows stands there once, as it was measured last. Raises `NotFoundError` where
    nothing was measured.
    """
    (data,) = require_operands(spec, least=1, most=1)
    found = _results_for(data, spec.column, session)
    wanted = [own for own in found if own.measure == spec.measure or not spec.measure]
    if spec.measure is None:
        wanted = [own for own in found if own.place == 0]
    if not wanted:
        names = sorted({own.measure for own in found})
        what = f"`{spec.measure}`" if spec.measure else "a measure"
        raise NotFoundError(
            f"{what} must have been taken on `{data}` here to be ranked; "
            f"got {', '.join(names) or 'none'}",
            hint=f"--measure {names[0]}" if names else f"tunesmith evaluate BUNDLE {data}",
        )
    groups: dict[tuple[str, str, str], dict[str, Measured]] = {}
    for own in wanted:  # newest first
        board = groups.setdefault((own.data_sha256, own.task, own.measure), {})
        board.setdefault(own.fingerprint, own)
    return {
        "data": data,
        "boards": [_board(list(board.values()), limit=spec.limit) for board in groups.values()],
    }


def _board(entries: Sequence[Measured], *, limit: int) -> dict[str, Any]:
    from tunesmith.stages.evaluate.page_words import LOWER_IS_BETTER

    first = entries[0]
    falls = first.measure in LOWER_IS_BETTER | FALLING
    ranked = sorted(entries, key=lambda own: own.score.value, reverse=not falls)
    return {
        "data_sha256": first.data_sha256,
        "names": sorted({own.data for own in entries}),
        "split": first.split,
        "task": first.task,
        "measure": first.measure,
        "lower_is_better": falls,
        "rows": [own.to_json() for own in ranked[:limit]],
    }


def _results_for(data: str, columns: Mapping[str, str], session: Session) -> list[Measured]:
    """Return every result on these rows: by fingerprint, or by the path they were read from."""
    from tunesmith.data.sources import is_there

    results = session.workspace.results
    is_known = data.startswith("hub:") or is_there(data)
    if not is_known and _FINGERPRINT.fullmatch(data):
        return results.find(data_sha256=data)
    if not is_known:
        raise NotFoundError(
            f"`{data}` must be a data argument, or the beginning of the fingerprint of rows",
            hint="tunesmith runs --operation evaluate",
        )
    known = set(_fingerprints(data, columns, results.tasks()))
    path = whole_path(data)
    return [own for own in results.find() if own.data_sha256 in known or own.data == path]


def _fingerprints(data: str, columns: Mapping[str, str], tasks: Iterable[str]) -> Iterable[str]:
    """Yield the fingerprints of the rows of `data`, read for each task that was measured here."""
    from tunesmith.data.fingerprints import fingerprint_examples
    from tunesmith.data.folders import find_sources
    from tunesmith.operations.reading import read_for
    from tunesmith.tasks import make_task

    sources = find_sources(data)
    for kind in tasks:
        for source in sources:
            with contextlib.suppress(TunesmithError):  # rows of another task
                task = make_task(kind, columns=dict(columns))
                yield fingerprint_examples(read_for(task, source, columns={})[1])
