"""What a chooser reads: both texts of a pair, and nothing of what pads them."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoModel

from tunesmith.core.errors import DataError
from tunesmith.model.heads.choose import CHOICE_FILE, Chooser, load_chooser


@pytest.fixture
def chooser(tiny_model):
    torch.manual_seed(0)
    return Chooser(AutoModel.from_pretrained(tiny_model)).eval()


def pair(first, second, padding=0):
    ids = torch.tensor([[2, *first, 3, *second, 3, *[0] * padding]])
    types = torch.tensor([[0] * (len(first) + 2) + [1] * (len(second) + 1) + [0] * padding])
    mask = torch.tensor([[1] * (len(first) + len(second) + 3) + [0] * padding])
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}


def test_vectors_are_both_means_their_distance_and_their_product(chooser):
    vectors = chooser.vectors(pair([7, 8, 9], [10, 11]))
    read, choice, apart, product = vectors.chunk(4, dim=1)
    torch.testing.assert_close(apart, (read - choice).abs())
    torch.testing.assert_close(product, read * choice)
    for mean in (read, choice):
        torch.testing.assert_close(mean.mean(), torch.tensor(0.0), atol=1e-5, rtol=0)
        torch.testing.assert_close(mean.std(unbiased=False), torch.tensor(1.0))
    assert (read - choice).abs().max() > 0.1


def test_padding_changes_nothing(chooser):
    plain, padded = pair([7, 8, 9], [10, 11]), pair([7, 8, 9], [10, 11], padding=4)
    torch.testing.assert_close(chooser(padded), chooser(plain))


def test_a_saved_chooser_answers_the_same_and_its_encoder_is_a_plain_model(chooser, tmp_path):
    batch = pair([7, 8, 9], [10, 11])
    chooser.save(tmp_path, id2label={0: "fit"}, problem="")
    torch.testing.assert_close(load_chooser(tmp_path).eval()(batch), chooser(batch))
    assert AutoModel.from_pretrained(tmp_path).config.id2label == {0: "fit"}


def test_a_lost_layer_is_named(chooser, tmp_path):
    chooser.save(tmp_path, id2label={0: "fit"}, problem="")
    (tmp_path / CHOICE_FILE).unlink()
    with pytest.raises(DataError, match=CHOICE_FILE):
        load_chooser(tmp_path)
