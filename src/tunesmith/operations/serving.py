"""The process that computes for `serve`: it answers batches by the very functions of `predict`.

    python -m tunesmith.operations.serving NUMBER [ENGINE=BUNDLE ...]

`NUMBER` is the open socket on which the service says what to load and what to answer. What the
engines need for such bundles is imported before.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.answers import Answer
from tunesmith.core.errors import TunesmithError
from tunesmith.core.examples import Inputs
from tunesmith.core.reliability import Demands
from tunesmith.model.encoding import encode_windows
from tunesmith.operations.masked_serving import UNMASKED_HEADS, RequestMasker, open_masking
from tunesmith.operations.masking import Masker
from tunesmith.operations.predict import PredictSpec, open_engine
from tunesmith.operations.serving_texts import embed_orders, vector_size, write_order
from tunesmith.runtime.caching import AnswerCache, answer_cached
from tunesmith.runtime.canary import CanaryRow, read_canary
from tunesmith.runtime.engine import Engine, Members, make_answer
from tunesmith.runtime.importing import import_ahead
from tunesmith.runtime.judging import Judge, asked_of, make_judge
from tunesmith.runtime.onnx_model import OnnxModel
from tunesmith.session import Session
from tunesmith.stages.serve.canary import LARGEST_DIFFERENCE
from tunesmith.stages.serve.channel import ChannelClosedError, receive, send
from tunesmith.stages.serve.worker import (
    Answered,
    Order,
    Piece,
    Reply,
    Written,
    open_channel,
    work,
)
from tunesmith.store.bundles import Bundle, read_bundle
from tunesmith.tasks.structured import read_inputs

LOGIT_STEP = 1e-4
"""Of a logit: the record has five decimals, and processors add up in different orders."""

KEPT_DEMANDS = 64
"""Different things asked of answers that are kept ready: each looks at all validation rows once."""

LONGEST_COUNTED = 2_000
"""Characters of a row whose tokens are counted: it is encoded a second time for that."""

CHUNK_ENTRIES = PredictSpec.model_fields["cache"].default


class BundleAnswerer:
    """Answers with one bundle. Requests are computed together only where that changes no answer.

    Where what shares a batch matters, a little, as in bf16, each request is computed by itself,
    and so as `predict` computes the same rows.
    """

    def __init__(
        self,
        engine: Engine,
        name: str,
        bundle: Bundle,
        *,
        cache: int,
        masker: Masker | None = None,
    ) -> None:
        """Answer with an engine that stays open; `masker` has its rows masked before."""
        has_texts = masker is not None and engine.task.head not in UNMASKED_HEADS
        self._masking = RequestMasker(masker, engine.task) if masker and has_texts else None
        self._engine = engine
        self._name = name
        self._bundle = bundle
        self._cache = AnswerCache(cache)
        self._entries = cache
        self._prepared = lru_cache(KEPT_DEMANDS)(self._prepare)

    @property
    def is_exact(self) -> bool:
        """Whether the numbers of an answer must be those on record."""
        return self._engine.precision == "fp32"

    @property
    def is_shareable(self) -> bool:
        """Whether what shares a batch leaves an answer as it is."""
        model = self._engine.model
        return self.is_exact or (isinstance(model, OnnxModel) and model.are_rows_apart)

    def facts(self) -> dict[str, Any]:
        """Return the engine's name, the canary rows with the answers on record, and `vector_size`.

        That is 0 where a text has no vector.
        """
        engine = self._engine
        rows = [
            {"row": engine.task.input_fields(row.inputs), **_right_answers(engine, row)}
            for row in read_canary(self._bundle.path / "canary.jsonl", engine.task)
        ]
        if self._masking is not None:  # what is masked cannot have the answer on record
            kept = self._masking.unchanged([row["row"] for row in rows])
            rows = [row for row, is_kept in zip(rows, kept, strict=True) if is_kept]
        size = vector_size(self._bundle, engine)
        return {
            "engine": self._name,
            "is_exact": self.is_exact,
            "canary": rows,
            "vector_size": size,
        }

    def answer(self, orders: Sequence[Order]) -> Iterator[Reply]:
        """Yield the reply to each request, in order."""
        if self._masking is not None:
            yield from self._masking.around(orders, self._answer)
        else:
            yield from self._answer(orders)

    def _answer(self, orders: Sequence[Order]) -> Iterator[Reply]:
        if not self.is_shareable:
            for order in orders:
                yield from self._together([order])
            return
        yield from self._together(orders)

    def embed(self, orders: Sequence[Order]) -> Iterator[Reply]:
        """Yield the vectors for each request, in order."""
        if self._masking is not None:
            orders = [self._masking.masked(order) for order in orders]
        groups = [orders] if self.is_shareable else [[order] for order in orders]
        for group in groups:
            yield from embed_orders(self._engine, group)

    def write(
        self, order: Order, *, is_wanted: Callable[[], bool]
    ) -> Generator[Piece | Written | TunesmithError]:
        """Yield a text piece by piece, and last its end."""
        if self._masking is not None:
            try:
                order = self._masking.masked(order)
            except TunesmithError as error:
                yield error
                return
        yield from write_order(self._engine, order, is_wanted=is_wanted)

    def count_tokens(self, order: Order) -> tuple[int, int]:
        """Return how many tokens the first row of a request has, and how many are the unknown one.

        Both are 0 where the model knows no such token, or reads a row in another way.
        """
        engine = self._engine
        unknown = getattr(engine.tokenizer, "unk_token_id", None)
        is_read = engine.asking is None and not isinstance(engine.model, Members)
        if unknown is None or not is_read or engine.task.head in ("recommend", "generate"):
            return 0, 0
        row = read_inputs(engine.task, order["rows"][0])
        if len(row.text) > LONGEST_COUNTED:
            return 0, 0
        ids = [window.ids for window in encode_windows(engine.tokenizer, [row], engine.reading)]
        return sum(map(len, ids)), sum(int(np.count_nonzero(own == unknown)) for own in ids)

    def _together(self, orders: Sequence[Order]) -> list[Reply]:
        """Return the replies to requests whose rows are computed at once, by engine."""
        replies: dict[int, Reply] = {}
        waiting: dict[bool, list[tuple[int, list[Inputs], Judge, bool]]] = {}
        for place, order in enumerate(orders):
            demands = dict(order["demands"])
            all_scores = demands.pop("all_scores")
            try:
                asked = Demands(**demands)
                judge = self._prepared(asked)[1]
                inputs = [read_inputs(self._engine.task, row) for row in order["rows"]]
            except TunesmithError as error:
                replies[place] = error
            else:
                waiting.setdefault(asked.outside, []).append((place, inputs, judge, all_scores))
        for outside, group in waiting.items():
            engine = self._prepared(Demands(outside=outside))[0]
            answers = iter(self._answers(engine, [item for _, own, *_ in group for item in own]))
            for place, own, judge, all_scores in group:
                told = [_fields(next(answers), judge, all_scores=all_scores) for _ in own]
                replies[place] = Answered(told, judge.sets.warnings if judge.sets else ())
        return [replies[place] for place in range(len(orders))]

    def _answers(self, engine: Engine, inputs: list[Inputs]) -> list[Answer]:
        is_shared = self.is_shareable and self._entries
        cache = self._cache if is_shared else AnswerCache(CHUNK_ENTRIES)
        return list(answer_cached(engine, inputs, cache))

    def _prepare(self, demands: Demands) -> tuple[Engine, Judge]:
        engine = asked_of(self._engine, demands)
        return engine, make_judge(demands, engine.task, engine.reliability)


def _right_answers(engine: Engine, row: CanaryRow) -> dict[str, Any]:
    """Return `expected`, the answers that a canary row may have, and the `tolerance` of a number.

    Those are what the logits on record mean, and logits that differ by less than the record and
    another processor may: a calibrating curve can be so steep that this shows.
    """
    recorded = make_answer(engine, row.logits, row.inputs)
    answers, spread = {_decided(recorded): recorded}, 0.0
    if engine.reliability.calibrator is not None and row.logits.ndim == 1:
        for moved in _moved(row.logits):
            other = make_answer(engine, moved, row.inputs)
            answers.setdefault(_decided(other), other)
            spread = max(spread, *np.abs(_probabilities(other) - _probabilities(recorded)))
    return {
        "expected": [each.to_json(all_scores=True) for each in answers.values()],
        "tolerance": LARGEST_DIFFERENCE + float(spread),
    }


def _moved(logits: NDArray) -> Iterator[NDArray]:
    """Yield logits (C,) with all, or one of the two largest, a little higher or lower."""
    for places in (slice(None), *np.argsort(-logits)[:2]):
        for step in (-LOGIT_STEP, LOGIT_STEP):
            moved = logits.copy()
            moved[places] += step
            yield moved


def _probabilities(answer: Any) -> NDArray:
    return np.array(list(answer.scores.values()))


def _decided(answer: Any) -> Any:
    return getattr(answer, "label", None) or getattr(answer, "labels", None)


def _fields(reply: Answer, judge: Judge, *, all_scores: bool) -> dict[str, Any]:
    """Return an answer as `predict` gives it, and always whether it abstains."""
    return {**reply.to_json(all_scores=all_scores), "abstained": False, **judge.fields(reply)}


def main(number: int, ahead: Sequence[str]) -> None:
    """Load what the service says, and answer until it is gone."""
    channel = open_channel(number)
    for each in ahead:
        engine, _, path = each.partition("=")
        import_ahead(engine, path)
    settings = receive(channel)
    os.nice(settings["niceness"])
    with contextlib.ExitStack() as stack:
        try:
            models = open_models(stack, settings)
        except TunesmithError as error:
            send(channel, {"problem": str(error).replace("\n", " ")})
            return
        work(channel, models)


def open_models(stack: contextlib.ExitStack, settings: dict[str, Any]) -> dict[str, BundleAnswerer]:
    """Return what answers with each model that the settings name; `stack` closes them."""
    return {name: _open(stack, path, settings) for name, path in settings["models"].items()}


def _open(stack: contextlib.ExitStack, path: str, settings: dict[str, Any]) -> BundleAnswerer:
    names = ("engine", "precision", "threads", "device")
    spec = PredictSpec(bundle=path, column={}, **{name: settings[name] for name in names})
    bundle = read_bundle(path)
    if bundle.fingerprint != settings["versions"][path]:
        raise TunesmithError(f"the bundle must be the one the service began with ({path})")
    session = Session(device=spec.device)
    engine, name = stack.enter_context(open_engine(spec, session, bundle))
    masker = stack.enter_context(open_masking(settings, session))
    return BundleAnswerer(engine, name, bundle, cache=settings["cache"], masker=masker)


if __name__ == "__main__":
    with contextlib.suppress(ChannelClosedError, KeyboardInterrupt):
        main(int(sys.argv[1]), sys.argv[2:])
    os._exit(0)  # all that is left would be freed piece by piece, while its successor waits
