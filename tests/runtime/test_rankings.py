"""Rankings: what was had is left out, ties stand by index, slices change nothing."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from tunesmith.core.examples import HistoryInput
from tunesmith.runtime import rankings
from tunesmith.runtime.rankings import history_arrays, rank_items
from tunesmith.tasks.catalogue import Catalogue
from tunesmith.tasks.recommendation import Recommendation

ITEMS = tuple("abcdef")


class Fixed(nn.Module):
    """A model whose scores are the sum of what was had, plus a fixed score for each item."""

    history = 3

    def forward(self, batch):
        """Return (B, 6) scores."""
        fixed = torch.tensor([0.5, 0.9, 0.9, 0.1, 0.2, 0.3])
        had = (batch["input_ids"] * batch["attention_mask"]).sum(dim=1, keepdim=True)
        return fixed + had


@pytest.fixture
def engine():
    catalogue = Catalogue(ITEMS, ("",) * 6, np.ones(6), {"ann": np.array([1], dtype=np.int32)})
    task = Recommendation().with_catalogue(catalogue)
    return SimpleNamespace(model=Fixed(), task=task, device=torch.device("cpu"), precision="fp32")


def order(ranked) -> list[str]:
    return [ITEMS[int(number)] for number in ranked[:, 0]]


def test_best_come_first_and_equal_ones_by_index(engine):
    assert order(rank_items(engine, [HistoryInput("", ("d",))])[0]) == ["b", "c", "a", "f", "e"]


def test_what_was_had_or_passed_is_left_out(engine):
    asked = [HistoryInput("ann"), HistoryInput("", ("b",), passed=("c",))]
    known, given = rank_items(engine, asked)
    assert order(known) == ["c", "a", "f", "e", "d"]
    assert order(given) == ["a", "f", "e", "d"]


def test_only_some_are_ranked_where_asked(engine):
    among = np.array([0, 3, 4])
    assert order(rank_items(engine, [HistoryInput("", ("d",))], among=among)[0]) == ["a", "e"]


def test_most_keeps_the_best(engine):
    ranked = rank_items(engine, [HistoryInput("")], most=2)[0]
    assert order(ranked) == ["b", "c"]
    assert ranked[:, 1].tolist() == pytest.approx([0.9, 0.9])


def test_slices_of_users_change_nothing(engine, monkeypatch):
    asked = [HistoryInput("", tuple(ITEMS[:count])) for count in range(6)]
    whole = rank_items(engine, asked)
    monkeypatch.setattr(rankings, "SLICE_SCORES", 12)
    parts = rank_items(engine, asked)
    assert all(np.array_equal(one, other) for one, other in zip(whole, parts, strict=True))


def test_arrays_hold_the_last_items_at_the_right():
    arrays = history_arrays([np.array([1, 2, 3, 4]), np.array([5]), np.array([], dtype=int)], 3)
    assert arrays["input_ids"].tolist() == [[2, 3, 4], [0, 0, 5], [0, 0, 0]]
    assert arrays["attention_mask"].tolist() == [[1, 1, 1], [0, 0, 1], [0, 0, 0]]
