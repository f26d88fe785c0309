"""How a worker writes texts and gives vectors: by the very functions of `predict`."""

from __future__ import annotations

import base64
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import asdict

from tunesmith.core.errors import SpecError
from tunesmith.core.recipe import DecodingRecipe
from tunesmith.runtime.embedding import embed_texts, has_vectors
from tunesmith.runtime.engine import Engine
from tunesmith.runtime.loading import with_decoding
from tunesmith.stages.serve.worker import Embedded, Order, Piece, Written
from tunesmith.store.bundles import Bundle
from tunesmith.tasks.structured import read_inputs


def vector_size(bundle: Bundle, engine: Engine) -> int:
    """Return the numbers of a text's vector; 0 where a text has none."""
    if not has_vectors(bundle):
        return 0
    try:
        return embed_texts(engine, ["a"]).values.shape[1]
    except SpecError:
        return 0


def embed_orders(engine: Engine, orders: Sequence[Order]) -> Iterator[Embedded]:
    """Yield the vectors for each request; their texts are computed at once."""
    found = embed_texts(engine, [text for order in orders for text in order["rows"]])
    vectors, tokens = iter(found.values), iter(found.tokens)
    for order in orders:
        coded = [
            base64.b64encode(next(vectors).astype("<f4").tobytes()).decode() for _ in order["rows"]
        ]
        yield Embedded(coded, sum(next(tokens) for _ in order["rows"]))


def write_order(
    engine: Engine, order: Order, *, is_wanted: Callable[[], bool]
) -> Generator[Piece | Written]:
    """Yield the text that answers the only row of a request, piece by piece, and last its end."""
    from tunesmith.runtime.replies import write_reply

    demands = order["demands"]
    engine = with_decoding(engine, DecodingRecipe(**demands["decoding"]))
    item = read_inputs(engine.task, order["rows"][0])
    parts = write_reply(
        engine, item, stops=demands["stops"], most=demands["most"], is_wanted=is_wanted
    )
    for part in parts:
        yield Piece(part) if isinstance(part, str) else Written(**asdict(part))
