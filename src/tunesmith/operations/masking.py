"""Rows masked by form, and by a bundle that tags names, wherever rows come from."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import SpecError
from tunesmith.core.examples import Span
from tunesmith.core.masking import NAME, PERSON_LABELS, Patterned
from tunesmith.data.masking import MaskedRow, mask_row, row_texts
from tunesmith.tasks.words import split_words

if TYPE_CHECKING:
    from tunesmith.runtime.engine import Engine
    from tunesmith.session import Session

KEPT_NAMES = 1024
"""Texts whose names are remembered, for those that come again."""


class NameFinder:
    """Finds what a bundle for `ner` tags as a person."""

    def __init__(self, engine: Engine, *, labels: frozenset[str]) -> None:
        """Find the entities of `labels` with an engine that stays open."""
        from tunesmith.runtime.caching import AnswerCache

        self._engine = engine
        self._labels = labels
        self._cache = AnswerCache(KEPT_NAMES)

    def find(self, texts: Sequence[str]) -> list[list[Span]]:
        """Return the stretches of names in each text."""
        from tunesmith.runtime.caching import answer_cached

        inputs = [self._engine.task.inputs_of(text) for text in texts]
        answers: Iterable[Any] = answer_cached(self._engine, inputs, self._cache)
        return [
            [
                Span(entity.start, entity.end, NAME)
                for entity in answer.entities
                if entity.type in self._labels
            ]
            for answer in answers
        ]


@contextlib.contextmanager
def open_names(path: str, session: Session, *, device: str = "auto") -> Iterator[NameFinder]:
    """Give what finds names with the bundle at `path`; it computes in fp32.

    Raises `SpecError` where the bundle tags no entities, or none that are people.
    """
    from tunesmith.operations.predict import PredictSpec, open_engine

    bundle = session.workspace.bundle(path)
    labels = person_labels(bundle.task.kind, bundle.task.labels, path)
    spec = PredictSpec(bundle=path, column={}, precision="fp32", device=device)
    with open_engine(spec, session, bundle) as (engine, _):
        yield NameFinder(engine, labels=labels)


def person_labels(kind: str, labels: Sequence[str], path: str) -> frozenset[str]:
    """Return the labels that are names of people. Raises `SpecError` where there are none."""
    found = frozenset(label for label in labels if label.lower() in PERSON_LABELS)
    if kind != "ner" or not found:
        has = ", ".join(labels[:10]) or "none"
        raise SpecError(
            f"`mask_names` must be a bundle for ner with a label for people "
            f"({', '.join(sorted(PERSON_LABELS))}); `{path}` is for {kind}, its labels: {has}",
            hint="tunesmith fit DATA --task ner --model minilm",
        )
    return found


class Masker:
    """Masks rows: kinds with a form, and names where there is what finds them."""

    def __init__(
        self,
        kinds: Sequence[Patterned],
        *,
        names: NameFinder | None = None,
        numbered: bool = False,
        columns: Mapping[str, str] | None = None,
        only: Sequence[str] | None = None,
    ) -> None:
        """Mask `kinds` in the columns `only`, or in all; `columns` maps roles to columns."""
        self._kinds = tuple(kinds)
        self._names = names
        self._is_numbered = numbered
        self._columns = dict(columns or {})
        self._only = only

    def mask(self, rows: Sequence[Mapping[str, Any]]) -> list[MaskedRow]:
        """Return the rows with placeholders, in order; names of all are found at once."""
        texts = [row_texts(row, only=self._only, columns=self._columns) for row in rows]
        names: list[dict[Any, list[Span]]] = [{} for _ in rows]
        if self._names is not None:
            where = [
                (number, path)
                for number, own in enumerate(texts)
                for path, text in own.items()
                if split_words(text)
            ]
            found = self._names.find([texts[number][path] for number, path in where])
            for (number, path), spans in zip(where, found, strict=True):
                names[number][path] = spans
        return [
            mask_row(
                row,
                own,
                kinds=self._kinds,
                names=named,
                columns=self._columns,
                numbered=self._is_numbered,
            )
            for row, own, named in zip(rows, texts, names, strict=True)
        ]
