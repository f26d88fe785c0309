"""Every dropout of a model has one ratio, and draws from the pool what torch would draw."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tunesmith.model.heads.dropout import PooledDropout, set_dropout


def test_dropouts_draw_from_the_pool_and_keep_their_mode():
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.3), nn.Sequential(nn.Dropout(0.1))).eval()
    set_dropout(model, None)
    assert [type(model[1]), type(model[2][0])] == [PooledDropout] * 2
    assert (model[1].p, model[2][0].p, model[1].training) == (0.3, 0.1, False)
    set_dropout(model, 0.2)
    assert (model[1].p, model[2][0].p) == (0.2, 0.2)


@pytest.mark.parametrize("ratio", [0.1, 0.5])
def test_as_much_is_dropped_and_the_rest_scaled(ratio):
    torch.manual_seed(0)
    dropout, ones = PooledDropout(ratio), torch.ones(400, 500)
    kept = dropout.train()(ones)
    torch.testing.assert_close(kept.unique(), torch.tensor([0.0, 1 / (1 - ratio)]))
    assert float((kept == 0).float().mean()) == pytest.approx(ratio, abs=0.01)
    assert not torch.equal(kept, dropout(ones))
    torch.testing.assert_close(dropout.eval()(ones), ones)


@pytest.mark.parametrize(("ratio", "expected"), [(0.0, 1.0), (1.0, 0.0)])
def test_ratios_at_the_ends_are_torchs(ratio, expected):
    assert float(PooledDropout(ratio).train()(torch.ones(50)).mean()) == expected
