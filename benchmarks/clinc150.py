"""CLINC150 without its out-of-scope rows: in-scope test accuracy of the probe and of full tuning.

Its own validation split chooses the checkpoint; the test split is read once a method, after tuning.
Usage: TUNESMITH_DATA=… python benchmarks/clinc150.py [METHOD …]
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from record import data_folder, measure_fields, tell

import tunesmith


def main() -> None:
    """Tune on train, choose on val, measure on test."""
    splits = json.loads((data_folder("clinc150") / "data_full.json").read_text("utf-8"))
    for method in sys.argv[1:] or ["probe", "full"]:
        with tempfile.TemporaryDirectory() as folder:
            for ours, theirs in (("train", "train"), ("valid", "val"), ("test", "test")):
                _write(Path(folder, "data", f"{ours}.jsonl"), splits[theirs])
            tuned = tunesmith.fit(
                f"{folder}/data", task="classification", method=method, out=f"{folder}/run"
            )
            training = tuned.report["training"]
        for name in ("accuracy", "macro_f1"):
            tell(
                "clinc150 in scope",
                method=method,
                measure=name,
                **measure_fields(tuned.measures[name]),
                seed=training["seed"],
                tuning_seconds=training["seconds"],
                tokens_per_second=training["tokens_per_second"],
            )


def _write(path: Path, rows: list[list[str]]) -> None:
    path.parent.mkdir(exist_ok=True)
    lines = (json.dumps({"text": text, "label": label}) for text, label in rows)
    path.write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main()
