"""Where a masked model begins: embeddings by company, positions as waves, frequencies as bias."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForMaskedLM

from tunesmith.model.pretraining.beginnings import begin_from_counts, company_vectors, waves

FRAMES = [(3, 4), (5, 6)]
"""Tokens 10 and 11 stand in the first frame, 12 and 13 in the second."""


def text(blocks=2000):
    random = np.random.default_rng(0)
    ids = []
    for _ in range(blocks):
        frame = int(random.integers(2))
        middle = (10, 12)[frame] + int(random.integers(2))
        ids += [FRAMES[frame][0], middle, FRAMES[frame][1], 7, 7, 7, 7]
    return np.array(ids, dtype=np.int32)


def cosine(vectors, one, other):
    pair = vectors[[one, other]]
    return float(pair[0] @ pair[1] / np.prod(np.linalg.norm(pair, axis=1)))


def model(vocabulary=40):
    torch.manual_seed(0)
    return BertForMaskedLM(
        BertConfig(
            vocab_size=vocabulary, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
            intermediate_size=32, max_position_embeddings=24,
        )
    )  # fmt: skip


def test_tokens_in_the_same_company_are_alike():
    ids = text()
    vectors, _ = company_vectors(ids, np.bincount(ids, minlength=20), width=8, seed=0)
    assert cosine(vectors, 10, 11) > 0.9
    assert cosine(vectors, 12, 13) > 0.9
    assert cosine(vectors, 10, 12) < 0.5


def test_vectors_keep_the_products_of_the_factorised_table():
    ids = text(200)
    counts = np.bincount(ids, minlength=20)
    narrow, _ = company_vectors(ids, counts, width=19, seed=0)
    turned, _ = company_vectors(ids, counts, width=32, seed=1)
    np.testing.assert_allclose(narrow @ narrow.T, turned @ turned.T, atol=1e-6)


def test_rare_tokens_have_no_vector_of_their_own():
    ids = np.concatenate([text(50), [30, 31, 31, 32, 32, 32]])
    _, is_known = company_vectors(ids, np.bincount(ids, minlength=40), width=8, seed=0)
    assert is_known[[10, 32]].all()
    assert not is_known[[0, 30, 31, 39]].any()


def test_waves_of_near_places_are_alike_and_every_place_is_its_own():
    places = waves(64, 16)
    assert cosine(places, 20, 21) > cosine(places, 20, 25) > cosine(places, 20, 40)
    assert cosine(places, 3, 4) == pytest.approx(cosine(places, 50, 51))
    assert len(np.unique(places.round(6), axis=0)) == 64


def test_odd_width_has_as_many_columns():
    assert waves(5, 7).shape == (5, 7)


def test_untrained_model_guesses_the_frequencies():
    ids, begun = text(), model()
    begin_from_counts(begun, ids, seed=0)
    begun.eval()
    with torch.no_grad():
        logits = begun(torch.tensor([[2, 4, 4, 3]])).logits
    guessed = logits.softmax(-1).mean(dim=(0, 1)).numpy()
    share = np.bincount(ids, minlength=40) / len(ids)
    assert guessed[7] == pytest.approx(share[7], abs=0.1)
    assert guessed[20:].sum() < 0.01


def test_embeddings_stay_as_long_as_random_ones_and_rare_tokens_keep_theirs():
    begun, random = model(), model()
    begin_from_counts(begun, text(), seed=0)
    ours, theirs = (each.bert.embeddings.word_embeddings.weight for each in (begun, random))
    assert ours[[3, 7, 10]].norm(dim=1).tolist() == pytest.approx([0.02 * 4] * 3)
    torch.testing.assert_close(ours[20:], theirs[20:])
    assert begun.cls.predictions.decoder.weight is ours


def test_same_text_and_seed_begin_at_the_same_weights():
    first, again = model(), model()
    for made in (first, again):
        begin_from_counts(made, text(300), seed=3)
    for one, other in zip(first.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("ids", [[5], [5, 5], [3, 4, 5] * 4])
def test_text_of_a_few_tokens_leaves_finite_weights(ids):
    begun = model()
    begin_from_counts(begun, np.array(ids, dtype=np.int32), seed=0)
    assert all(torch.isfinite(weight).all() for weight in begun.parameters())
