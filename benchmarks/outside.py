"""CLINC150 with its out-of-scope rows: accuracy inside and recall outside, at one threshold.

The validation split, its 100 out-of-scope rows among it, chooses score and threshold; each test row
is read once. Goals: 0.94 of the rows inside answered rightly, 0.65 of those outside found.
Usage: TUNESMITH_DATA=… python benchmarks/outside.py [probe|full] [INSIDE_RECALL]
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from record import data_folder, measure_fields, tell
from task_rows import write_rows

import tunesmith

OUTSIDE = "oos"
GOALS = {"inside_accuracy": 0.94, "outside_recall": 0.65}
TOLD = (*GOALS, "accuracy", "outside_precision", "outside_auroc", "outside_fpr_95")
INSIDE_RECALL = 0.98
"""Share of validation rows inside that may pass: what the goal inside leaves to be turned away."""
SPLITS = {"train": "train", "valid": "val", "test": "test"}


def main() -> None:
    """Tune with the out-of-scope rows of train, and without them."""
    method = next(iter(sys.argv[1:]), "probe")
    recall = float(next(iter(sys.argv[2:]), INSIDE_RECALL))
    splits = json.loads((data_folder("clinc150") / "data_full.json").read_text("utf-8"))
    for taught in (True, False):
        with tempfile.TemporaryDirectory() as folder:
            write_splits(splits, Path(folder, "data"), taught=taught)
            tuned = tunesmith.fit(
                f"{folder}/data",
                task="classification",
                method=method,
                reliability={"outside": OUTSIDE, "inside_recall": recall},
                out=f"{folder}/run",
            )
            manifest = json.loads((tuned.bundle / "bundle.json").read_text("utf-8"))
            learned = manifest["reliability"]["outside"]
            found = tunesmith.evaluate(str(tuned.bundle), f"{folder}/data/test.jsonl").measures
        for name in TOLD:
            tell(
                "clinc150 outside",
                method=method,
                rows_outside_in_train=taught,
                score=learned["name"],
                threshold=round(learned["threshold"], 4),
                inside_recall=recall,
                measure=name,
                **measure_fields(found[name]),
                goal=GOALS.get(name),
            )


def write_splits(splits: dict[str, list[list[str]]], folder: Path, *, taught: bool) -> None:
    """Write the three splits with their out-of-scope rows, those of train where it is `taught`."""
    folder.mkdir()
    for ours, theirs in SPLITS.items():
        strange = splits[f"{OUTSIDE}_{theirs}"] if taught or ours != "train" else []
        rows = [{"text": text, "label": label} for text, label in [*splits[theirs], *strange]]
        write_rows(rows, Path(folder, f"{ours}.jsonl"))


if __name__ == "__main__":
    main()
