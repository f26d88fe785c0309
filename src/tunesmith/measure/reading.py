"""Marks of answers read from a text: exact match and token F1, as SQuAD and CMRC 2018 count.

Only answer texts come in. Where an answer stands in its context is not seen here.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tunesmith.measure.intervals import Statistics
from tunesmith.measure.means import mean_statistics
from tunesmith.measure.scripts import holds_han

_ENGLISH_SIGNS = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")

# The CMRC scorer's signs and its range of characters. It leaves … ‘ and ASCII's . , ! ? alone.
_CHINESE_SIGNS = str.maketrans("", "", "，。：？！；、·“”’《》「」『』（）－～+-=*/\\^_~`:")
_CHINESE_TOKENS = re.compile(
    r"[\u4e00-\u9fa5]"
    r"|(?:[^\s\u4e00-\u9fa5()\[\]{}<>\"'?!—;@#$%&,.]|,(?=\d)|\.(?!$|[\u4e00-\u9fa5]))+"
    r"|'(?:s|m|d|ll|re|ve)\b|\S"
)


class AnswerMark(NamedTuple):
    """How one answer was marked: `exact_match` 0.0 or 1.0, `f1` in 0..1."""

    exact_match: float
    f1: float


def plain_answer(text: str) -> str:
    """Return an answer as the SQuAD scorer compares it.

    In lower case, without ASCII punctuation, then without articles, with single spaces.

    Source: Rajpurkar et al., SQuAD, 2016, sec. 6.1; evaluate-v1.1.py.

    >>> plain_answer("The  U.S. Army's")
    'us armys'
    """
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_ENGLISH_SIGNS)).split())


def plain_chinese_answer(text: str) -> str:
    """Return an answer as the CMRC 2018 scorer compares it: lower case, its signs taken out.

    Source: Cui et al., A span-extraction dataset for Chinese machine reading comprehension, 2019;
    cmrc2018_evaluate.py, version 5.

    >>> plain_chinese_answer("《QQ堂》，2004年")
    'qq堂2004年'
    """
    return text.lower().strip().translate(_CHINESE_SIGNS)


def chinese_tokens(text: str) -> list[str]:
    """Return what the CMRC 2018 scorer counts: each Chinese character, and each word between them.

    Brackets, quotes, — ? ! ; @ # $ % & stand alone, and points and commas at the end of a run. The
    scorer asks NLTK for the words: of the 10,659 gold answers of CMRC 2018 (trial and dev) its word
    tokenizer splits 99.7 % alike; in most others it writes a quote as `` or two apostrophes.

    Source: as `plain_chinese_answer`.

    >>> chinese_tokens("约3.5万人，in Beijing")
    ['约', '3.5', '万', '人', 'in', 'beijing']
    """
    return _CHINESE_TOKENS.findall(plain_chinese_answer(text))


def mark_answer(gold: Sequence[str], predicted: str, *, chinese: bool | None = None) -> AnswerMark:
    """Return exact match and F1 of one answer, each the best over the gold answers.

    An empty `predicted` says that there is no answer. Without gold answers, or where nothing is
    left of any, that is right and all else is wrong; gold answers of which nothing is left do not
    count beside others. `chinese` chooses the CMRC rules or the SQuAD rules; None chooses the
    former where the gold answers or the prediction hold a Chinese character.

    SQuAD's F1 is over bags of words. CMRC's is over the longest *unbroken* run of common tokens.

    Source: Rajpurkar, Jia & Liang, Know what you don't know, 2018 (SQuAD 2.0), for no answer; else
    as `plain_answer` and `plain_chinese_answer`.

    >>> mark_answer(["Saint Bernadette Soubirous"], "Bernadette")
    AnswerMark(exact_match=0.0, f1=0.5)
    >>> mark_answer(["1990年5月", "五月"], "1990年").f1
    0.6666666666666666
    >>> mark_answer([], "")
    AnswerMark(exact_match=1.0, f1=1.0)
    """
    if chinese is None:
        chinese = any(holds_han(text) for text in (*gold, predicted))
    plain, score = (plain_chinese_answer, _run_f1) if chinese else (plain_answer, _bag_f1)
    answer = plain(predicted)
    wanted = [text for text in gold if plain(text).strip()]
    if not wanted or not answer.strip():
        right = float(not wanted and not answer.strip())
        return AnswerMark(right, right)
    return AnswerMark(
        float(any(plain(text) == answer for text in wanted)),
        max(score(text, predicted) for text in wanted),
    )


def reading_marks(
    gold: Sequence[Sequence[str]], predicted: Sequence[str], *, chinese: bool | None = None
) -> dict[str, NDArray]:
    """Return exact_match and f1 of each row, each (n,); `gold` holds every row's answers.

    Where some rows have gold answers and others none, there are also has_answer_exact_match,
    has_answer_f1 and no_answer_accuracy, NaN on the rows they do not speak of. Give `chinese` for
    all rows to repeat published figures: a row of digits alone cannot tell its language.

    Raises `ValueError` on unequally many rows.
    """
    if len(gold) != len(predicted):
        raise ValueError(
            f"gold and predicted must have equally many rows; got {len(gold)} and {len(predicted)}"
        )
    rows = [
        mark_answer(answers, text, chinese=chinese)
        for answers, text in zip(gold, predicted, strict=True)
    ]
    exact, f1 = np.array(rows, dtype=np.float64).reshape(-1, 2).T
    marks = {"exact_match": exact, "f1": f1}
    answered = np.array([any(answers) for answers in gold], dtype=bool)
    if answered.any() and not answered.all():
        marks["has_answer_exact_match"] = np.where(answered, exact, np.nan)
        marks["has_answer_f1"] = np.where(answered, f1, np.nan)
        marks["no_answer_accuracy"] = np.where(answered, np.nan, exact)
    return marks


def reading_statistics(
    gold: Sequence[Sequence[str]], predicted: Sequence[str], *, chinese: bool | None = None
) -> Statistics:
    """Return a function of row weights (n,) that gives the means of `reading_marks`."""
    return mean_statistics(reading_marks(gold, predicted, chinese=chinese))


def _bag_f1(gold: str, predicted: str) -> float:
    wanted, answered = Counter(plain_answer(gold).split()), Counter(plain_answer(predicted).split())
    return 2 * (wanted & answered).total() / (wanted.total() + answered.total())


def _run_f1(gold: str, predicted: str) -> float:
    wanted, answered = chinese_tokens(gold), chinese_tokens(predicted)
    run = SequenceMatcher(None, wanted, answered, autojunk=False).find_longest_match().size
    return 2 * run / (len(wanted) + len(answered))
