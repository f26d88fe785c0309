"""One pass of the tokenizer, and the scripts it counts."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.core.examples import Example, Place, Span, TextInput, WordsInput
from tunesmith.model.encoding import count_tokens
from tunesmith.model.framing import find_frame
from tunesmith.stages.check.scripts import INDEX, SCRIPTS, count_scripts, script_indices
from tunesmith.stages.check.tokens import BATCH_CHARACTERS, read_tokens
from tunesmith.tasks.words import split_words


class Counting:
    """A tokenizer that counts the texts it is given in lists."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        self.texts = 0
        self.largest = 0

    def __call__(self, text, **options):
        """Count and encode."""
        if isinstance(text, list):
            self.texts += len(text)
            self.largest = max(self.largest, sum(map(len, text)))
        return self.tokenizer(text, **options)

    def __getattr__(self, name):
        return getattr(self.tokenizer, name)

    def __len__(self):
        return len(self.tokenizer)


def plain(text, gold="a"):
    return Example(text, TextInput(text), gold, Place("x", 1))


def spanned(text, *spans):
    return Example(text, WordsInput(text, split_words(text)), spans, Place("x", 1))


def test_each_text_is_tokenised_once_whether_it_has_entities_or_not(backbone, reading):
    rows = [spanned(f"London {row}", *[Span(0, 6, "LOC")] * (row % 2)) for row in range(3000)]
    tokenizer = Counting(backbone.tokenizer)
    figures = read_tokens(tokenizer, rows, reading())
    assert tokenizer.texts == len(rows)
    expected = count_tokens(backbone.tokenizer, [row.inputs for row in rows])
    np.testing.assert_array_equal(figures.counts, expected)
    assert figures.frame == len(find_frame(backbone.tokenizer)) == 2


def test_batches_stay_small_where_texts_are_long(backbone, reading):
    tokenizer = Counting(backbone.tokenizer)
    figures = read_tokens(tokenizer, [plain("ab " * 200_000) for _ in range(3)], reading())
    assert tokenizer.largest <= BATCH_CHARACTERS
    assert figures.counts.tolist() == [200_000] * 3


def test_no_rows_have_no_figures(backbone, reading):
    figures = read_tokens(backbone.tokenizer, [], reading())
    assert len(figures.counts) == figures.characters.sum() == figures.tokens.sum() == 0


def test_unknown_tokens_are_counted_under_their_script(backbone, reading):
    figures = read_tokens(backbone.tokenizer, [plain("the 骑手 of 7 🤣🥑")], reading())
    han, latin, digits = (INDEX[name] for name in ("Han", "Latin", "digits"))
    assert (figures.characters[han], figures.tokens[han]) == (2, 2)
    assert figures.unknown_characters[han] == figures.unknown_tokens[han] >= 1
    assert (figures.tokens[latin], figures.unknown_tokens[latin]) == (2, 0)
    assert (figures.tokens[digits], figures.unknown_characters[digits]) == (1, 0)
    assert figures.tokens.sum() == figures.counts.sum()


def test_a_word_too_long_for_the_vocabulary_is_unknown_as_a_whole(backbone, reading):
    figures = read_tokens(backbone.tokenizer, [plain("a" * 200)], reading())
    assert figures.unknown_characters[INDEX["Latin"]] == 200
    assert figures.unknown_tokens[INDEX["Latin"]] == 1


def test_scripts_of_the_worlds_writings():
    samples = {
        "Latin": "aÉß Ａ",
        "Han": "中龘\U00020000々",
        "Kana": "ひカーｶ",
        "Hangul": "한ㄱ",
        "Cyrillic": "Жя",
        "Greek": "Ωλ",
        "Arabic": "سلام",
        "Hebrew": "שלום",
        "Thai": "ไทยุ",
        "Devanagari": "हिन्दी",
        "other letters": "ქართული",
        "digits": "12٣",
        "punctuation": "!?。、—",
        "symbols": "€+😀☃",
        "blank": " \t\u200b\ufe0f\x00\u0301\ue000",
    }
    assert set(samples) == set(SCRIPTS)
    for script, text in samples.items():
        names = {SCRIPTS[index] for index in script_indices(text.replace(" ", "") or " ")}
        assert names == {script}, (script, names)


@given(st.lists(st.text()))
def test_every_character_is_counted_once(texts):
    counts = count_scripts(texts)
    assert counts.sum() == sum(map(len, texts))
    assert len(counts) == len(SCRIPTS)
