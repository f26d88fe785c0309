"""predict: what a bundle answers to texts, files and streams."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from tunesmith.core.answers import TextAnswer
from tunesmith.core.data_spec import Columns
from tunesmith.core.errors import SpecError
from tunesmith.core.events import Progress, Said, Warned, Wrote
from tunesmith.core.locations import BundleText, OptionalPathText
from tunesmith.core.operation import Operation
from tunesmith.core.recipe import DecodingRecipe
from tunesmith.core.reliability import Demands

if TYPE_CHECKING:
    from tunesmith.core.examples import Inputs
    from tunesmith.runtime.caching import AnswerCache
    from tunesmith.runtime.engine import Engine
    from tunesmith.runtime.judging import Judge
    from tunesmith.session import Session
    from tunesmith.store.bundles import Bundle

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


class PredictSpec(Demands):
    """Answer texts, a file or a stream with a bundle."""

    bundle: BundleText = Field(json_schema_extra={"positional": True})
    """The bundle's folder, the run's that holds it, or an alias (`@production`)."""

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

    stream: bool = False
    """Give `texts` that a model writes piece by piece, while it writes them."""

    engine: Literal["auto", "torch", "onnx"] = "auto"
    """What computes: auto takes a usable ONNX export of the bundle, else torch."""

    precision: Literal["auto", "fp32", "bf16", "int8"] = "auto"
    """Number format: auto is that of the export (int8 before fp32), and fp32 in torch."""

    threads: int | None = Field(None, ge=1)
    """Threads that compute; none takes one a core."""

    cache: int = Field(1024, ge=0)
    """Answers kept for inputs that come again; 0 keeps none."""

    decoding: DecodingRecipe = DecodingRecipe()
    """How a model that writes does it; what is not given is as it was tuned."""

    device: str = "auto"
    """Device that computes: auto, cpu, cuda, cuda:1."""

    overwrite: bool = False
    """Replace the file `out`."""


@dataclass(frozen=True, slots=True)
class PredictResult:
    """The answers, or the number of rows answered and the file that holds them.

    `engine` names what computed and in which number format; `cache_hits` counts the rows that
    were answered from the cache.
    """

    bundle: str
    fingerprint: str
    rows: int
    seconds: float
    predictions: tuple[dict[str, Any], ...]
    out: str | None
    engine: str = ""
    cache_hits: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON-ready fields."""
        return {
            "bundle": self.bundle,
            "fingerprint": self.fingerprint,
            "rows": self.rows,
            "seconds": round(self.seconds, 3),
            "predictions": list(self.predictions),
            "out": self.out,
            "engine": self.engine,
            "cache_hits": self.cache_hits,
        }


def run(spec: PredictSpec, session: Session) -> PredictResult:
    """Answer in order; streams are read, answered and written a chunk at a time."""
    from tunesmith.runtime.caching import AnswerCache

    if spec.texts and spec.data:
        raise SpecError(
            "`texts` and `data` must not be given together", hint="leave out the texts or --data"
        )
    bundle = session.workspace.bundle(spec.bundle)
    if spec.stream:
        return _run_stream(spec, session, bundle)
    cache = AnswerCache(spec.cache)
    with _answering(spec, session, bundle) as (engine, name):
        started = time.perf_counter()
        judge = _judge(spec, session, engine)
        rows = _answer_rows(engine, _inputs(spec, engine), cache, judge, all_scores=spec.all_scores)
        kept = tuple(rows) if spec.out is None else ()
        count = len(kept) if spec.out is None else _write(spec, session, rows)
        seconds = time.perf_counter() - started
    return PredictResult(
        bundle=str(bundle.path),
        fingerprint=bundle.fingerprint,
        rows=count,
        seconds=seconds,
        predictions=kept,
        out=spec.out,
        engine=name,
        cache_hits=cache.hits,
    )


def stream_pieces(spec: PredictSpec, session: Session) -> Generator[str]:
    """Yield the answer to the only text of `spec`, piece by piece, while it is written."""
    with _answering(spec, session, session.workspace.bundle(spec.bundle)) as (engine, _):
        (item,) = _streamed_inputs(spec, engine)
        yield from _pieces(engine, item)


def _run_stream(spec: PredictSpec, session: Session, bundle: Bundle) -> PredictResult:
    """Tell each text while it is written, then return all."""
    from tunesmith.runtime.writing import count_unread_tokens

    with _answering(spec, session, bundle) as (engine, name):
        started = time.perf_counter()
        written = []
        for item in _streamed_inputs(spec, engine):
            text = ""
            for piece in _pieces(engine, item):
                text += piece
                session.emit(Wrote(piece))
            session.emit(Wrote("\n"))
            reply = TextAnswer(text, unread=count_unread_tokens(engine, item))
            written.append({**engine.task.input_fields(item), **reply.to_json()})
        seconds = time.perf_counter() - started
    return PredictResult(
        bundle=str(bundle.path),
        fingerprint=bundle.fingerprint,
        rows=len(written),
        seconds=seconds,
        predictions=tuple(written),
        out=None,
        engine=name,
    )


def _pieces(engine: Engine, item: Inputs) -> Iterator[str]:
    from tunesmith.runtime.replies import stream_text

    with contextlib.closing(stream_text(engine, item)) as pieces:
        yield from pieces


def _streamed_inputs(spec: PredictSpec, engine: Engine) -> list[Inputs]:
    """Return the inputs of a streamed request. Raises `SpecError` where it cannot be one."""
    if engine.task.head != "generate":
        raise SpecError(
            f"`stream` is for models that write; this bundle is for {engine.task.kind}",
            hint="leave out --stream",
        )
    if not spec.texts or spec.out is not None:
        raise SpecError(
            "`stream` must be given texts, and no file for answers",
            hint=f'tunesmith predict {spec.bundle} "TEXT" --stream',
        )
    return [engine.task.inputs_of(text) for text in spec.texts]


@contextlib.contextmanager
def _answering(spec: PredictSpec, session: Session, bundle: Bundle) -> Iterator[tuple[Engine, str]]:
    """Give what `open_engine` does, the engine one that tells of strangers as `spec` asks."""
    from tunesmith.runtime.judging import asked_of

    with open_engine(spec, session, bundle) as (engine, name):
        yield asked_of(engine, spec), name


@contextlib.contextmanager
def open_engine(
    spec: PredictSpec, session: Session, bundle: Bundle
) -> Iterator[tuple[Engine, str]]:
    """Give the engine that answers and its name, with the threads that were asked for.

    An ONNX engine needs neither torch nor transformers, and imports neither.
    """
    from tunesmith.runtime.choosing import choose_engine
    from tunesmith.runtime.loading import load_engine, load_onnx_engine, with_decoding

    choice = choose_engine(bundle, engine=spec.engine, precision=spec.precision, device=spec.device)
    session.emit((Warned if choice.is_second_best else Said)(str(choice)))
    if choice.export is not None:
        engine = load_onnx_engine(bundle, choice.export, threads=spec.threads)
        yield with_decoding(engine, spec.decoding), f"onnx {choice.precision}"
        return
    from tunesmith.model.device import threads

    precision = _computable(choice.precision, session)
    with threads(spec.threads):
        engine = load_engine(bundle, device=session.device, precision=precision)
        yield with_decoding(engine, spec.decoding), f"torch {precision}"


def _computable(precision: str, session: Session) -> str:
    """Return `precision`, or fp32 where the device does not multiply in it; say so then."""
    from tunesmith.model.device import choose_precision

    best = choose_precision("auto", session.device)
    if precision == "bf16" and best.value != "bf16":
        session.emit(Warned(f"answering in fp32, not bf16: {best.reason}"))
        return "fp32"
    return precision


def _judge(spec: PredictSpec, session: Session, engine: Engine) -> Judge:
    """Return what tells of each answer whether it holds; say what its reader must know."""
    from tunesmith.runtime.judging import make_judge

    judge = make_judge(spec, engine.task, engine.reliability)
    for warning in judge.sets.warnings if judge.sets else ():
        session.emit(Warned(warning))
    if judge.promise is not None:
        session.emit(Said(judge.promise.told()))
    return judge


def _inputs(spec: PredictSpec, engine: Engine) -> Iterable[Inputs]:
    """Return the inputs to answer."""
    if spec.texts:
        return map(engine.task.inputs_of, spec.texts)
    from tunesmith.operations.reading import stream_for

    source = spec.data or "-"
    examples = stream_for(engine.task, source, columns=spec.column, kind=spec.format)
    return (example.inputs for example in examples)


def _write(spec: PredictSpec, session: Session, rows: Iterable[dict[str, Any]]) -> int:
    """Write the answers where `out` says, and return how many there were."""
    from tunesmith.data.writing import open_writer

    count = 0
    read = [spec.data] if spec.data else []
    with open_writer(str(spec.out), overwrite=spec.overwrite, inputs=read) as writer:
        for count, row in enumerate(rows, start=1):
            writer.write(row)
            if count % PROGRESS_ROWS == 0:
                session.emit(Progress("answering", count, None))
    return count


def _answer_rows(
    engine: Engine, inputs: Iterable[Inputs], cache: AnswerCache, judge: Judge, *, all_scores: bool
) -> Iterator[dict[str, Any]]:
    """Yield `{…inputs, …answer}` for each row, holding one chunk of them at a time."""
    from tunesmith.runtime.caching import answer_cached

    waiting: deque[Inputs] = deque()

    def noted() -> Iterator[Inputs]:
        for item in inputs:
            waiting.append(item)
            yield item

    for reply in answer_cached(engine, noted(), cache):
        given = engine.task.input_fields(waiting.popleft())
        yield {**given, **reply.to_json(all_scores=all_scores), **judge.fields(reply)}


OPERATION = Operation(
    "predict",
    "Answer texts, a file or a stream with a bundle.",
    PredictSpec,
    PredictResult,
    run,
)
