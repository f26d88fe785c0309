"""Bundles in scikit-learn: one that is tuned already, and an estimator that tunes."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from tunesmith.core.errors import DataError, SpecError
from tunesmith.integrations.open_bundle import OpenBundle
from tunesmith.operations import execute


class _TextClassifier(ClassifierMixin, BaseEstimator):
    """What both have in common: an open bundle that gives each text one of some labels."""

    def predict(self, X: Iterable[str]) -> np.ndarray:  # noqa: N803 (scikit-learn's name)
        """Return (N,) the label of each text."""
        best = self.predict_proba(X).argmax(axis=1)
        return self.classes_[best]

    def predict_proba(self, X: Iterable[str]) -> np.ndarray:  # noqa: N803
        """Return (N, C) the probability of each of `classes_`, whose rows add up to 1."""
        check_is_fitted(self)
        opened, names = self._opened()
        answers = opened.answer(_texts(X))
        table = [[answer["scores"][name] for name in names] for answer in answers]
        return np.array(table, dtype=np.float64).reshape(len(table), len(names))

    def _opened(self) -> tuple[OpenBundle, list[str]]:
        """Return the bundle, loaded when it is first needed, and its labels as `classes_` stand."""
        raise NotImplementedError

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.string, tags.input_tags.two_d_array = True, False
        tags.input_tags.one_d_array, tags.no_validation = True, True
        return tags

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without the engine, which is loaded anew where it is unpacked."""
        return {name: value for name, value in super().__getstate__().items() if name != "_open"}


class BundleClassifier(_TextClassifier):
    """A bundle of the task `classification` as an estimator that is fitted already.

    `classes_` are its labels, sorted, as everywhere in scikit-learn.
    """

    _wanted: tuple[str, str, str]

    def __init__(self, bundle: str, *, engine: str = "auto", device: str = "auto") -> None:
        """Keep the settings; the bundle is loaded when it is first asked."""
        self.bundle = bundle
        self.engine = engine
        self.device = device

    @property
    def classes_(self) -> np.ndarray:
        """(C,) the labels, sorted."""
        return np.array(self._opened()[1])

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: N803, ARG002
        """Raise `SpecError`: in a search or a fold it would have seen the rows held out."""
        raise SpecError(
            "a bundle is tuned already and cannot be fitted",
            hint="TunesmithClassifier() tunes; FrozenEstimator(BundleClassifier(…)) stays as it is",
        )

    def _opened(self) -> tuple[OpenBundle, list[str]]:
        wanted = (str(self.bundle), self.engine, self.device)
        if "_open" not in vars(self) or self._wanted != wanted:
            settings = {"engine": self.engine, "device": self.device, "all_scores": True}
            self._open, self._wanted = _open(wanted[0], settings), wanted
        return self._open, sorted(self._open.task.labels)

    def __sklearn_is_fitted__(self) -> bool:
        return True


class TunesmithClassifier(_TextClassifier):
    """An estimator that tunes by the operation `fit`: texts and one label each.

    Every fit makes a run folder of its own in `out`, `fit-1`, `fit-2` and so on; without `out` it
    is temporary and goes with the estimator. `bundle_` is the bundle, `report_` its report,
    measured on rows that were held out of those given.
    """

    def __init__(
        self,
        task: str = "classification",
        *,
        method: Any = "full",
        model: Any = "minilm",
        seed: int = 0,
        out: str | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        """Keep the settings of `fit`; `settings` are all others (`{"training": {"epochs": 3}}`)."""
        self.task = task
        self.method = method
        self.model = model
        self.seed = seed
        self.out = out
        self.settings = settings

    def fit(self, X: Iterable[str], y: Iterable[Any]) -> Self:  # noqa: N803
        """Tune on (N,) texts and labels. Raises what the operation `fit` does."""
        if self.task != "classification":
            raise SpecError(
                f"`task` must be classification: a text and one label; got {self.task}",
                hint="tunesmith.fit(…) tunes for the others",
            )
        texts, gold = _texts(X), np.asarray(y)
        if gold.shape != (len(texts),):
            raise DataError(
                f"there must be one label a text; got labels of shape {gold.shape} for "
                f"{len(texts)} texts",
                hint="fit(X, y) with y of shape (len(X),)",
            )
        classes, numbers = np.unique(gold, return_inverse=True)
        names = [str(each) for each in classes]
        if len(set(names)) < len(names):
            raise DataError(
                "labels must differ as text; some do not", hint="give all labels as texts"
            )
        rows = [{"text": text, "label": names[n]} for text, n in zip(texts, numbers, strict=True)]
        self.__dict__.pop("_open", None)
        self.bundle_, self.report_ = self._tune(rows)
        self.classes_, self._names = classes, names
        return self

    def _tune(self, rows: list[dict[str, str]]) -> tuple[str, dict[str, Any]]:
        """Return the bundle that the operation makes of the rows, and its report."""
        folder = self._folder()
        with tempfile.TemporaryDirectory() as place:
            data = Path(place, "rows.jsonl")
            lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            data.write_text("".join(lines), encoding="utf-8")
            values = {
                "data": str(data),
                "task": self.task,
                "method": self.method,
                "model": self.model,
                "seed": self.seed,
                "out": str(folder),
                **(self.settings or {}),
            }
            result: Any = execute("fit", values, where="Python")
        return str(result.bundle), result.report

    def _folder(self) -> Path:
        """Return the folder of the next run."""
        if self.out is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="tunesmith-")
            return Path(self._temporary.name, "fit-1")
        number = 1
        while Path(self.out, f"fit-{number}").exists():
            number += 1
        return Path(self.out, f"fit-{number}")

    def _opened(self) -> tuple[OpenBundle, list[str]]:
        if "_open" not in vars(self):
            self._open = _open(self.bundle_, {"all_scores": True})
        return self._open, self._names

    def __getstate__(self) -> dict[str, Any]:
        """Return the state. Raises `SpecError` where its bundle would not last."""
        if "_temporary" in vars(self):
            raise SpecError(
                "an estimator that is kept must have a folder that stays for its bundle",
                hint="TunesmithClassifier(out='runs/mine')",
            )
        return super().__getstate__()


def _open(bundle: str, settings: Mapping[str, Any]) -> OpenBundle:
    opened = OpenBundle(bundle, settings)
    if opened.task.kind != "classification":
        raise SpecError(
            "a classifier must be a bundle that gives each text one label; this one is for "
            f"{opened.task.kind}",
            hint=f"tunesmith.predict({bundle!r}, …)",
        )
    return opened


def _texts(values: Iterable[str]) -> list[str]:
    """Return the texts of a list, array or column. Raises `DataError` where they are none."""
    texts = values.tolist() if hasattr(values, "tolist") else list(values)
    wrong = next((text for text in texts if not isinstance(text, str)), None)
    if wrong is not None or isinstance(values, str):
        found = "one text" if isinstance(values, str) else f"{type(wrong).__name__}: {wrong!r:.60}"
        raise DataError(f"X must be a list of texts; got {found}", hint="X = ['one', 'another']")
    return texts
