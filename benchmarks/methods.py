"""Every way to adapt one backbone, on the same rows: score, trained parameters, bytes, seconds.

Usage: TUNESMITH_DATA=… python benchmarks/methods.py [--sets banking77 wnut17]
[--methods full lora …] [--seeds 0] [--rates 1e-3 …]

Default settings, each method's own learning rate. A tenth of the training rows (WNUT17: its
development file) chooses the checkpoint; the test is read once a run. With --rates, each is tried
and told by the validation rows alone: no test is read.
"""

from __future__ import annotations

import argparse
import tempfile
from typing import Any

from record import data_folder, measure_fields, tell

import tunesmith
from tunesmith.core.methods import DELTAS
from tunesmith.store.bundles import read_bundle

SETS: dict[str, dict[str, Any]] = {
    "banking77": {
        "task": "classification",
        "files": ("train.csv", None, "test.csv"),
        "column": {"label": "category"},
        "training": {},
        "measure": "accuracy",
    },
    "wnut17": {
        "task": "ner",
        "files": ("wnut17train.conll", "emerging.dev.conll", "emerging.test.annotated"),
        "column": {},
        "training": {"batch_tokens": 512, "epochs": 4},
        "measure": "strict_f1",
    },
}


def main() -> None:
    """Tune by each method and tell what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="+", default=[*SETS])
    parser.add_argument("--methods", nargs="+", default=["full", *DELTAS])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--rates", type=float, nargs="+", default=[])
    wanted = parser.parse_args()
    for name in wanted.sets:
        for method in wanted.methods:
            for seed in wanted.seeds:
                for rate in wanted.rates or [None]:
                    _run(name, method, seed, rate)


def _run(name: str, method: str, seed: int, rate: float | None) -> None:
    case = SETS[name]
    folder, (train, valid, test) = data_folder(name), case["files"]
    training = {**case["training"], **({} if rate is None else {"learning_rate": rate})}
    with tempfile.TemporaryDirectory() as out:
        tuned = tunesmith.fit(
            str(folder / train),
            task=case["task"],
            valid=str(folder / valid) if valid else None,
            column=case["column"],
            method=method,
            training=training,
            seed=seed,
            out=f"{out}/run",
        )
        found = tuned.measures[case["measure"]]
        if rate is None:
            found = tunesmith.evaluate(str(tuned.bundle), str(folder / test)).measures[
                case["measure"]
            ]
        facts = _delta_facts(tuned.bundle)
    tell(
        name,
        method=method,
        split="test" if rate is None else "valid",
        rate=rate,
        measure=case["measure"],
        **measure_fields(found),
        seed=seed,
        **facts,
        tuning_seconds=tuned.report["training"]["seconds"],
    )


def _delta_facts(bundle: Any) -> dict[str, Any]:
    """Return what a bundle says of its delta."""
    facts = read_bundle(bundle, verify=False).manifest["delta"]
    if facts is None:
        return {}
    share = facts["trainable_parameters"] / facts["backbone_parameters"]
    return {"trained_share": round(share, 5), "delta_bytes": facts["bytes"]}


if __name__ == "__main__":
    main()
