"""Beams on a model whose every probability is known: a chain of tokens that may end too early."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from tunesmith.core.recipe import DecodingRecipe
from tunesmith.model.framing import Reading, Window
from tunesmith.model.heads.generate import Writer
from tunesmith.runtime.engine import Engine
from tunesmith.runtime.writing import write_windows
from tunesmith.tasks.translation import Translation

TOKENS, PAD, END, START = 16, 0, 1, 2
CHAIN = list(range(3, TOKENS))
EARLY = 0.04


@pytest.fixture
def chain():
    """Return a decoder that goes on to the next token, or ends with probability 0.04."""
    odds = np.full((TOKENS, TOKENS), 1e-6)
    for token in range(START, TOKENS):
        following = token + 1 if token + 1 < TOKENS else END
        odds[token, END] = EARLY
        odds[token, following] = 1 - EARLY
    whole = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=TOKENS,
            hidden_size=TOKENS,
            intermediate_size=TOKENS,
            num_hidden_layers=1,
            num_attention_heads=1,
            max_position_embeddings=64,
            tie_word_embeddings=False,
            pad_token_id=PAD,
            bos_token_id=END,
            eos_token_id=END,
        )
    )
    layer = whole.model.layers[0]
    with torch.no_grad():
        layer.self_attn.o_proj.weight.zero_()
        layer.mlp.down_proj.weight.zero_()
        whole.model.embed_tokens.weight.copy_(torch.eye(TOKENS))
        table = torch.from_numpy(np.log(odds / odds.sum(axis=1, keepdims=True)))
        whole.lm_head.weight.copy_(table.T / TOKENS**0.5)  # the norm makes a unit 4 high
    return Writer(whole.eval())


def _written(model, **decoding):
    engine = Engine(
        model,
        SimpleNamespace(pad_token_id=PAD),
        Translation(),
        Reading(64, 0, "windows", case_shape=False, writing="causal", room_to_write=32),
        torch.device("cpu"),
        decoding=DecodingRecipe(**{"max_new_tokens": 30, **decoding}),
    )
    windows = [Window(np.array([START], dtype=np.int32), 0, 1.0)]
    return write_windows(engine, windows, rows=1)[0]


@pytest.mark.parametrize("beams", [1, 2, 4, 8])
def test_beams_that_end_early_do_not_stop_the_most_probable_one(chain, beams):
    written = _written(chain, beams=beams)
    assert written[:, 0].astype(int).tolist() == [*CHAIN, END]


def test_scores_are_the_log_probabilities_of_the_tokens(chain):
    scores = _written(chain, beams=4)[:, 1]
    assert scores == pytest.approx([*[np.log(1 - EARLY)] * len(CHAIN), 0.0], abs=1e-3)


@pytest.mark.parametrize("beams", [1, 4])
def test_a_limit_cuts_what_is_written(chain, beams):
    written = _written(chain, beams=beams, max_new_tokens=5)
    assert written[:, 0].astype(int).tolist() == CHAIN[:5]
