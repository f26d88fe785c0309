"""How much of a reference summary a summary repeats: ROUGE-1, ROUGE-2 and ROUGE-L, Chinese too.

Tokens are words, or single characters in scripts written without spaces; nothing is stemmed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tunesmith.measure.intervals import Statistics
from tunesmith.measure.means import mean_statistics
from tunesmith.measure.scripts import UNSPACED

_TOKEN = re.compile(rf"[{UNSPACED}]|[^\W_{UNSPACED}]+")
_VARIANTS = ("rouge_1", "rouge_2", "rouge_l")

Score = tuple[float, float, float]
"""Precision, recall and F1."""


def rouge_tokens(text: str) -> list[str]:
    """Return the lower-case words of a text; each Han, kana, Thai, Lao or Khmer character is one.

    Signs separate words and are dropped. For English text without accents these are the tokens of
    the package `rouge-score`, which sees nothing but a to z and digits.

    >>> rouge_tokens("Tom's GPU-2 很快！")
    ['tom', 's', 'gpu', '2', '很', '快']
    """
    return _TOKEN.findall(text.lower())


def ngram_score(reference: Sequence[str], predicted: Sequence[str], n: int) -> Score:
    """Return precision, recall and F1 of the n-grams of two token sequences.

    An n-gram counts as often as it stands in both. All are 0.0 where a side has no n-gram.

    Source: Lin, ROUGE, 2004, sec. 2 (recall); precision and F1 as in its script.

    >>> killed = "police killed the gunman".split()
    >>> ngram_score(killed, "police kill the gunman".split(), 1)
    (0.75, 0.75, 0.75)
    """
    wanted, answered = _ngrams(reference, n), _ngrams(predicted, n)
    return _score((wanted & answered).total(), answered.total(), wanted.total())


def subsequence_score(reference: Sequence[str], predicted: Sequence[str]) -> Score:
    """Return precision, recall and F1 of the longest common subsequence of two token sequences.

    The texts are taken whole, not sentence by sentence (ROUGE-L, not ROUGE-Lsum); F1 weighs
    precision and recall alike.

    Source: Lin, ROUGE, 2004, sec. 3.1.

    >>> subsequence_score("police killed the gunman".split(), "the gunman kill police".split())
    (0.5, 0.5, 0.5)
    """
    return _score(_common_length(reference, predicted), len(predicted), len(reference))


def rouge_marks(
    references: Sequence[Sequence[str]], predicted: Sequence[str]
) -> dict[str, NDArray]:
    """Return nine vectors (n,) in 0..1: rouge_1, rouge_2, rouge_l, each _f1, _precision, _recall.

    `references` holds every row's reference texts, at least one. Of several, the one with the best
    F1 counts, chosen for each variant alone; of equals the first.

    Raises `ValueError` on unequally many rows and on a row without a reference.

    >>> float(rouge_marks([["我们今天出发"]], ["我们明天出发"])["rouge_1_f1"][0])
    0.8333333333333334
    """
    if len(references) != len(predicted):
        raise ValueError(
            "references and predicted must have equally many rows;"
            f" got {len(references)} and {len(predicted)}"
        )
    table = np.zeros((len(predicted), len(_VARIANTS), 3))
    for row, (texts, text) in enumerate(zip(references, predicted, strict=True)):
        if not texts:
            raise ValueError(f"every row must have a reference; row {row} has none")
        answered = rouge_tokens(text)
        scored = [_variant_scores(rouge_tokens(reference), answered) for reference in texts]
        for column in range(len(_VARIANTS)):
            table[row, column] = max((scores[column] for scores in scored), key=lambda s: s[2])
    return {
        f"{variant}_{part}": table[:, column, place]
        for column, variant in enumerate(_VARIANTS)
        for part, place in (("f1", 2), ("precision", 0), ("recall", 1))
    }


def rouge_statistics(references: Sequence[Sequence[str]], predicted: Sequence[str]) -> Statistics:
    """Return a function of row weights (n,) that gives the means of `rouge_marks`."""
    return mean_statistics(rouge_marks(references, predicted))


def _variant_scores(reference: list[str], predicted: list[str]) -> tuple[Score, Score, Score]:
    return (
        ngram_score(reference, predicted, 1),
        ngram_score(reference, predicted, 2),
        subsequence_score(reference, predicted),
    )


def _ngrams(tokens: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(tokens[first:] for first in range(n)), strict=False))


def _score(common: int, predicted: int, reference: int) -> Score:
    if not common:
        return 0.0, 0.0, 0.0
    return common / predicted, common / reference, 2 * common / (predicted + reference)


def _common_length(one: Sequence[str], other: Sequence[str]) -> int:
    """Return the length of the longest common subsequence, a row of the table in one integer.

    Source: Hyyrö, Bit-parallel LCS-length computation revisited, 2004: bit i is 0 where the
    table's row rises after token i of `one`.
    """
    places: dict[str, int] = {}
    for place, token in enumerate(one):
        places[token] = places.get(token, 0) | 1 << place
    everywhere = (1 << len(one)) - 1
    level = everywhere
    for token in other:
        matched = level & places.get(token, 0)
        level = (level + matched | level - matched) & everywhere
    return len(one) - level.bit_count()
