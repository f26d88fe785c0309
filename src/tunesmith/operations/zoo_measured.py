"""What tuned models reached on the very rows that models are ranked for."""

from __future__ import annotations

from collections.abc import Mapping

from tunesmith.core.measures import Measure
from tunesmith.session import Session
from tunesmith.store.results import Measured

Z95 = 1.96


def best_measured(
    session: Session, fingerprints: Mapping[str, str], task: str, measure: str
) -> dict[str, Measured]:
    """Return the best result of each backbone, by the sha256 of its weights, all on the same rows.

    `fingerprints` are those of the splits. The split on which most backbones were measured counts,
    of equal ones the first.
    """
    boards: list[dict[str, Measured]] = []
    for sha256 in fingerprints.values():
        board: dict[str, Measured] = {}
        for own in session.workspace.results.find(data_sha256=sha256, task=task, measure=measure):
            known = board.get(own.model_sha256 or "")
            if own.model_sha256 and (known is None or own.score.value > known.score.value):
                board[own.model_sha256] = own
        boards.append(board)
    return max(boards, key=len, default={})


def standard_error(score: Measure) -> float:
    """Return the standard error that a 95 % interval means; infinity where there is none."""
    if score.low is None or score.high is None:
        return float("inf")
    return (score.high - score.low) / (2 * Z95)
