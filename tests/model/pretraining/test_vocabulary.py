"""Vocabularies of every kind for every objective, in plain transformers too."""

from __future__ import annotations

import pytest
from transformers import AutoTokenizer

from tunesmith.core.errors import SpecError
from tunesmith.core.pretraining import TokenizerRecipe
from tunesmith.model.pretraining.vocabulary import read_vocabulary, train_vocabulary

ENGLISH = [
    f"The walker was walking on road {number}, and the talker talked." for number in range(9)
]
CHINESE = ["话说天下大势，分久必合，合久必分。", "天下大势 iPhone 2024 分合。"] * 3
KINDS = ("wordpiece", "bpe", "unigram", "character")
OBJECTIVES = ("mlm", "causal", "seq2seq", "contrastive")


def make(texts, kind, *, objective="mlm", size=400, **how):
    recipe = TokenizerRecipe(name=kind, **how)
    return train_vocabulary(texts, recipe, objective=objective, size=size)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_saved_vocabulary_gives_the_same_ids_in_plain_transformers(tmp_path, kind, objective):
    made = make(ENGLISH + CHINESE, kind, objective=objective)
    made.tokenizer.save_pretrained(tmp_path)
    plain = AutoTokenizer.from_pretrained(tmp_path)
    for text in (ENGLISH[0], CHINESE[1], "never seen Ω"):
        assert plain(text)["input_ids"] == made.tokenizer(text)["input_ids"]
    again = read_vocabulary(plain)
    assert again.frame == made.frame
    assert (again.continues == made.continues).all()
    assert made.pad_id is not None


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_byte_level_vocabulary_writes_every_text_back(objective):
    made = make(ENGLISH, "bpe", objective=objective)
    assert made.is_lossless
    for text in ("  two  spaces\n\nand lines", "没见过的字 🙂", "walking"):
        ids = made.tokenizer(text, add_special_tokens=False)["input_ids"]
        assert made.tokenizer.decode(ids, clean_up_tokenization_spaces=False) == text


def test_lowercase_vocabulary_is_not_called_lossless():
    made = make(ENGLISH, "bpe", lowercase=True)
    assert not made.is_lossless
    assert made.tokenizer.tokenize("THE") == made.tokenizer.tokenize("the")


def test_character_vocabulary_holds_single_characters_only():
    made = make(CHINESE, "character")
    tokens = [t for t in made.tokenizer.get_vocab() if t not in made.tokenizer.all_special_tokens]
    assert tokens
    assert all(len(token.removeprefix("##")) == 1 for token in tokens)
    assert made.tokenizer.tokenize("天下iP") == ["天", "下", "i", "##P"]


@pytest.mark.parametrize("kind", ["wordpiece", "character"])
def test_every_chinese_character_is_a_token_that_begins_a_word(kind):
    made = make(CHINESE, kind)
    ids = made.tokenizer("分久必合", add_special_tokens=False)["input_ids"]
    assert len(ids) == 4
    assert not made.continues[ids].any()


@pytest.mark.parametrize("kind", KINDS)
def test_pieces_of_a_word_go_on_with_it(kind):
    made = make([*ENGLISH, "walk ing talk"] * 3, kind, size=330 if kind == "bpe" else 60)
    ids = made.tokenizer(" walkerish talker", add_special_tokens=False)["input_ids"]
    tokens = made.tokenizer.convert_ids_to_tokens(ids)
    begins = [token for token, on in zip(tokens, made.continues[ids], strict=True) if not on]
    assert len(ids) > 2
    assert [token.strip("Ġ▁")[0] for token in begins if token.strip("Ġ▁")] == ["w", "t"]


def test_bytes_inside_a_chinese_character_go_on_with_it():
    made = make(["abc"] * 3, "bpe", size=300)
    ids = made.tokenizer("合a", add_special_tokens=False)["input_ids"]
    assert made.continues[ids].tolist() == [False, True, True, True]


def test_vocabulary_is_no_larger_than_asked_where_letters_allow():
    assert len(make(ENGLISH, "wordpiece", size=80)) <= 80
    small = make(CHINESE, "character", size=12)
    assert len(small) < len(make(CHINESE, "character", size=400))


def test_vocabulary_holds_no_more_than_what_the_text_repeats():
    assert len(make(ENGLISH, "wordpiece", size=30_000)) < 200


@pytest.mark.parametrize("kind", ["wordpiece", "bpe", "character"])
def test_training_again_gives_the_same_ids(kind):
    texts = [*ENGLISH, *CHINESE, "the quick brown fox jumps over the lazy dog; sphinx of quartz"]
    first, *others = (make(texts, kind, size=150).tokenizer.get_vocab() for _ in range(5))
    assert all(other == first for other in others)


def test_vocabulary_without_a_mask_is_refused_where_words_are_hidden():
    with pytest.raises(SpecError, match="mask token"):
        _ = make(ENGLISH, "bpe", objective="causal").required_mask_id
