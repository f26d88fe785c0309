"""predict: what a bundle answers to texts, files and streams."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from tunesmith.core.data_spec import Columns, OptionalPathText, PathText
from tunesmith.core.errors import SpecError
from tunesmith.core.events import Progress
from tunesmith.core.operation import Operation
from tunesmith.core.spec import Spec

if TYPE_CHECKING:
    from tunesmith.runtime.engine import Engine
    from tunesmith.session import Session

PROGRESS_ROWS = 1000


def _require_unicode(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse half a character: the byte of another encoding that a terminal handed on."""
    for number, text in enumerate(texts, start=1):
        try:
            text.encode()
        except UnicodeEncodeError as error:
            part = text[max(0, error.start - 10) : error.end + 10]
            raise ValueError(f"each text must be UTF-8; text {number} has {part!r}") from error
    return texts


Texts = Annotated[
    tuple[str, ...],
    BeforeValidator(lambda value: (value,) if isinstance(value, str) else value),
    AfterValidator(_require_unicode),
]


class PredictSpec(Spec):
    """Answer texts, a file or a stream with a bundle."""

    bundle: PathText = Field(json_schema_extra={"positional": True})
    """The bundle's folder, or the run's that holds it."""

    texts: Texts = Field((), json_schema_extra={"positional": True})
    """Texts to answer; none reads `data`, or standard input."""

    data: OptionalPathText = None
    """Rows to answer: JSONL, CSV, TSV, Parquet or CoNLL, of any size; `-` is standard input."""

    out: OptionalPathText = None
    """File for the answers (.jsonl, .csv, .tsv), or `-` for JSONL on standard output; none gives
    them in the result, or as JSONL where the command line reads rows without `--json`."""

    column: Columns
    """`ROLE=NAME`: the column that holds a role; those of the tuning are remembered."""

    format: Literal["auto", "text", "jsonl", "csv", "tsv", "conll"] = "auto"
    """Format of standard input; auto tells JSONL from one text a line."""

    all_scores: bool = False
    """Give every label's probability (for entities: every word's tag)."""

    device: str = "auto"
    """Device that computes: auto, cpu, cuda, cuda:1."""

    overwrite: bool = False
    """Replace the file `out`."""


@dataclass(frozen=True, slots=True)
class PredictResult:
    """The answers, or the number of rows answered and the file that holds them."""

    bundle: str
    fingerprint: str
    rows: int
    seconds: float
    predictions: tuple[dict[str, Any], ...]
    out: str | None

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON-ready fields."""
        return {
            "bundle": self.bundle,
            "fingerprint": self.fingerprint,
            "rows": self.rows,
            "seconds": round(self.seconds, 3),
            "predictions": list(self.predictions),
            "out": self.out,
        }


def run(spec: PredictSpec, session: Session) -> PredictResult:
    """Answer in order; streams are read, answered and written a chunk at a time."""
    from tunesmith.data.writing import open_writer
    from tunesmith.operations.reading import stream_for
    from tunesmith.runtime.loading import load_engine
    from tunesmith.store.bundles import read_bundle

    if spec.texts and spec.data:
        raise SpecError(
            "`texts` and `data` must not be given together", hint="leave out the texts or --data"
        )
    bundle = read_bundle(spec.bundle)
    engine = load_engine(bundle, device=session.device)
    started = time.perf_counter()
    if spec.texts:
        pairs: Iterable = ((text, engine.task.inputs_of(text)) for text in spec.texts)
    else:
        source = spec.data or "-"
        examples = stream_for(engine.task, source, columns=spec.column, kind=spec.format)
        pairs = ((example.inputs.text, example.inputs) for example in examples)
    if spec.out is None:
        rows = tuple(_answer_rows(engine, pairs, spec.all_scores))
        seconds = time.perf_counter() - started
        return PredictResult(str(bundle.path), bundle.fingerprint, len(rows), seconds, rows, None)
    count = 0
    with open_writer(
        spec.out, overwrite=spec.overwrite, inputs=[spec.data] if spec.data else []
    ) as writer:
        for count, row in enumerate(_answer_rows(engine, pairs, spec.all_scores), start=1):
            writer.write(row)
            if count % PROGRESS_ROWS == 0:
                session.emit(Progress("answering", count, None))
    seconds = time.perf_counter() - started
    return PredictResult(str(bundle.path), bundle.fingerprint, count, seconds, (), spec.out)


def _answer_rows(
    engine: Engine, pairs: Iterable[tuple[str, Any]], all_scores: bool
) -> Iterator[dict[str, Any]]:
    """Yield `{"text", …answer}` for each (text, inputs), holding one chunk of texts at a time."""
    from tunesmith.runtime.engine import answer

    waiting: deque[str] = deque()

    def inputs() -> Iterator[Any]:
        for text, item in pairs:
            waiting.append(text)
            yield item

    for reply in answer(engine, inputs()):
        yield {"text": waiting.popleft(), **reply.to_json(all_scores=all_scores)}


OPERATION = Operation(
    "predict",
    "Answer texts, a file or a stream with a bundle.",
    PredictSpec,
    PredictResult,
    run,
)
