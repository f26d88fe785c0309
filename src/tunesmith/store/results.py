"""What was measured here: every measure of every model, with the rows, the cost and the machine."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select

from tunesmith.core.measures import Measure
from tunesmith.store.database import Database
from tunesmith.store.runs import now
from tunesmith.store.tables import RESULTS


@dataclass(frozen=True, slots=True)
class Measured:
    """One measure of one bundle on one set of rows, and what it took to get it.

    `data_sha256` is the fingerprint of the rows, whatever their file is called; `seconds` are those
    of the whole run, `peak_bytes` the most memory its process held; `model` names the backbone and
    `model_sha256` its weights. `place` counts the measures of one report, the first is its
    headline's first.
    """

    operation: str
    task: str
    method: str
    model: str
    model_sha256: str | None
    data: str
    data_sha256: str
    split: str
    train_rows: int | None
    measure: str
    place: int
    is_headline: bool
    score: Measure
    seconds: float
    peak_bytes: int | None
    machine: str
    bundle: str
    fingerprint: str
    run: str = ""
    measured: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the fields under their own names, those of the measure beside them."""
        own = {name: getattr(self, name) for name in self.__slots__ if name != "score"}
        return {**own, **self.score.to_json()}


class Results:
    """The table of results in one database."""

    def __init__(self, database: Database) -> None:
        """Use an open database."""
        self._database = database

    def add(self, run: str, measured: Iterable[Measured]) -> None:
        """Record what a run measured."""
        moment = now()
        rows = [{**own.to_json(), "run": run, "measured": moment} for own in measured]
        for row in rows:
            row["is_headline"] = int(row["is_headline"])
        if rows:
            with self._database.writing() as connection:
                connection.execute(RESULTS.insert(), rows)

    def find(
        self,
        *,
        data_sha256: str | None = None,
        model: str | None = None,
        task: str | None = None,
        measure: str | None = None,
        headline_only: bool = False,
    ) -> list[Measured]:
        """Return what is known, newest first; what is None is not asked for.

        `data_sha256` may be the beginning of a fingerprint; `model` is a backbone's name or the
        sha256 of its weights.
        """
        query = select(RESULTS).order_by(RESULTS.c.measured.desc(), RESULTS.c.id)
        if data_sha256 is not None:
            begins = RESULTS.c.data_sha256.startswith(data_sha256, autoescape=True)
            query = query.where(begins)
        if model is not None:
            is_it = (RESULTS.c.model == model) | (RESULTS.c.model_sha256 == model)
            query = query.where(is_it)
        if task is not None:
            query = query.where(RESULTS.c.task == task)
        if measure is not None:
            query = query.where(RESULTS.c.measure == measure)
        if headline_only:
            query = query.where(RESULTS.c.place == 0)
        with self._database.reading() as connection:
            return [_measured(row) for row in connection.execute(query)]

    def tasks(self) -> list[str]:
        """Return the tasks that anything was measured for, the most measured first."""
        often = func.count().desc()
        query = select(RESULTS.c.task).group_by(RESULTS.c.task).order_by(often)
        with self._database.reading() as connection:
            return list(connection.execute(query).scalars())


def _measured(row: Any) -> Measured:
    names = [name for name in Measured.__slots__ if name not in ("score", "is_headline")]
    score = Measure(row.value, row.unit, row._mapping["count"], row.low, row.high)
    own = {name: getattr(row, name) for name in names}
    return Measured(**own, score=score, is_headline=bool(row.is_headline))
