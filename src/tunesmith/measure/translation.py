"""Marks of translations: corpus BLEU and chrF as sacreBLEU computes them, with signatures.

Counts are kept by row, so that a resample adds them up again and tokenises nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.measure.intervals import Statistics
from tunesmith.measure.scripts import han_ratio

WORD_ORDER = 4
"""The longest n-gram of words in BLEU."""

CHARACTER_ORDER = 6
"""The longest n-gram of characters in chrF."""

RECALL_WEIGHT = 2
"""The β of chrF: recall weighs β² times as much as precision."""

MOSTLY_HAN = 0.25
"""From this share of Chinese characters on, references are Chinese; Latin words are long."""

TOKENIZERS = ("13a", "zh", "char", "intl", "none")
"""Those of sacreBLEU that need no other package and fetch nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class TranslationCounts:
    """What corpus BLEU and chrF of n rows are computed from, by row, and how.

    `bleu` is (n, 10) int64: length of the translation, length of the closest reference, matched
    n-grams of orders 1 to 4, all n-grams of orders 1 to 4. `chrf` is (n, 6, 3) int64: for each
    order, n-grams of the translation, of its best reference, and in both. The signatures are
    sacreBLEU's and belong beside every figure.
    """

    bleu: NDArray
    chrf: NDArray
    bleu_signature: str
    chrf_signature: str


def translation_counts(
    references: Sequence[Sequence[str]], predicted: Sequence[str], *, tokenize: str | None = None
) -> TranslationCounts:
    """Return the counts of every row; `references` holds every row's reference texts.

    Rows may have different numbers of references, at least one. `tokenize` is one of `TOKENIZERS`:
    "13a" for languages with spaces, "zh" for Chinese, "char" for others without spaces. None takes
    "zh" where a quarter of the references' letters are Chinese, else "13a".

    Raises `ValueError` on unequally many rows, a row without a reference, and another tokenizer.

    Source: Post, A call for clarity in reporting BLEU scores, 2018; Papineni et al., BLEU, 2002;
    Popović, chrF, 2015.
    """
    from sacrebleu.metrics import BLEU, CHRF  # noqa: PLC0415 (a quarter of a second)

    if len(references) != len(predicted):
        raise ValueError(
            "references and predicted must have equally many rows;"
            f" got {len(references)} and {len(predicted)}"
        )
    for row, texts in enumerate(references):
        if not texts:
            raise ValueError(f"every row must have a reference; row {row} has none")
    if tokenize is None:
        chinese = han_ratio(text for texts in references for text in texts) >= MOSTLY_HAN
        tokenize = "zh" if chinese else "13a"
    if tokenize not in TOKENIZERS:
        raise ValueError(f"tokenize must be one of {', '.join(TOKENIZERS)}; got {tokenize!r}")
    streams = _streams(references)
    # Effective order changes the score of one sentence, which is not used, and no count.
    sentence = BLEU(tokenize=tokenize, effective_order=True)
    scored = [
        sentence.sentence_score(text, texts)
        for texts, text in zip(references, predicted, strict=True)
    ]
    bleu = [[one.sys_len, one.ref_len, *one.counts, *one.totals] for one in scored]
    chrf = [
        _best_characters(texts, text) for texts, text in zip(references, predicted, strict=True)
    ]
    return TranslationCounts(
        np.array(bleu, dtype=np.int64).reshape(-1, 2 + 2 * WORD_ORDER),
        np.array(chrf, dtype=np.int64).reshape(-1, CHARACTER_ORDER, 3),
        str(BLEU(tokenize=tokenize, references=streams).get_signature()),
        str(CHRF(references=streams).get_signature()),
    )


def translation_statistics(counts: TranslationCounts) -> Statistics:
    """Return a function of whole row weights (n,) that gives bleu and chrf, each in 0..100.

    Both are of the corpus: counts are summed over rows before anything is divided. Weights of one
    give sacreBLEU's figures. Without rows both are 0.0.

    Source: as `translation_counts`; for resampling Koehn, Statistical significance tests for
    machine translation evaluation, 2004.

    >>> counts = translation_counts([["The cat sat down."]], ["The cat sat down."])
    >>> round(translation_statistics(counts)(np.ones(1))["bleu"], 6)
    100.0
    """
    from sacrebleu.metrics import BLEU  # noqa: PLC0415 (as above)

    def statistics(weights: NDArray) -> dict[str, float]:
        rows = np.asarray(weights, dtype=np.int64)
        length, reference_length, *grams = (rows @ counts.bleu).tolist()
        score = BLEU.compute_bleu(
            grams[:WORD_ORDER], grams[WORD_ORDER:], length, reference_length, smooth_method="exp"
        )
        characters = np.tensordot(rows, counts.chrf, axes=1)
        return {"bleu": float(score.score), "chrf": 100 * _character_score(characters)}

    return statistics


def row_chrf(counts: TranslationCounts) -> NDArray:
    """Return (n,) chrF of each row alone, in 0..1, to tell good rows from bad ones."""
    return np.array([_character_score(row) for row in counts.chrf])


def _streams(references: Sequence[Sequence[str]]) -> list[list[Any]]:
    """Return references as sacreBLEU wants them: the first of every row, the second of every row.

    None stands where a row has fewer.
    """
    most = max(map(len, references), default=1)
    return [
        [texts[place] if place < len(texts) else None for texts in references]
        for place in range(most)
    ]


def _best_characters(references: Sequence[str], predicted: str) -> NDArray:
    """Return the counts (6, 3) against the reference with the best chrF; of equals the first."""
    answered = _character_ngrams(predicted)
    counts = [_common_characters(_character_ngrams(text), answered) for text in references]
    return max(counts, key=_character_score)


def _character_ngrams(text: str) -> list[Counter[str]]:
    """Return one bag for each order 1 to 6; white space is left out."""
    text = "".join(text.split())
    return [
        Counter(text[start : start + n] for start in range(len(text) - n + 1))
        for n in range(1, CHARACTER_ORDER + 1)
    ]


def _common_characters(reference: list[Counter[str]], predicted: list[Counter[str]]) -> NDArray:
    # Orders that the reference is too short for do not count against the translation.
    return np.array(
        [
            [answered.total() if wanted else 0, wanted.total(), (wanted & answered).total()]
            for wanted, answered in zip(reference, predicted, strict=True)
        ],
        dtype=np.int64,
    )


def _character_score(counts: NDArray) -> float:
    """Return chrF in 0..1 of counts (6, 3): the F of mean precision and mean recall.

    Means are over the orders that both sides have.
    """
    counts = counts[(counts[:, 0] > 0) & (counts[:, 1] > 0)].astype(np.float64)
    if not counts[:, 2].any():
        return 0.0
    precision = (counts[:, 2] / counts[:, 0]).mean()
    recall = (counts[:, 2] / counts[:, 1]).mean()
    factor = RECALL_WEIGHT**2
    return float((1 + factor) * precision * recall / (factor * precision + recall))
