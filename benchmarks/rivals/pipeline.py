"""transformers' `pipeline("text-classification")` over a bundle's own `model/` folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from transformers import pipeline


def open_pipeline(folder: Path, *, batch_rows: int | None = None) -> Callable:
    """Return a function from texts to labels.

    Without `batch_rows` the pipeline is called as its documentation begins: one text at a time,
    whatever the length of the list.
    """
    pipe = pipeline("text-classification", model=str(folder), device="cpu")
    settings = {} if batch_rows is None else {"batch_size": batch_rows}

    def labels(texts: list[str]) -> list[str]:
        return [reply["label"] for reply in pipe(texts, **settings)]

    return labels
