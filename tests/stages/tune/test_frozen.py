"""Frozen layers stay as they are, and beginning above them changes no step."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import tunesmith
from tunesmith.core.errors import SpecError
from tunesmith.model.backbones import load_backbone
from tunesmith.runtime.loading import load_engine
from tunesmith.stages.tune import frozen


def fit(rows, model, out, **training):
    return tunesmith.fit(
        str(rows),
        task="classification",
        model={"name": str(model), "pooling": "mean", "dropout": 0.0},
        training={"epochs": 2, "batch_tokens": 128, "precision": "fp32", **training},
        out=str(out),
    )


def encoder_of(result):
    return load_engine(result.bundle).model.encoder


def test_frozen_layers_keep_their_weights_and_the_others_move(tiny_rows, tiny_model, tmp_path):
    tuned = encoder_of(fit(tiny_rows, tiny_model, tmp_path / "run", freeze_layers=1))
    before = load_backbone(str(tiny_model)).model
    same = {
        name: torch.equal(weight, before.state_dict()[name])
        for name, weight in tuned.state_dict().items()
    }
    assert all(same[name] for name in same if name.startswith(("embeddings", "encoder.layer.0")))
    assert not same["encoder.layer.1.output.dense.weight"]


@pytest.mark.parametrize("layers", [1, 2])
def test_kept_states_lead_to_the_weights_that_computing_them_each_time_does(
    tiny_rows, tiny_model, tmp_path, monkeypatch, layers
):
    kept = fit(tiny_rows, tiny_model, tmp_path / "kept", freeze_layers=layers)
    monkeypatch.setattr(frozen, "can_pack", lambda _: False)
    computed = fit(tiny_rows, tiny_model, tmp_path / "computed", freeze_layers=layers)
    losses = [
        np.array([step["loss"] for step in result.report["curve"]["steps"]])
        for result in (kept, computed)
    ]
    np.testing.assert_allclose(losses[0], losses[1], atol=1e-5)
    for one, other in zip(
        encoder_of(kept).parameters(), encoder_of(computed).parameters(), strict=True
    ):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-3)


def test_more_layers_than_there_are_is_refused(tiny_rows, tiny_model, tmp_path):
    with pytest.raises(SpecError, match=r"at most 2, the layers of bert; got 3") as caught:
        fit(tiny_rows, tiny_model, tmp_path / "run", freeze_layers=3)
    assert caught.value.hint == "--set training.freeze_layers=1"
