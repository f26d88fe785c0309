"""The two towers: shapes, cold items, the way through a folder."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tunesmith.core.errors import DataError
from tunesmith.core.recipe import RecommendRecipe
from tunesmith.model.backbones import load_backbone
from tunesmith.model.heads import load_head, output_count
from tunesmith.model.heads.recommend import RECOMMENDER_FILE, new_recommender

ITEMS = 6


@pytest.fixture
def recommender(tiny_model):
    """Return a recommender of six items, the last one without a text, before any training."""
    torch.manual_seed(0)
    recipe = RecommendRecipe(dimensions=8, history=4)
    model = new_recommender(load_backbone(str(tiny_model)), items=ITEMS, recipe=recipe, dropout=0.0)
    texts = np.random.default_rng(0).normal(size=(ITEMS, 32))
    texts[-1] = 0.0
    model.know(texts, np.arange(ITEMS))
    return model.eval()


def batch(*histories: list[int]) -> dict[str, torch.Tensor]:
    ids = torch.zeros(len(histories), 4, dtype=torch.int64)
    mask = torch.zeros_like(ids)
    for row, history in enumerate(histories):
        ids[row, 4 - len(history) :] = torch.tensor(history, dtype=torch.int64)
        mask[row, 4 - len(history) :] = 1
    return {"input_ids": ids, "attention_mask": mask}


def test_each_item_is_scored_and_candidates_alike(recommender):
    given = batch([0, 1], [2])
    everything = recommender(given)
    assert everything.shape == (2, ITEMS)
    some = recommender({**given, "candidates": torch.tensor([4, 1])})
    assert torch.allclose(some, everything[:, [4, 1]], atol=1e-5)


def test_who_had_nothing_gets_what_is_popular(recommender):
    scores = recommender(batch([], [0]))
    assert torch.allclose(scores[0], torch.log1p(torch.arange(ITEMS)))
    assert not torch.allclose(scores[1], scores[0])


def test_padding_says_nothing(recommender):
    given = batch([3])
    other = {**given, "input_ids": given["input_ids"].clone()}
    other["input_ids"][0, 0] = 5
    assert torch.equal(recommender(given), recommender(other))


def test_texts_are_centred_and_an_empty_one_stays_zero(recommender):
    assert torch.allclose(recommender.texts[:-1].norm(dim=1), torch.ones(ITEMS - 1))
    assert not recommender.texts[-1].any()


def test_training_moves_scores_and_never_the_backbone(recommender):
    before = recommender(batch([0])).detach().clone()
    recommender.train()
    recommender(batch([0])).sum().backward()
    assert all(parameter.grad is None for parameter in recommender.encoder.parameters())
    with torch.no_grad():
        recommender.offered_ids += 1.0
    assert not torch.allclose(recommender.eval()(batch([0])), before)


def test_item_that_is_never_drawn_keeps_nothing_but_its_text(recommender):
    recommender.train()
    optimizer = torch.optim.AdamW(recommender.parameters(), lr=0.1)
    loss = recommender({**batch([0, 1]), "candidates": torch.tensor([2, 3])})[0, 0]
    loss.backward()
    optimizer.step()
    assert recommender.offered_ids[2].any()
    assert not recommender.offered_ids[4].any()
    assert not recommender.had_ids[4].any()


def test_folder_gives_the_same_scores_back(recommender, tmp_path):
    recommender.save(tmp_path, id2label={0: "fit"}, problem="")
    back = load_head("recommend", tmp_path, pooling="mean", reading=None).eval()
    assert torch.equal(back(batch([0, 1])), recommender(batch([0, 1])))
    assert output_count(back) is None
    assert back.history == 4


def test_broken_file_is_named(recommender, tmp_path):
    recommender.save(tmp_path, id2label={0: "fit"}, problem="")
    (tmp_path / RECOMMENDER_FILE).write_bytes(b"nothing")
    with pytest.raises(DataError, match=RECOMMENDER_FILE):
        load_head("recommend", tmp_path, pooling="mean", reading=None)
