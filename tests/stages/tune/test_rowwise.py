"""Embedding rows a batch did not touch cost nothing and stay as they are."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from tunesmith.core.recipe import ModelRecipe, TrainingRecipe
from tunesmith.model.backbones import load_backbone
from tunesmith.model.heads import new_head
from tunesmith.stages.tune.rowwise import RowwiseAdamW, clip_gradients, make_rowwise


class Small(nn.Module):
    """A table and a layer."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table = nn.Embedding(6, 4)
        self.linear = nn.Linear(4, 1)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Return a loss."""
        return self.linear(self.table(ids)).pow(2).mean()


@pytest.fixture
def pair() -> tuple[Small, Small]:
    """Return two equal modules, the second with a sparse table."""
    dense = Small()
    sparse = copy.deepcopy(dense)
    sparse.table.sparse = True
    return dense, sparse


def test_where_every_row_is_touched_it_is_adamw(pair):
    dense, sparse = pair
    settings = {"lr": 0.05, "weight_decay": 0.1}
    theirs = torch.optim.AdamW(dense.parameters(), **settings)
    ours = RowwiseAdamW(sparse.parameters(), **settings, fused=True)
    ids = torch.tensor([0, 1, 2, 3, 4, 5, 2, 2])
    for _ in range(5):
        for module, optimizer in ((dense, theirs), (sparse, ours)):
            module(ids).backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
    for expected, got in zip(dense.parameters(), sparse.parameters(), strict=True):
        torch.testing.assert_close(got, expected)


def test_untouched_rows_stay_bit_for_bit(pair):
    _, sparse = pair
    before = sparse.table.weight.detach().clone()
    optimizer = RowwiseAdamW(sparse.parameters(), lr=0.05, weight_decay=0.1)
    for _ in range(3):
        sparse(torch.tensor([1, 4])).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    moved = (sparse.table.weight != before).any(dim=1)
    assert moved.tolist() == [False, True, False, False, True, False]


@pytest.mark.parametrize("largest", [1e-3, 1e3])
def test_clipping_rows_is_clipping_the_table(pair, largest):
    dense, sparse = pair
    ids = torch.tensor([3, 3, 5])
    for module in pair:
        module(ids).backward()
    expected = torch.nn.utils.clip_grad_norm_(dense.parameters(), largest)
    assert clip_gradients(sparse.parameters(), largest) == pytest.approx(float(expected))
    torch.testing.assert_close(sparse.table.weight.grad.to_dense(), dense.table.weight.grad)
    torch.testing.assert_close(sparse.linear.weight.grad, dense.linear.weight.grad)


@pytest.mark.parametrize("largest", [1e-3, 1e3])
def test_a_step_that_clips_moves_as_clipping_before_it_would(pair, largest):
    dense, sparse = pair
    settings = {"lr": 0.05, "weight_decay": 0.1}
    theirs = torch.optim.AdamW(dense.parameters(), **settings)
    ours = RowwiseAdamW(sparse.parameters(), **settings, fused=True)
    for ids in (torch.tensor([0, 1, 2, 3, 4, 5, 2, 2]), torch.tensor([5, 4, 3, 2, 1, 0])):
        for module in pair:
            module(ids).backward()
        torch.nn.utils.clip_grad_norm_(dense.parameters(), largest)
        clip_gradients(sparse.parameters(), largest, before=ours)
        for optimizer in (theirs, ours):
            optimizer.step()
        torch.testing.assert_close(sparse.linear.weight.grad, dense.linear.weight.grad)
        for optimizer in (theirs, ours):
            optimizer.zero_grad(set_to_none=True)
    for expected, got in zip(dense.parameters(), sparse.parameters(), strict=True):
        torch.testing.assert_close(got, expected)


@pytest.mark.parametrize(("optimizer", "expected"), [("adamw", True), ("sgd", False)])
def test_only_an_optimiser_that_takes_rows_is_given_them(tiny_model, optimizer, expected):
    backbone = load_backbone(str(tiny_model))
    model = new_head("classify", backbone, outputs=2, recipe=ModelRecipe(), case_shape=False)
    make_rowwise(model, TrainingRecipe(optimizer=optimizer))
    assert model.encoder.get_input_embeddings().sparse is expected


def test_a_tied_table_is_left_dense(tiny_model):
    backbone = load_backbone(str(tiny_model))
    model = new_head("classify", backbone, outputs=2, recipe=ModelRecipe(), case_shape=False)
    model.decoder = nn.Linear(32, 10)
    model.decoder.weight = model.encoder.get_input_embeddings().weight
    make_rowwise(model, TrainingRecipe())
    assert not model.encoder.get_input_embeddings().sparse
