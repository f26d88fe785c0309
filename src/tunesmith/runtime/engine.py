"""A tuned model that answers: texts in, answers out, in order, in constant memory.

What computes is a back end: torch, or ONNX Runtime. All else is written once, here, and imports
neither.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, cast

import numpy as np

from tunesmith.core.answers import Answer
from tunesmith.core.examples import HistoryInput, Inputs, TextInput, asked_text
from tunesmith.core.recipe import DecodingRecipe
from tunesmith.model.batching import Arrays, collate_arrays, plan_batches
from tunesmith.model.encoding import encode_windows
from tunesmith.model.framing import Reading, Window
from tunesmith.runtime.merging import merge_windows
from tunesmith.runtime.onnx_model import OnnxModel
from tunesmith.runtime.reliability import Reliability
from tunesmith.tasks.task import Task

if TYPE_CHECKING:
    from tunesmith.runtime.prompted import Asking

Output: TypeAlias = Literal["logits", "vectors", "both"]
Compute: TypeAlias = Callable[[Arrays], np.ndarray]

BATCH_TOKENS = 512
"""On a processor: few, so that a layer's activations stay in its cache (in ONNX, 4,096 take a third
more time a token) and memory stays flat (blocks of many sizes tear holes into the heap)."""
GPU_BATCH_TOKENS = 4096
START_TOKENS = {"onnx": 48, "fp32": 48, "bf16": 128}
"""What beginning a batch costs on a processor, in tokens of it, by what computes: 6 ms to 130 us in
fp32, 5 ms to 44 us in bf16 (MiniLM on two cores; wider models take less). In ONNX it is 0.5 ms to
35 us, but 48 to 64 tokens answer real texts the soonest: a new length costs more than a known."""
CHUNK_ROWS = 1024
CHUNK_CHARACTERS = 1_000_000


@dataclass(frozen=True, slots=True)
class Engine:
    """All that an answer needs: model, tokenizer, task, reading, device and number format.

    `model` is a `HeadModel`, on the torch device `device` already, an `OnnxModel`, which has its
    number format in itself and no device, or `Members`, each with tokenizer and reading of its own.
    `decoding` is how a model that writes does it, `reliability` what is known of how far its
    answers hold, `asking` the prompt that a `Speaker` is asked by.
    """

    model: Any
    tokenizer: Any
    task: Task
    reading: Reading
    device: Any
    precision: str = "fp32"
    decoding: DecodingRecipe = DecodingRecipe()
    reliability: Reliability = Reliability()
    asking: Asking | None = None


class Outcome(NamedTuple):
    """An answer, and the raw outputs that it was read off."""

    answer: Answer
    scores: np.ndarray


@dataclass(frozen=True, slots=True)
class Members:
    """Several engines of one task in the place of a model; their mean is the answer."""

    engines: tuple[Engine, ...]


def answer(engine: Engine, inputs: Iterable[Inputs]) -> Iterator[Answer]:
    """Yield one answer an input, in order, reading ahead at most one chunk of rows."""
    return (outcome.answer for outcome in outcomes(engine, inputs))


def outcomes(engine: Engine, inputs: Iterable[Inputs]) -> Iterator[Outcome]:
    """Yield what `answer` does, each answer with the raw outputs that it was read off."""
    for chunk in chunked(inputs):
        yield from chunk_outcomes(engine, chunk)


def chunk_outcomes(engine: Engine, chunk: Sequence[Inputs]) -> Iterator[Outcome]:
    """Yield the outcomes of inputs that are computed at once."""
    outside = engine.reliability.outside
    if outside is None or not outside.needs_vector:
        for item, scores in zip(chunk, score(engine, chunk), strict=True):
            yield Outcome(make_answer(engine, scores, item), scores)
        return
    windows = list(encode_windows(engine.tokenizer, chunk, engine.reading))
    for item, both in zip(chunk, score_with_vectors(engine, windows, chunk), strict=True):
        yield Outcome(engine.reliability.answer(engine.task, both[0], item, both[1]), both[0])


def make_answer(engine: Engine, scores: np.ndarray, item: Inputs) -> Answer:
    """Return the answer that raw outputs mean; what was written is made text here."""
    if engine.task.head != "generate":
        return engine.reliability.answer(engine.task, scores, item)
    from tunesmith.runtime.writing import make_text_answer  # noqa: PLC0415 (imports torch)

    return make_text_answer(engine, scores, item)


def score(engine: Engine, inputs: Sequence[Inputs]) -> list[np.ndarray]:
    """Return the raw outputs of each input, in the shapes that `merge_windows` names.

    Recommendations are (k, 2), the best items and their scores.
    """
    if isinstance(engine.model, Members):
        from tunesmith.runtime.joining import mean_scores  # noqa: PLC0415 (it asks back here)

        return mean_scores(engine.model, inputs)
    if engine.asking is not None:
        from tunesmith.runtime.prompted import score_asked  # noqa: PLC0415 (imports torch)

        return score_asked(engine, inputs)
    if engine.task.head == "recommend":
        from tunesmith.runtime.rankings import rank_items  # noqa: PLC0415 (imports torch)

        return rank_items(engine, cast(Sequence[HistoryInput], inputs))
    windows = list(encode_windows(engine.tokenizer, inputs, engine.reading))
    return score_windows(engine, windows, inputs)


def score_windows(
    engine: Engine, windows: Sequence[Window], inputs: Sequence[Inputs]
) -> list[np.ndarray]:
    """Return what `score` does from windows that are encoded already.

    From a text without a word nothing is written: a decoder would go on with anything.
    """
    if engine.task.head == "generate":
        from tunesmith.runtime.writing import write_windows  # noqa: PLC0415 (imports torch)

        read = [window for window in windows if asked_text(inputs[window.row]).strip()]
        return write_windows(engine, read, rows=len(inputs))
    batches = _run(engine, windows, "logits")
    family, outputs = engine.task.head, len(engine.task.outputs())
    return merge_windows(batches, inputs, family=family, outputs=outputs)


def score_with_vectors(
    engine: Engine, windows: Sequence[Window], inputs: Sequence[Inputs]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return (C,) logits and (H,) vector of each input from one pass; for `classify` and `relate`.

    The vector of several windows is their mean by tokens, as the logits are.
    """
    outputs = len(engine.task.outputs())
    is_onnx = isinstance(engine.model, OnnxModel)
    size = engine.model.sizes["vectors"] if is_onnx else engine.model.linear.in_features
    joined = merge_windows(
        _run(engine, windows, "both"), inputs, family=engine.task.head, outputs=outputs + size
    )
    return [(row[:outputs], row[outputs:]) for row in joined]


def window_vectors(engine: Engine, windows: Sequence[Window]) -> np.ndarray:
    """Return (N, H) float32: what the head's linear layer sees, in the order of the windows.

    There is one row a window or, for word inputs, one for each word a window answers for.
    """
    windows = list(windows)  # the very same objects each time they are asked for
    place = {id(window): number for number, window in enumerate(windows)}
    by_window: list[np.ndarray] = [np.empty(0)] * len(windows)
    for batch, vectors in _run(engine, windows, "vectors"):
        counts = [window.answers for window in batch]
        for window, part in zip(batch, np.split(vectors, np.cumsum(counts)[:-1]), strict=True):
            by_window[place[id(window)]] = part
    return np.concatenate(by_window)


def text_vectors(engine: Engine, texts: Sequence[str]) -> np.ndarray:
    """Return (N, H): the vector of each text, the mean over its windows."""
    windows = list(encode_windows(engine.tokenizer, map(TextInput, texts), engine.reading))
    vectors = window_vectors(engine, windows)
    found = np.zeros((len(texts), vectors.shape[1]), dtype=np.float64)
    for window, vector in zip(windows, vectors, strict=True):
        found[window.row] += window.share * vector
    return found


def chunked(inputs: Iterable[Inputs]) -> Iterator[list[Inputs]]:
    """Yield lists of inputs, bounded in rows and in characters, so that memory is."""
    chunk: list[Inputs] = []
    characters = 0
    for item in inputs:
        if chunk and (len(chunk) == CHUNK_ROWS or characters + len(item.text) > CHUNK_CHARACTERS):
            yield chunk
            chunk, characters = [], 0
        chunk.append(item)
        characters += len(item.text)
    if chunk:
        yield chunk


def _run(
    engine: Engine, windows: Sequence[Window], output: Output
) -> Iterator[tuple[list[Window], np.ndarray]]:
    """Yield each batch of windows with what the model makes of it."""
    lengths = np.array([len(window.ids) for window in windows], dtype=np.int64)
    on_processor = engine.device is None or engine.device.type == "cpu"
    budget = BATCH_TOKENS if on_processor else GPU_BATCH_TOKENS
    kind = "onnx" if isinstance(engine.model, OnnxModel) else engine.precision
    start = START_TOKENS.get(kind) if on_processor else None
    with _computing(engine, output) as compute:
        for indices in plan_batches(lengths, batch_tokens=budget, start_tokens=start):
            chosen = [windows[index] for index in indices]
            yield chosen, compute(collate_arrays(chosen, pad_id=engine.tokenizer.pad_token_id))


def _computing(engine: Engine, output: Output) -> contextlib.AbstractContextManager[Compute]:
    if isinstance(engine.model, OnnxModel):
        model = engine.model
        return contextlib.nullcontext(lambda arrays: model.compute(arrays, output))
    from tunesmith.runtime.torch_model import computing  # noqa: PLC0415 (imports torch)

    return computing(engine.model, output, device=engine.device, precision=engine.precision)
