from __future__ import annotations

import pytest
import torch
from transformers import AutoModel


@pytest.fixture
def encoder(tiny_model):
    """Return the tiny BERT without its pooler, ready to be changed."""
    model = AutoModel.from_pretrained(tiny_model).eval()
    model.pooler = None
    return model


@pytest.fixture
def batch():
    """Return three rows of nine tokens, the middle one padded behind its fifth."""
    torch.manual_seed(1)
    ids = torch.randint(5, 60, (3, 9))
    mask = torch.ones_like(ids)
    mask[1, 5:] = 0
    return {"input_ids": ids, "attention_mask": mask}
