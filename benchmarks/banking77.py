"""BANKING77, full data: test accuracy of the probe and of full tuning, by default settings.

The test file is read once a method, after tuning.
Usage: TUNESMITH_DATA=… python benchmarks/banking77.py [METHOD …]
"""

from __future__ import annotations

import sys
import tempfile

from record import data_folder, measure_fields, tell

import tunesmith


def main() -> None:
    """Tune on train.csv and measure on test.csv, once a method."""
    data = data_folder("banking77")
    for method in sys.argv[1:] or ["probe", "full"]:
        with tempfile.TemporaryDirectory() as folder:
            tuned = tunesmith.fit(
                str(data / "train.csv"),
                task="classification",
                column={"label": "category"},
                method=method,
                out=f"{folder}/run",
            )
            marked = tunesmith.evaluate(str(tuned.bundle), str(data / "test.csv"))
            training = tuned.report["training"]
        for name in ("accuracy", "macro_f1"):
            tell(
                "banking77",
                method=method,
                measure=name,
                **measure_fields(marked.measures[name]),
                seed=training["seed"],
                tuning_seconds=training["seconds"],
                tokens_per_second=training["tokens_per_second"],
            )


if __name__ == "__main__":
    main()
