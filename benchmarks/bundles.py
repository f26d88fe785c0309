"""The bundles that answering is timed on, tuned on BANKING77's train file."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from public_rows import DATA_SETS, write_rows

import tunesmith
from tunesmith.data.splits import sample_examples
from tunesmith.session import Session

BANKING77 = DATA_SETS["banking77"]


@contextlib.contextmanager
def tuned_bundle(*, method: str, pooling: str, rows: int | None = None) -> Iterator[Path]:
    """Give a bundle tuned for two epochs, or a probe, and remove it afterwards.

    With `pooling` "native" ours and plain transformers compute the very same six layers; under the
    default, "mean", plain transformers pays for a seventh (decision 0003), which would flatter us.
    """
    examples = BANKING77.read("train")
    if rows is not None:
        examples = sample_examples(examples, rows, seed=0)
    with tempfile.TemporaryDirectory() as folder:
        write_rows(Path(folder, "train.jsonl"), examples)
        tuned = tunesmith.fit(
            f"{folder}/train.jsonl",
            task="classification",
            method=method,
            model={"pooling": pooling},
            training={"epochs": 2},
            out=f"{folder}/run",
            session=Session(device="cpu"),
        )
        yield tuned.bundle


def distinct_texts(split: str, count: int) -> list[str]:
    """Return the first `count` different texts of a split: no cache can know one already."""
    texts = dict.fromkeys(example.inputs.text for example in BANKING77.read(split))
    return list(texts)[:count]
