"""Zero-shot on BANKING77 and CLINC150 (in scope): names of labels alone, and refined by texts.

No label of a training row is read; the texts are those of the train split. Each test is read once
a recipe. Usage: TUNESMITH_DATA=… python benchmarks/zero_shot.py
"""

from __future__ import annotations

import csv
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from record import data_folder, measure_fields, tell
from task_rows import Row, write_rows

import tunesmith

RECIPES = {"names alone": {"rounds": 0}, "refined by texts": {}}


def banking77(split: str) -> Iterator[Row]:
    """Yield messages to a bank with their intent."""
    with (data_folder("banking77") / f"{split}.csv").open(encoding="utf-8", newline="") as stream:
        yield from (
            {"text": row["text"], "label": row["category"]} for row in csv.DictReader(stream)
        )


def clinc150(split: str) -> Iterator[Row]:
    """Yield the in-scope messages of CLINC150 with their intent."""
    rows = json.loads((data_folder("clinc150") / "data_full.json").read_text("utf-8"))
    yield from ({"text": text, "label": label} for text, label in rows[split])


def main() -> None:
    """Measure both recipes on both sets."""
    for name, rows in {"banking77": banking77, "clinc150": clinc150}.items():
        with tempfile.TemporaryDirectory() as folder:
            for split in ("train", "test"):
                write_rows(rows(split), Path(folder, f"{split}.jsonl"))
            for recipe, settings in RECIPES.items():
                tuned = tunesmith.fit(
                    f"{folder}/train.jsonl",
                    task="classification",
                    method={"name": "zero-shot", **settings},
                    out=f"{folder}/run",
                    overwrite=True,
                )
                found = tunesmith.evaluate(str(tuned.bundle), f"{folder}/test.jsonl").measures
                fields = measure_fields(found["accuracy"])
                seconds = tuned.report["training"]["seconds"]
                tell(name, recipe=recipe, measure="accuracy", **fields, fitting_seconds=seconds)


if __name__ == "__main__":
    main()
