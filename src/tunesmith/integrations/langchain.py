"""Bundles in LangChain: as what makes vectors, and as a step of a chain. The extra `langchain`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langchain_core.embeddings import Embeddings
from langchain_core.runnables import Runnable, RunnableConfig

from tunesmith.integrations.open_bundle import OpenBundle

Row = str | Mapping[str, Any]
"""A text, or a row by its roles."""


class BundleEmbeddings(Embeddings):
    """The vectors of texts, at length 1, from a bundle that was tuned to compare them."""

    def __init__(self, bundle: str, *, device: str = "auto") -> None:
        """Load the bundle. Raises what `predict` raises."""
        self._open = OpenBundle(bundle, {"device": device})
        self._open.unit_vectors([])  # a bundle of another kind is refused here

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return a vector a text; all are computed together."""
        return self._open.unit_vectors(texts).tolist()

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of one text: a question has no other than a document."""
        return self.embed_documents([text])[0]


class BundleRunnable(Runnable[Row, dict[str, Any]]):
    """What a bundle answers to a text or row, as `predict` does. Batches are computed together."""

    def __init__(
        self,
        bundle: str,
        *,
        engine: str = "auto",
        device: str = "auto",
        demands: Mapping[str, Any] | None = None,
    ) -> None:
        """Load the bundle; `demands` are further settings of `predict` (`all_scores`, `coverage`).

        Raises what `predict` raises.
        """
        settings = {"engine": engine, "device": device, **(demands or {})}
        self._open = OpenBundle(bundle, settings)
        self.name = f"tunesmith {self._open.task.kind}"

    def invoke(
        self,
        input: Row,  # noqa: A002 (LangChain's name)
        config: RunnableConfig | None = None,
        **_: Any,
    ) -> dict[str, Any]:
        """Return the answer to one text or row. Raises `DataError` where it is none of the task."""
        return self._call_with_config(self._answer, input, config, run_type="llm")

    def batch(
        self,
        inputs: list[Row],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **_: Any | None,
    ) -> list[dict[str, Any]]:
        """Return the answers to several; with `return_exceptions` a bad row spoils no other."""
        if not inputs:
            return []
        return self._batch_with_config(
            self._answer_all, inputs, config, return_exceptions=return_exceptions, run_type="llm"
        )

    def _answer(self, row: Row) -> dict[str, Any]:
        return self._open.answer([row])[0]

    def _answer_all(self, rows: list[Row]) -> list[Any]:
        return list(self._open.try_answer(rows))
