"""The losses of recommenders, by hand."""

from __future__ import annotations

import math

import pytest
import torch

from tunesmith.stages.tune.ranking_losses import bayesian_ranking, sampled_softmax

LOGITS = torch.tensor([[2.0, 1.0, 5.0]])


def batch(*, had: list[bool], chances: list[float]) -> dict[str, torch.Tensor]:
    return {
        "targets": torch.tensor([0]),
        "had": torch.tensor([had]),
        "log_chances": torch.tensor(chances).log(),
    }


def test_softmax_leaves_out_what_was_had():
    loss = sampled_softmax()(LOGITS, batch(had=[False, False, True], chances=[1.0, 1.0, 1.0]))
    assert float(loss) == pytest.approx(math.log(1 + math.exp(-1)))


def test_softmax_takes_off_how_likely_a_candidate_is():
    loss = sampled_softmax()(LOGITS, batch(had=[False, False, True], chances=[1.0, 0.5, 1.0]))
    assert float(loss) == pytest.approx(math.log(1 + 2 * math.exp(-1)))


def test_bpr_is_the_mean_over_other_candidates():
    loss = bayesian_ranking()(LOGITS, batch(had=[False, False, False], chances=[1.0, 1.0, 1.0]))
    expected = (math.log(1 + math.exp(-1)) + math.log(1 + math.exp(3))) / 2
    assert float(loss) == pytest.approx(expected)


def test_bpr_without_another_candidate_is_zero():
    loss = bayesian_ranking()(LOGITS, batch(had=[False, True, True], chances=[1.0, 1.0, 1.0]))
    assert float(loss) == 0.0
