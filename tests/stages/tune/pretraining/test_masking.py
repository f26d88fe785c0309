"""What is hidden: how much, whole words, and text that can be found again around its masks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.core.pretraining import PRETRAINING, MaskedText
from tunesmith.stages.tune.pretraining.batches import make_loader
from tunesmith.stages.tune.pretraining.masking import hide_words, mask_spans
from tunesmith.stages.tune.pretraining.windows import encode_passages, make_windows

MASK, ORDINARY = 4, np.arange(5, 1_000)


def hide(ids, *, continues=None, ratio=0.15, seed=0, is_text=None):
    is_text = np.ones(ids.shape, dtype=bool) if is_text is None else is_text
    return hide_words(
        ids,
        is_text,
        continues=continues,
        ratio=ratio,
        fill=(MASK, ORDINARY),
        random=np.random.default_rng(seed),
    )


def test_shares_of_what_is_guessed_are_those_of_devlin():
    ids = np.random.default_rng(1).integers(5, 1_000, size=(400, 250))
    hidden, places = hide(ids)
    assert len(places) / ids.size == pytest.approx(0.15, abs=0.005)
    before, after = ids.ravel()[places], hidden.ravel()[places]
    assert (after == MASK).mean() == pytest.approx(0.8, abs=0.01)
    assert (after == before).mean() == pytest.approx(0.1, abs=0.01)
    others = np.delete(np.arange(ids.size), places)
    assert (hidden.ravel()[others] == ids.ravel()[others]).all()


@given(st.integers(0, 1_000), st.integers(1, 6), st.integers(1, 30))
def test_pieces_of_a_word_are_hidden_together(seed, rows, width):
    random = np.random.default_rng(seed)
    continues = np.zeros(1_000, dtype=bool)
    continues[500:] = True
    ids = random.integers(5, 1_000, size=(rows, width))
    _, places = hide(ids, continues=continues, ratio=0.3, seed=seed)
    chosen = np.zeros(ids.size, dtype=bool)
    chosen[places] = True
    chosen = chosen.reshape(ids.shape)
    joined = continues[ids[:, 1:]]
    if len(places) > 1:  # a text of which nothing was chosen has one token hidden
        assert (chosen[:, 1:][joined] == chosen[:, :-1][joined]).all()


@given(st.integers(0, 1_000), st.floats(0.01, 0.9))
def test_special_tokens_are_never_hidden_and_something_always_is(seed, ratio):
    random = np.random.default_rng(seed)
    ids = random.integers(5, 1_000, size=(3, 12))
    is_text = random.random(ids.shape) < 0.5
    is_text[0, 3] = True
    hidden, places = hide(ids, ratio=ratio, seed=seed, is_text=is_text)
    assert len(places) >= 1
    assert is_text.ravel()[places].all()
    assert (hidden[~is_text] == ids[~is_text]).all()


@given(st.integers(0, 500), st.integers(1, 80), st.floats(0.05, 0.9), st.floats(1, 6))
def test_spans_leave_the_rest_of_the_text_in_order(seed, length, ratio, mean):
    ids = np.arange(100, 100 + length)
    random = np.random.default_rng(seed)
    damaged = mask_spans(ids, ratio=ratio, span_tokens=mean, mask_id=MASK, random=random)
    left = damaged[damaged != MASK]
    assert (np.diff(left) > 0).all()
    assert set(left) <= set(ids)
    assert length - len(left) <= round(ratio * length)


def test_spans_cover_their_share_of_long_text():
    ids = np.arange(100, 5_100)
    random = np.random.default_rng(0)
    damaged = mask_spans(ids, ratio=0.3, span_tokens=3.0, mask_id=MASK, random=random)
    missing = len(ids) - (damaged != MASK).sum()
    masks = (damaged == MASK).sum()
    assert missing / len(ids) == pytest.approx(0.28, abs=0.03)
    assert missing / masks == pytest.approx(2.9, abs=0.4)


@pytest.fixture
def loaders(corpus, make_vocabulary):
    """Return, by objective, the loader of the corpus, its windows and its vocabulary."""
    made = {}
    for name, part in PRETRAINING.items():
        vocabulary = make_vocabulary(name)
        tokens = encode_passages(corpus, corpus.train, vocabulary, ending="", separates=True)
        windows = make_windows(
            tokens, vocabulary, window_tokens=24, is_joined=name != "contrastive", seed=0
        )
        load = make_loader(part(), windows, vocabulary, seed=3)
        made[name] = (load, windows, vocabulary)
    return made


@pytest.mark.parametrize("name", PRETRAINING)
def test_batch_depends_on_seed_and_numbers_alone(loaders, name):
    load, windows, _ = loaders[name]
    numbers = np.array([2, 0, 1])
    first, again = load(numbers), load(numbers)
    assert first.keys() == again.keys()
    assert all((first[key] == again[key]).all() for key in first)
    later = load(numbers + len(windows))
    if name in {"mlm", "seq2seq"}:
        same = first["input_ids"].shape == later["input_ids"].shape
        assert not (same and (first["input_ids"] == later["input_ids"]).all())


def test_masked_batch_tells_the_token_that_stood_at_each_place(loaders):
    load, windows, vocabulary = loaders["mlm"]
    batch = load(np.array([1, 3]))
    whole = np.stack([windows.window(1), windows.window(3)]).ravel()
    assert (batch["targets"].numpy() == whole[batch["places"]]).all()
    assert not np.isin(batch["targets"].numpy(), vocabulary.special).any()


def test_causal_batch_guesses_every_token_of_a_window_but_its_separator(loaders):
    load, windows, vocabulary = loaders["causal"]
    batch = load(np.array([0, 1]))
    assert batch["input_ids"][:, 0].tolist() == [vocabulary.end_id] * 2
    whole = np.concatenate([windows.window(0)[1:], windows.window(1)[1:]])
    assert batch["targets"].tolist() == whole.tolist()


def test_denoising_batch_writes_the_whole_text_as_plain_transformers_would(loaders):
    load, windows, vocabulary = loaders["seq2seq"]
    batch = load(np.array([0]))
    assert batch["targets"].tolist() == windows.window(0).tolist()
    assert batch["decoder_input_ids"][0].tolist() == [
        vocabulary.end_id,
        *windows.window(0)[:-1].tolist(),
    ]
    assert vocabulary.required_mask_id in batch["input_ids"][0].tolist()


def test_tokens_alone_are_hidden_where_words_are_not_asked_for(loaders):
    _, windows, vocabulary = loaders["mlm"]
    load = make_loader(MaskedText(whole_words=False, mask_ratio=0.5), windows, vocabulary, seed=3)
    batch = load(np.arange(len(windows)))
    chosen = np.zeros(batch["input_ids"].numel(), dtype=bool)
    chosen[batch["places"]] = True
    whole = np.concatenate([windows.window(number) for number in range(len(windows))])
    joined = np.flatnonzero(vocabulary.continues[whole])
    assert (chosen[joined] != chosen[joined - 1]).any()
