"""A bundle that stays loaded and answers rows, for objects that are asked again and again."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tunesmith.core.errors import SpecError, TunesmithError
from tunesmith.core.examples import Inputs
from tunesmith.core.spec import build_spec
from tunesmith.operations.predict import PredictSpec, open_engine
from tunesmith.runtime.caching import AnswerCache, answer_cached
from tunesmith.runtime.engine import text_vectors
from tunesmith.runtime.judging import asked_of, make_judge
from tunesmith.session import Session
from tunesmith.tasks.structured import read_inputs
from tunesmith.tasks.task import Task


class OpenBundle:
    """A verified bundle with its engine. One thread computes at a time.

    Settings are those of `predict`: `engine`, `precision`, `device`, `abstain_below` and so on.
    """

    def __init__(self, bundle: str, settings: Mapping[str, Any]) -> None:
        """Load the bundle. Raises what `predict` raises."""
        self._spec = build_spec(PredictSpec, {"bundle": bundle, **settings}, where="Python")
        session = Session(device=self._spec.device)
        self.bundle = session.workspace.bundle(self._spec.bundle)
        self._stack = contextlib.ExitStack()
        opened = self._stack.enter_context(open_engine(self._spec, session, self.bundle))
        self._engine = asked_of(opened[0], self._spec)
        self._judge = make_judge(self._spec, self._engine.task, self._engine.reliability)
        self._cache = AnswerCache(self._spec.cache)
        self._lock = threading.Lock()

    @property
    def task(self) -> Task:
        """The task that the bundle does."""
        return self._engine.task

    def read(self, row: str | Mapping[str, Any]) -> Inputs:
        """Return the inputs of a text, or of a row by its roles. Raises `DataError`."""
        if isinstance(row, str):
            return self.task.inputs_of(row)
        return read_inputs(self.task, dict(row))

    def answer(self, rows: Sequence[str | Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Return `{…inputs, …answer}` for each row, as `predict` does.

        All are computed together. Raises `DataError` where one is no row of the task.
        """
        found = self.try_answer(rows)
        for each in found:
            if isinstance(each, TunesmithError):
                raise each
        return [each for each in found if not isinstance(each, TunesmithError)]

    def try_answer(
        self, rows: Sequence[str | Mapping[str, Any]]
    ) -> list[dict[str, Any] | TunesmithError]:
        """Return what `answer` does, and in the place of a row that cannot be read, why."""
        read: list[Inputs | TunesmithError] = []
        for row in rows:
            try:
                read.append(self.read(row))
            except TunesmithError as error:
                read.append(error)
        inputs = [item for item in read if not isinstance(item, TunesmithError)]
        with self._lock:
            answers = iter(list(answer_cached(self._engine, inputs, self._cache)))
        told: list[dict[str, Any] | TunesmithError] = []
        for item in read:
            if isinstance(item, TunesmithError):
                told.append(item)
                continue
            reply = next(answers)
            fields = reply.to_json(all_scores=self._spec.all_scores)
            told.append({**self.task.input_fields(item), **fields, **self._judge.fields(reply)})
        return told

    def unit_vectors(self, texts: Sequence[str]) -> np.ndarray:
        """Return (N, H) float64: the vector of each text, at length 1.

        Raises `SpecError` where the bundle does not compare texts by their vectors.
        """
        if self.task.head != "embed":
            raise SpecError(
                "vectors of texts must come from a bundle that was tuned to compare them; this one "
                f"is for {self.task.kind}",
                hint="tunesmith fit PAIRS --task matching --set model.pairs=apart",
            )
        if not texts:
            return np.zeros((0, 0))
        with self._lock:
            vectors = text_vectors(self._engine, texts)
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
