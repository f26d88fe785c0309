"""Copies that models write: words guessed anew, and texts translated there and back."""

from __future__ import annotations

import json
from collections import Counter

import pytest
import torch
from transformers import AutoTokenizer, BertConfig, BertForMaskedLM

import tunesmith
from tunesmith.core.augmentation import BackTranslation, MaskedWords
from tunesmith.core.errors import NotFoundError, SpecError
from tunesmith.model.masked_words import guess_words, load_guesser, read_texts
from tunesmith.session import Session

TEXT = "my order is late and it is not good 12"
CHINESE = "我们的订单很好吗"


@pytest.fixture(scope="module")
def tiny_masked(tmp_path_factory, tiny_model):
    """Return an untrained masked BERT of 32 dimensions with the tokenizer of `tiny_model`."""
    folder = tmp_path_factory.mktemp("models") / "tiny-masked"
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = BertConfig(
        vocab_size=len(tokenizer), intermediate_size=64, max_position_embeddings=128, **sizes
    )
    BertForMaskedLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def translators(tmp_path_factory, tiny_writer):
    """Two bundles that translate, hardly tuned."""
    folder = tmp_path_factory.mktemp("translators")
    rows = folder / "pairs.jsonl"
    pairs = [{"source": f"my order {n} is late", "target": f"order {n} late"} for n in range(20)]
    rows.write_text("".join(json.dumps(pair) + "\n" for pair in pairs), "utf-8")
    for side in ("there", "back"):
        tunesmith.fit(
            str(rows),
            task="translation",
            model=str(tiny_writer),
            out=str(folder / side),
            training={"max_steps": 2},
            decoding={"max_new_tokens": 6},
            session=Session(device="cpu"),
        )
    return folder


def test_guesses_are_words_of_the_vocabulary_as_the_model_ranks_them(tiny_masked):
    guesser = load_guesser(str(tiny_masked), revision=None, device="cpu")
    (read,) = read_texts(guesser, [TEXT])
    place = read.places[3, 8]
    ((guesses,),) = guess_words(guesser, [read], [[place]], count=5)
    ids = torch.tensor(read.ids)[None].clone()
    ids[0, place] = guesser.tokenizer.mask_token_id
    with torch.inference_mode():
        wanted = torch.softmax(guesser.model.whole(input_ids=ids).logits[0, place], dim=-1)
    assert 0 < len(guesses) <= 5
    assert "order" not in [guess.word for guess in guesses]
    for guess in guesses:
        number = guesser.tokenizer.convert_tokens_to_ids(guess.word)
        assert guess.probability == pytest.approx(float(wanted[number]), rel=1e-4)
    assert sorted(guesses, key=lambda guess: -guess.probability) == guesses


@pytest.mark.parametrize("text", [TEXT, CHINESE])
def test_words_are_guessed_anew_and_the_rest_stays(copies_of, text_row, tiny_masked, text):
    recipe = MaskedWords(model=str(tiny_masked), share=0.2, copies=4)
    rows = [text_row(text, gold="bad"), text_row(text, gold=("a", "b"), identity="2")]
    copies, tally = copies_of(recipe, rows)
    assert tally.made == len(copies) > 3
    for copy in copies:
        new = copy.inputs.text
        assert new != text
        assert ("not" in new) == ("not" in text)
        if text == CHINESE:
            assert len(new) == len(text)
        else:
            kept = Counter(new.split()) & Counter(text.split())
            assert len(new.split()) == len(text.split())
            assert kept.total() >= len(text.split()) - 2
    assert copies_of(recipe, rows)[0] == copies


def test_model_that_fills_in_no_words_is_refused(copies_of, text_row, tiny_model, tiny_writer):
    for folder, found in ((tiny_model, "BertModel"), (tiny_writer, "BartFor")):
        with pytest.raises(SpecError, match=f"masked language model.*{found}"):
            copies_of(MaskedWords(model=str(folder)), [text_row(TEXT)])
    with pytest.raises(NotFoundError):
        copies_of(MaskedWords(model="./nowhere"), [text_row(TEXT)])


def test_texts_come_back_by_two_translators_each_copy_by_its_own_draw(
    copies_of, text_row, pair_row, translators
):
    paths = {side: str(translators / side) for side in ("there", "back")}
    recipe = BackTranslation(**paths, copies=3, temperature=2.0)
    rows = [text_row(TEXT, gold="bad"), pair_row("zz", TEXT)]
    copies, tally = copies_of(recipe, rows)
    assert tally.made == len(copies) > 2
    assert {copy.gold for copy in copies} == {"bad", "same"}
    assert len({copy.inputs.text for copy in copies}) == len(copies)
    assert copies_of(recipe, rows)[0] == copies
    sure, _ = copies_of(BackTranslation(**paths, copies=3, temperature=0), rows[:1])
    assert len(sure) <= 1


def test_bundle_that_does_not_translate_is_refused(
    copies_of, text_row, translators, tiny_model, tiny_rows, tmp_path
):
    other = tunesmith.fit(
        str(tiny_rows),
        task="classification",
        model=str(tiny_model),
        method="probe",
        out=str(tmp_path / "run"),
    )
    recipe = BackTranslation(there=str(translators / "there"), back=str(other.bundle))
    with pytest.raises(SpecError, match="`augmentation.back` must be a bundle that translates"):
        copies_of(recipe, [text_row(TEXT)])
