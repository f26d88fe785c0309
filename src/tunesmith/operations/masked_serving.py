"""Requests masked in the process that computes, before a model reads them.

Offsets of an answer are moved back: they count in the text that the client sent. Texts within an
answer are as the model read them, with placeholders.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import DataError
from tunesmith.operations.masking import Masker, open_names
from tunesmith.stages.serve.worker import Answered, Order, Reply

if TYPE_CHECKING:
    from tunesmith.data.masking import MaskedRow
    from tunesmith.session import Session
    from tunesmith.tasks.task import Task

UNMASKED_HEADS = ("recommend",)
"""Whose rows hold ids of users and items, no texts."""
TEXT = "text"


class RequestMasker:
    """Masks the rows of requests to one model, and says of each answer what was masked."""

    def __init__(self, masker: Masker, task: Task) -> None:
        """Mask rows of `task`, which come by role."""
        self._masker = masker
        self._role = "context" if "context" in task.input_roles else task.input_roles[0]

    def around(
        self, orders: Sequence[Order], answer: Callable[[Sequence[Order]], Iterator[Reply]]
    ) -> Iterator[Reply]:
        """Yield the replies to masked requests, in order; one that cannot be masked is refused."""
        rows = iter(self._masker.mask([row for order in orders for row in order["rows"]]))
        masked = [[next(rows) for _ in order["rows"]] for order in orders]
        good = [not any(row.problems for row in own) for own in masked]
        asked = [
            {**order, "rows": [row.row for row in own]}
            for order, own, is_good in zip(orders, masked, good, strict=True)
            if is_good
        ]
        replies = answer(asked) if asked else iter(())
        for own, is_good in zip(masked, good, strict=True):
            if is_good:
                yield self._told(next(replies), own)
            else:
                problems = [problem for row in own for problem in row.problems]
                yield DataError(problems, hint="send stretches that hold what is masked whole")

    def masked(self, order: Order) -> Order:
        """Return a request with its rows masked, or its texts where it has no rows by role.

        Raises `DataError` where it cannot be masked.
        """
        rows = order["rows"]
        by_role = [{TEXT: row} if isinstance(row, str) else row for row in rows]
        masked = self._masker.mask(by_role)
        if problems := [problem for row in masked for problem in row.problems]:
            raise DataError(problems, hint="send stretches that hold what is masked whole")
        pairs = zip(rows, masked, strict=True)
        kept = [own.row[TEXT] if isinstance(row, str) else own.row for row, own in pairs]
        return {**order, "rows": kept}

    def unchanged(self, rows: Sequence[Mapping[str, Any]]) -> list[bool]:
        """Tell of each row whether masking leaves it as it is."""
        return [not row.counts for row in self._masker.mask(rows)]

    def _told(self, reply: Reply, rows: Sequence[MaskedRow]) -> Reply:
        if not isinstance(reply, Answered):
            return reply
        answers = [
            {**self._moved(answer, row), "masked": dict(sorted(row.counts.items()))}
            for answer, row in zip(reply.answers, rows, strict=True)
        ]
        return Answered(answers, reply.warnings)

    def _moved(self, answer: dict[str, Any], row: MaskedRow) -> dict[str, Any]:
        """Return an answer with the offsets of the text that was sent."""
        if not row.counts:
            return answer
        moved = dict(answer)
        for name in ("entities", "sentences"):
            if name in answer:
                moved[name] = [self._place(item, row) for item in answer[name]]
        return self._place(moved, row) if {"start", "end"} <= moved.keys() else moved

    def _place(self, item: dict[str, Any], row: MaskedRow) -> dict[str, Any]:
        start, end = item["start"], item["end"]
        if start < end:
            start, end = row.original(self._role, start, end)
        return {**item, "start": start, "end": end}


@contextlib.contextmanager
def open_masking(settings: Mapping[str, Any], session: Session) -> Iterator[Masker | None]:
    """Give what masks rows as the settings of a worker say, or None where they ask for nothing."""
    if not settings["mask"] and settings["mask_names"] is None:
        yield None
        return
    with contextlib.ExitStack() as stack:
        names = None
        if settings["mask_names"] is not None:
            names = stack.enter_context(
                open_names(settings["mask_names"], session, device=settings["device"])
            )
        yield Masker(settings["mask"], names=names, numbered=settings["mask_numbered"])
