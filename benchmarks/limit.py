"""What share of the machine's limit tuning and answering reach, on BANKING77 rows.

The limit is the time that the model's matrix products take alone, on the same number of tokens and
in the same number format: no padding, no norms, no optimiser, nothing to read or write. Products
and steps alternate, so that both see one machine. Attention's own products are left out: at these
lengths they are 1 % of the operations.
Usage: TUNESMITH_DATA=… python benchmarks/limit.py [--rows 4000]
"""

from __future__ import annotations

import argparse
import itertools
import random
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch
from compare import pin_processors, spread
from public_rows import DATA_SETS, write_rows
from record import tell

import tunesmith
from tunesmith.core.events import Event, Said, Step
from tunesmith.data.examples import read_examples
from tunesmith.model.backbones import load_backbone
from tunesmith.runtime.engine import BATCH_TOKENS, score
from tunesmith.runtime.loading import load_engine
from tunesmith.session import Session

WARM_UP_STEPS = 5
BLOCK = 8
"""Steps that make one share, so that no single hiccup does."""
COPIED_BYTES = 1 << 28
TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True, slots=True)
class Shapes:
    """The matrix products of an encoder: (inputs, outputs) of each linear layer, `layers` times."""

    sides: tuple[tuple[int, int], ...]
    layers: int

    @property
    def operations(self) -> int:
        """Multiplications and additions of one token's forward pass."""
        return 2 * self.layers * sum(one * other for one, other in self.sides)


def shapes_of(config: object) -> Shapes:
    """Return the shapes of a BERT-family encoder, query, key and value being one product."""
    hidden, middle = config.hidden_size, config.intermediate_size
    sides = ((hidden, 3 * hidden), (hidden, hidden), (hidden, middle), (middle, hidden))
    return Shapes(sides, config.num_hidden_layers)


def product_seconds(
    shapes: Shapes, tokens: int, *, precision: str, backward: bool, own: bool = False
) -> float:
    """Return the seconds that all products of so many tokens take, each operand ready in memory.

    Every layer takes the same operands, which therefore lie in the processor's caches, or its
    `own`, as a model's layers do. Each product is tried once before the clock starts.
    """
    kind, total = TYPES[precision], 0.0
    for inputs, outputs in shapes.sides:
        sets = [
            tuple(
                torch.randn(size).to(kind)
                for size in ((outputs,), (tokens, inputs), (outputs, inputs), (tokens, outputs))
            )
            for _ in range(shapes.layers if own else 1)
        ]
        for number in range(-1, shapes.layers):
            if number == 0:
                started = time.perf_counter()
            bias, rows, weight, gradient = sets[number % len(sets)]
            torch.addmm(bias, rows, weight.t())
            if backward:
                gradient @ weight
                gradient.t() @ rows
        total += time.perf_counter() - started
    return total


@dataclass(slots=True)
class Alternation:
    """The listener that runs the bare products between two steps."""

    shapes: Shapes
    precision: str = "fp32"
    steps: list[tuple[float, float, int]] = field(default_factory=list)

    def __call__(self, event: Event) -> None:
        """Time the products of a step's tokens; the loop's own clock stands still meanwhile."""
        if isinstance(event, Said) and event.text.startswith("bf16:"):
            self.precision = "bf16"
        if isinstance(event, Step):
            bare = product_seconds(
                self.shapes, event.tokens, precision=self.precision, backward=True
            )
            self.steps.append((event.seconds, bare, event.tokens))

    def blocks(self) -> Iterator[np.ndarray]:
        """Yield (seconds, bare seconds, tokens) summed over blocks of steps."""
        kept = self.steps[WARM_UP_STEPS:]
        for start in range(0, len(kept) - BLOCK + 1, BLOCK):
            yield np.sum(kept[start : start + BLOCK], axis=0)


def main() -> None:
    """Tell the machine's limits, then what share of them is reached."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=4000)
    wanted = parser.parse_args()
    pin_processors(2)
    shapes = shapes_of(load_backbone("minilm").model.config)
    tell_machine(shapes)
    with tempfile.TemporaryDirectory() as folder:
        examples = DATA_SETS["banking77"].read("train")
        random.Random(0).shuffle(examples)
        rows = Path(folder, "train.jsonl")
        write_rows(rows, examples[: wanted.rows])
        alternation = Alternation(shapes)
        tuned = tunesmith.fit(
            str(rows),
            task="classification",
            training={"epochs": 1},
            out=f"{folder}/run",
            session=Session(listener=alternation),
        )
        blocks = list(alternation.blocks())
        tell(
            "limit",
            row="limit.tuning",
            measure="share of the limit while tuning",
            unit="ratio",
            **spread([bare / seconds for seconds, bare, _ in blocks]).to_json(),
            precision=alternation.precision,
            tokens_per_second=round(sum(b[2] for b in blocks) / sum(b[0] for b in blocks)),
            operations_per_token=3 * shapes.operations,
        )
        tell_answering(shapes, str(tuned.bundle), str(rows))


def tell_machine(shapes: Shapes, *, tokens: int = 1024, times: int = 5) -> None:
    """Tell the rate of products at the model's shapes, and of memory."""
    for precision, own in itertools.product(TYPES, (False, True)):
        seconds = partial(
            product_seconds, shapes, tokens, precision=precision, backward=True, own=own
        )
        seconds()
        rates = [3 * shapes.operations * tokens / seconds() / 1e9 for _ in range(times)]
        where = ", operands of each layer its own" if own else ""
        tell(
            "limit",
            row=f"limit.products_{precision}{'_own' if own else ''}",
            measure=f"matrix products at the model's shapes{where}",
            unit="GFLOP/s",
            **spread(rates).to_json(decimals=1),
        )
    source, target = (torch.zeros(COPIED_BYTES // 4) for _ in range(2))
    rates = []
    for _ in range(times):
        started = time.perf_counter()
        target.copy_(source)
        rates.append(2 * COPIED_BYTES / (time.perf_counter() - started) / 1e9)
    measure = "memory bandwidth, a copy, read and written"
    tell("limit", row="limit.memory", measure=measure, unit="GB/s", **spread(rates).to_json())


def tell_answering(shapes: Shapes, bundle: str, data: str, *, times: int = 5) -> None:
    """Tell what share of the limit the torch engine reaches, tokenising included."""
    for precision in TYPES:
        engine = load_engine(bundle, precision=precision)
        inputs = [example.inputs for example in read_examples(data, engine.task)][:2000]
        tokens = sum(len(ids) + 2 for ids in _token_ids(engine, inputs))
        score(engine, inputs[:200])
        shares = []
        for _ in range(times):
            started = time.perf_counter()
            score(engine, inputs)
            seconds = time.perf_counter() - started
            batch = product_seconds(shapes, BATCH_TOKENS, precision=precision, backward=False)
            bare = batch * tokens / BATCH_TOKENS
            shares.append(bare / seconds)
        tell(
            "limit",
            row=f"limit.answering_{precision}",
            measure="share of the limit while answering",
            unit="ratio",
            **spread(shares).to_json(),
            rows=len(inputs),
        )


def _token_ids(engine: object, inputs: list) -> list[list[int]]:
    texts = [item.text for item in inputs]
    return engine.tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]


if __name__ == "__main__":
    main()
