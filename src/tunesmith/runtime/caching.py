"""Identical inputs are answered once: a cache of answers, bounded in entries."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator

from tunesmith.core.answers import Answer
from tunesmith.core.examples import Inputs
from tunesmith.runtime.engine import Engine, answer, chunk_outcomes, chunked

LONGEST_KEPT_CHARACTERS = 10_000
"""Longer texts are answered anew each time, so that a bound on entries is one on memory."""


class AnswerCache:
    """The last answers given, at most `entries` of them; the one used longest ago goes first.

    `hits` counts the inputs that needed no computing.
    """

    def __init__(self, entries: int) -> None:
        """Begin empty; 0 entries keep nothing."""
        self.hits = 0
        self.entries = entries
        self._kept: OrderedDict[Inputs, Answer] = OrderedDict()

    def find(self, item: Inputs) -> Answer | None:
        """Return the answer kept for an input, now the last used, or None."""
        if item in self._kept:
            self._kept.move_to_end(item)
        return self._kept.get(item)

    def keep(self, item: Inputs, reply: Answer) -> None:
        """Remember an answer."""
        if self.entries and len(item.text) <= LONGEST_KEPT_CHARACTERS:
            self._kept[item] = reply
            self._kept.move_to_end(item)
            if len(self._kept) > self.entries:
                self._kept.popitem(last=False)


def answer_cached(engine: Engine, inputs: Iterable[Inputs], cache: AnswerCache) -> Iterator[Answer]:
    """Yield what `answer` does, computing an input that stands in the cache or chunk only once.

    With a cache of 0 entries every input is computed.
    """
    if not cache.entries:
        yield from answer(engine, inputs)
        return
    for chunk in chunked(inputs):
        kept = {item: reply for item in chunk if (reply := cache.find(item)) is not None}
        fresh = [item for item in dict.fromkeys(chunk) if item not in kept]
        for item, outcome in zip(fresh, chunk_outcomes(engine, fresh), strict=True):
            kept[item] = outcome.answer
            cache.keep(item, outcome.answer)
        cache.hits += len(chunk) - len(fresh)
        yield from (kept[item] for item in chunk)
