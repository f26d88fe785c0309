"""The case shape of a word, for vocabularies that fold case.

With it `Apple`, `apple` and `APPLE` are three inputs. This module only names the shapes; their
embedding is in `case_shape`.

Source: case features of CoNLL-era taggers (Collobert et al. 2011, §6.1).
"""

from __future__ import annotations

from tunesmith.core.examples import WordsInput

SHAPES = ("none", "lower", "Title", "UPPER", "digits", "mixed")
NONE, LOWER, TITLE, UPPER, DIGITS, MIXED = range(len(SHAPES))


def word_shapes(inputs: WordsInput) -> list[int]:
    """Return one shape index a word; punctuation and scripts without case have none."""
    return [_shape(inputs.text[start:end]) for start, end in inputs.words]


def _shape(word: str) -> int:
    if word.isdigit():
        return DIGITS
    if word.islower():
        return LOWER
    if word.isupper():
        return UPPER if len(word) > 1 else TITLE
    if word[:1].isupper() and word[1:].islower():
        return TITLE
    has_case = any(letter.isupper() or letter.islower() for letter in word)
    return MIXED if has_case else NONE
