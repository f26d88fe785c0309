from __future__ import annotations

import json

import pytest

import tunesmith

FEW = {"max_steps": 30, "batch_tokens": 128, "learning_rate": 3e-3, "patience": 0}


@pytest.fixture(scope="session")
def few_steps():
    return dict(FEW)


@pytest.fixture(scope="session")
def classifier_bundle(tmp_path_factory, tiny_model, tiny_rows):
    out = tmp_path_factory.mktemp("classifier") / "run"
    return tunesmith.fit(
        str(tiny_rows),
        task="classification",
        model=str(tiny_model),
        method="full",
        training=FEW,
        out=str(out),
    ).bundle


@pytest.fixture(scope="session")
def embedder_bundle(tmp_path_factory, tiny_model):
    folder = tmp_path_factory.mktemp("embedder")
    words = ("good", "bad", "late")
    rows = [
        {"text_a": f"card {n} {words[n % 3]}", "text_b": words[n // 3 % 3], "score": n % 2}
        for n in range(24)
    ]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return tunesmith.fit(
        str(folder / "rows.jsonl"),
        task="matching",
        model={"name": str(tiny_model), "pairs": "apart"},
        method="full",
        training={**FEW, "max_steps": 2},
        out=str(folder / "run"),
    ).bundle
