"""Question answering without a model: the sentence of the context most like the question, TF-IDF.

Exact match and F1 are those of the whole sentence, marked as a tuned model's answers are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from sklearn.feature_extraction.text import TfidfVectorizer
from task_rows import Row

from tunesmith.core.measures import Measure
from tunesmith.measure.intervals import bootstrap_measures
from tunesmith.measure.reading import reading_statistics

_SENTENCE = re.compile(r"(?<=[.!?。！？])\s*")


def mark_sentences(rows: Sequence[Row]) -> dict[str, Measure]:
    """Return exact match and F1 of answering each question by its most similar sentence."""
    found = [_best_sentence(row["context"], row["question"]) for row in rows]
    gold = [[answer["text"] for answer in row["answers"]] for row in rows]
    return bootstrap_measures(reading_statistics(gold, found), len(rows))


def _best_sentence(context: str, question: str) -> str:
    sentences = [sentence for sentence in _SENTENCE.split(context) if sentence.strip()]
    vectors = TfidfVectorizer(token_pattern=r"(?u)\b\w+\b").fit_transform([*sentences, question])
    likeness = (vectors[:-1] @ vectors[-1].T).toarray()[:, 0]
    return sentences[int(likeness.argmax())].strip()
