"""Vocabularies trained on text, and what a vocabulary knows about its tokens.

Everything is saved as `tokenizer.json`, which plain transformers loads with `AutoTokenizer`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast

from tunesmith.core.errors import SpecError
from tunesmith.core.pretraining import TokenizerRecipe
from tunesmith.model.encoding import Frame, find_frame

MIN_FREQUENCY = 2
"""What stands in the corpus once is no evidence for a token of its own."""
LONGEST_WORD = 100
PREFIX = "##"
FAMILIES = {"mlm": "encoder", "contrastive": "encoder", "causal": "decoder", "seq2seq": "both"}
SPECIAL = {
    "encoder": {
        "pad_token": "[PAD]",
        "unk_token": "[UNK]",
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
        "mask_token": "[MASK]",
    },
    "decoder": {"unk_token": "<unk>", "eos_token": "<|endoftext|>"},
    "both": {
        "pad_token": "<pad>",
        "unk_token": "<unk>",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "mask_token": "<mask>",
    },
}
FRAMES = {"encoder": ("[CLS]", "[SEP]"), "both": ("<s>", "</s>")}
"""What stands around a text, where anything does."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """A tokenizer with what training on it needs.

    `continues` (V,) tells the tokens that go on with the word before them; `ordinary` are the ids
    of tokens that stand for text, `special` all others; `is_lossless` tells whether every text can
    be written back.
    """

    tokenizer: Any
    frame: Frame
    continues: np.ndarray
    ordinary: np.ndarray
    special: np.ndarray
    is_lossless: bool

    def __len__(self) -> int:
        """Return how many tokens there are."""
        return len(self.tokenizer)

    @property
    def pad_id(self) -> int:
        """The id that fills a batch."""
        return self.tokenizer.pad_token_id

    @property
    def required_mask_id(self) -> int:
        """The id that hides a token. Raises `SpecError` where there is none."""
        if self.tokenizer.mask_token_id is None:
            raise SpecError(
                "hiding words needs a vocabulary with a mask token; this one has none",
                hint="--objective causal, or leave out --model to begin from scratch",
            )
        return self.tokenizer.mask_token_id

    @property
    def unknown_id(self) -> int | None:
        """The id of what the vocabulary cannot write."""
        return self.tokenizer.unk_token_id

    @property
    def begin_id(self) -> int | None:
        """The id before a text."""
        return self.tokenizer.bos_token_id

    @property
    def end_id(self) -> int | None:
        """The id that ends a document: end of sequence, or the separator."""
        ends = (self.tokenizer.eos_token_id, self.tokenizer.sep_token_id)
        return next((number for number in ends if number is not None), None)


def train_vocabulary(
    texts: Iterable[str], recipe: TokenizerRecipe, *, objective: str, size: int
) -> Vocabulary:
    """Return a vocabulary of at most `size` tokens, trained on `texts`, which are read twice.

    `recipe.name` must be a kind, not auto. There are fewer tokens where the texts hold no more that
    occur twice. Letters that were seen each have a token, the rarest left out where there are too
    many. The same texts give the same ids, but for unigram, whose trainer breaks ties by the order
    of a hash table. Source: Sennrich et al. 2016 (BPE), Schuster & Nakajima 2012 (WordPiece), Kudo
    2018 (Unigram).
    """
    family = FAMILIES[objective]
    special = list(SPECIAL[family].values())
    tokenizer = _MAKERS[recipe.name](special, recipe, size, texts)
    if family in FRAMES:
        before, after = FRAMES[family]
        ids = [(token, tokenizer.token_to_id(token)) for token in (before, after)]
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{before} $A {after}",
            pair=f"{before} $A {after} $B:1 {after}:1",
            special_tokens=ids,
        )
    names = dict(SPECIAL[family])
    names.setdefault("pad_token", names.get("eos_token", ""))
    return read_vocabulary(PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names))


def read_vocabulary(tokenizer: Any) -> Vocabulary:
    """Return what training needs to know about a transformers tokenizer."""
    fields = json.loads(tokenizer.backend_tokenizer.to_str())
    tokens = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    is_bytes = '"ByteLevel"' in json.dumps(fields.get("pre_tokenizer"))
    goes_on = _goes_on_bytes if is_bytes else _goes_on_pieces
    if fields["model"].get("type") == "WordPiece":
        prefix = fields["model"]["continuing_subword_prefix"]
        continues = [token.startswith(prefix) for token in tokens]
    else:
        continues = [goes_on(token) for token in tokens]
    special = np.array(sorted(tokenizer.all_special_ids), dtype=np.int64)
    is_changed = fields.get("normalizer") is not None
    return Vocabulary(
        tokenizer=tokenizer,
        frame=find_frame(tokenizer),
        continues=np.array(continues, dtype=bool),
        ordinary=np.setdiff1d(np.arange(len(tokens)), special),
        special=special,
        is_lossless=is_bytes and not is_changed,
    )


def _wordpiece(
    special: list[str], recipe: TokenizerRecipe, size: int, texts: Iterable[str]
) -> Tokenizer:
    """Return a WordPiece whose alphabet is numbered before it is trained.

    The trainer would number the letters inside words as it meets them, which is in another order
    each time, and break ties by those numbers.
    """
    blank = _word_tokenizer({}, special, recipe)
    alphabet = _alphabet(blank, texts, room=size - len(special))
    if len(special) + len(alphabet) < size:
        trainer = trainers.WordPieceTrainer(
            vocab_size=size,
            min_frequency=MIN_FREQUENCY,
            limit_alphabet=len(alphabet),
            initial_alphabet=[token for token in alphabet if len(token) == 1],
            special_tokens=[*special, *alphabet],
            show_progress=False,
        )
        blank.train_from_iterator(_without_empty(texts), trainer)
        return _word_tokenizer(blank.get_vocab(), special, recipe)
    return _character(special, recipe, size, texts)


def _character(
    special: list[str], recipe: TokenizerRecipe, size: int, texts: Iterable[str]
) -> Tokenizer:
    """Return a WordPiece of single characters, those inside a word marked."""
    blank = _word_tokenizer({}, special, recipe)
    alphabet = _alphabet(blank, texts, room=size - len(special))
    numbered = {token: number for number, token in enumerate([*special, *alphabet])}
    return _word_tokenizer(numbered, special, recipe)


def _alphabet(tokenizer: Tokenizer, texts: Iterable[str], *, room: int) -> list[str]:
    """Return the characters of the texts as tokens, the most frequent that there is room for.

    One that can stand inside a word has two: `a` and `##a`.
    """
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(tokenizer.normalizer.normalize_str(text))
    tokens: list[str] = []
    for character in sorted(counts, key=lambda each: (-counts[each], each)):
        if character.isspace():
            continue
        inside = tokenizer.normalizer.normalize_str(f"a{character}")
        goes_on = len(tokenizer.pre_tokenizer.pre_tokenize_str(inside)) == 1
        added = [character, f"{PREFIX}{character}"] if goes_on else [character]
        if len(tokens) + len(added) > room:
            break
        tokens += added
    return tokens


def _word_tokenizer(
    vocabulary: dict[str, int], special: list[str], recipe: TokenizerRecipe
) -> Tokenizer:
    unknown = next(token for token in special if "unk" in token.lower())
    tokenizer = Tokenizer(
        models.WordPiece(vocab=vocabulary, unk_token=unknown, max_input_chars_per_word=LONGEST_WORD)
    )
    tokenizer.normalizer = normalizers.BertNormalizer(
        lowercase=recipe.lowercase, strip_accents=recipe.lowercase
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    if vocabulary:
        tokenizer.add_special_tokens(special)
    return tokenizer


def _bpe(special: list[str], recipe: TokenizerRecipe, size: int, texts: Iterable[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    if recipe.lowercase:
        tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=MIN_FREQUENCY,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        special_tokens=special,
        show_progress=False,
    )
    tokenizer.train_from_iterator(_without_empty(texts), trainer)
    return tokenizer


def _unigram(
    special: list[str], recipe: TokenizerRecipe, size: int, texts: Iterable[str]
) -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    steps: list[Any] = [normalizers.NFKC()]
    if recipe.lowercase:
        steps.append(normalizers.Lowercase())
    tokenizer.normalizer = normalizers.Sequence(steps)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=size,
        special_tokens=special,
        unk_token=next(token for token in special if "unk" in token.lower()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_without_empty(texts), trainer)
    return tokenizer


_MAKERS = {"wordpiece": _wordpiece, "character": _character, "bpe": _bpe, "unigram": _unigram}


def _without_empty(texts: Iterable[str]) -> Iterator[str]:
    return (text for text in texts if text)


def _goes_on_bytes(token: str) -> bool:
    """Tell whether a byte-level token goes on with a word.

    Letters go on where no space stands before them; so do bytes inside a character. A character
    of three bytes, such as a Chinese one, begins a word.
    """
    first = token[0]
    is_inner_byte = first in _INNER_BYTES
    return is_inner_byte or (first.isascii() and first.isalnum())


def _goes_on_pieces(token: str) -> bool:
    """Tell whether a piece of Unigram or SentencePiece goes on with a word."""
    first = token[0]
    return first.isalnum() and not "\u3400" <= first <= "\u9fff"


def _inner_bytes() -> frozenset[str]:
    """Return how byte-level BPE writes the bytes 0x80 to 0xBF, which never begin a character.

    Source: Radford et al. 2019, whose table moves what cannot be printed to 256 and above.
    """
    moved = [*range(33), *range(127, 161), 173]
    table = {byte: chr(256 + place) for place, byte in enumerate(moved)}
    return frozenset(table.get(byte, chr(byte)) for byte in range(0x80, 0xC0))


_INNER_BYTES = _inner_bytes()
