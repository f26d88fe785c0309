"""Which sentences of a document make its summary: what is seen of each, and how they are chosen.

Arithmetic on texts and on what a model says of each sentence; this module fits nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from tunesmith.core.examples import SentencesInput
from tunesmith.measure.rouge import ngram_score, rouge_tokens
from tunesmith.tasks.sentences import find_speakers, lines_of

SEEN = ("salience", "likeness_to_all", "likeness_to_first")
"""What the model says of each sentence: a logit, its cosine with the mean vector of the document,
and that with the first sentence."""

FEATURES = (
    *("log_words", "words", "is_short", "is_first", "line_0", "line_1", "line_2", "line_3"),
    *("earliness", "position", "is_last", "in_last_lines", "likeness_to_all", "likeness_to_first"),
    *("begins_line", "asks", "has_number", "frequent_words", "repeated_words"),
)
"""What is seen of a sentence, in the order of `sentence_features`. Shares and counts are scaled to
about 1."""

CENTROID_WEIGHTS = tuple(
    {"likeness_to_all": 4.0, "earliness": 2.0}.get(name, 0.0) for name in FEATURES
)
"""The weights that need no training: near to the whole (Radev et al. 2004), early rather than late.
"""

SHORT_WORDS = 4
LONG_WORDS = 30
TENTH = 0.1
FIRST_LINES = 4
MOST_LABELLED = 6
"""Sentences that the best summary of the training rows may have."""

_DIGIT = re.compile(r"\d")
_ASKS = re.compile(r"[?？]")


def sentence_features(inputs: SentencesInput, seen: np.ndarray) -> np.ndarray:
    """Return (S, F) float64 `FEATURES` of the sentences of a document; `seen` is (S, 3)."""
    count = len(inputs.sentences)
    texts = _spoken(inputs)
    tokens = [rouge_tokens(text) for text in texts]
    lengths = np.array([len(own) for own in tokens], dtype=np.float64)
    frequency = Counter(word for own in tokens for word in own)
    spread = Counter(word for own in tokens for word in set(own))
    lines = np.array(lines_of(inputs.text, inputs.sentences))
    place = np.arange(count)
    columns = (
        np.log1p(lengths),
        np.minimum(lengths, LONG_WORDS) * TENTH,
        lengths < SHORT_WORDS,
        place == 0,
        *(lines == number for number in range(FIRST_LINES)),
        1.0 / (1.0 + place),
        place / count,
        place == count - 1,
        lines >= lines[-1] - 1,
        seen[:, 1],
        seen[:, 2],
        np.diff(lines, prepend=-1) > 0,
        [bool(_ASKS.search(text)) for text in texts],
        [bool(_DIGIT.search(text)) for text in texts],
        [TENTH * sum(frequency[word] for word in own) / max(1, len(own)) for own in tokens],
        [TENTH * sum(spread[word] > 1 for word in set(own)) for own in tokens],
    )
    return np.stack([np.asarray(column, dtype=np.float64) for column in columns], axis=1)


def rank_sentences(
    inputs: SentencesInput, salience: np.ndarray, *, most: int, redundancy: float
) -> list[int]:
    """Return at most `most` sentences in the order they are chosen, the best one first.

    Each next one has the largest salience (S,) less `redundancy` times the share of its words that
    are said already. Source: maximal marginal relevance (Carbonell & Goldstein 1998), with words
    in the place of vectors, so that long documents need no table of all pairs.
    """
    words = [set(rouge_tokens(text)) for text in _spoken(inputs)]
    said: set[str] = set()
    left = list(np.argsort(-salience, kind="stable"))
    chosen: list[int] = []
    while left and len(chosen) < most:
        if redundancy and said:
            worth = [
                salience[at] - redundancy * len(words[at] & said) / max(1, len(words[at]))
                for at in left
            ]
            best = int(left.pop(int(np.argmax(worth))))
        else:
            best = int(left.pop(0))
        chosen.append(best)
        said |= words[best]
    return chosen


def best_sentences(inputs: SentencesInput, references: Sequence[str]) -> list[int]:
    """Return the sentences that together come closest to the first reference, chosen greedily.

    Closest is the sum of ROUGE-1 and ROUGE-2 F1. Source: the oracle of Nallapati et al. 2017
    (SummaRuNNer), §3.
    """
    wanted = rouge_tokens(references[0])
    speakers = find_speakers(inputs.text, inputs.sentences)
    tokens = [
        rouge_tokens(speaker + text)
        for speaker, text in zip(speakers, _spoken(inputs), strict=True)
    ]
    chosen: list[int] = []
    best = 0.0
    while len(chosen) < MOST_LABELLED:
        values = [
            (_closeness(wanted, [tokens[at] for at in sorted([*chosen, number])]), -number)
            for number in range(len(tokens))
            if number not in chosen
        ]
        value, number = max(values, default=(0.0, 0))
        if value <= best:
            break
        best = value
        chosen.append(-number)
    return sorted(chosen)


def _closeness(wanted: list[str], parts: Sequence[list[str]]) -> float:
    said = [word for own in parts for word in own]
    return ngram_score(wanted, said, 1)[2] + ngram_score(wanted, said, 2)[2]


def _spoken(inputs: SentencesInput) -> list[str]:
    """Return the text of each sentence without the tag of its speaker."""
    speakers = find_speakers(inputs.text, inputs.sentences)
    return [
        inputs.text[start:end].removeprefix(speaker)
        for (start, end), speaker in zip(inputs.sentences, speakers, strict=True)
    ]
