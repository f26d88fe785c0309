"""The command line: flags from specs, results as tables or JSON, errors as exit statuses.

It holds no domain logic; `operations` does the work.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import shlex
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import typer
import yaml
from typer.core import TyperGroup

from tunesmith.core.errors import InterruptedRunError, SpecError, TunesmithError
from tunesmith.core.events import Event, Warned, Wrote
from tunesmith.core.locations import paths_in
from tunesmith.core.operation import Operation
from tunesmith.core.spec import Spec, build_spec
from tunesmith.interfaces.flags import flags_of, only, settings_argument, settings_from
from tunesmith.interfaces.terminal import visible
from tunesmith.operations import OPERATIONS, execute, was_interrupted, wrap_failure
from tunesmith.operations.predict import PredictSpec

USAGE_ERROR: type[Exception] = typer.BadParameter.__mro__[1]
"""What typer raises for words it cannot parse; typer does not export it."""


class Verbs(TyperGroup):
    """The group of verbs: what it cannot parse leaves like every other error, as JSON too."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Note which form of answer is wanted before a word is parsed."""
        ctx.meta["as_json"], ctx.meta["debug"] = "--json" in args, "--debug" in args
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the verb."""
        with _reporting(as_json=ctx.meta["as_json"], debug=ctx.meta["debug"]):
            try:
                return super().invoke(ctx)
            except USAGE_ERROR as error:
                where = getattr(error, "ctx", None) or ctx
                message = error.format_message()  # type: ignore[attr-defined]
                hint = f"{where.command_path} --help"
                raise SpecError(message.rstrip("."), hint=hint) from None


app = typer.Typer(
    name="tunesmith",
    cls=Verbs,
    help="Adapt a pretrained language model to your task, prove what it can do, keep it good.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

SET = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Any setting of the spec; may be repeated."),
]
JSON = Annotated[bool, typer.Option("--json", help="Print one JSON result on standard output.")]
PRINT_SPEC = Annotated[
    bool, typer.Option("--print-spec", help="Print the complete spec as YAML and stop.")
]
DEBUG = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
COMMON = {"set_": SET, "json_": JSON, "print_spec": PRINT_SPEC, "debug": DEBUG}
COMMON_DEFAULTS = {"set_": None, "json_": False, "print_spec": False, "debug": False}


def main() -> None:
    """Run the command line, and leave with 0 or the exit status of the error met.

    A reader that closes our output early (`| head`) is no error.
    """
    try:
        app()
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted.\n")
        sys.exit(InterruptedRunError.exit_status)
    except BrokenPipeError:
        _silence_output()
        sys.exit(0)


def _make_command(operation: Operation) -> Callable:
    flags = flags_of(operation.spec)

    def command(**given: Any) -> None:
        common = {name: given.pop(name) for name in COMMON}
        settings = settings_from(operation.spec, given, common["set_"] or [])
        argument = settings_argument(operation.spec, given)
        where = f"{only(given[argument])}, command line" if argument else "command line"
        spec = build_spec(operation.spec, settings, where=where)
        if common["print_spec"]:
            _print_spec(spec, as_json=common["json_"])
        else:
            _run(operation, spec, as_json=common["json_"])

    parameters = [flag.parameter for flag in flags]
    parameters += [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=COMMON_DEFAULTS[name],
            annotation=annotation,
        )
        for name, annotation in COMMON.items()
    ]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    command.__doc__ = operation.spec.__doc__
    return command


def _print_spec(spec: Spec, *, as_json: bool) -> None:
    fields = spec.model_dump(mode="json")
    if as_json:
        typer.echo(json.dumps(fields, ensure_ascii=False))
    else:
        typer.echo(yaml.safe_dump(fields, sort_keys=False, allow_unicode=True), nl=False)


def _streamed(spec: Spec, *, as_json: bool) -> Spec:
    """Return the spec with the answers to rows bound for standard output, unless JSON goes there.

    Raises `SpecError` where both want it.
    """
    if not isinstance(spec, PredictSpec):
        return spec
    if as_json and spec.out == "-":
        raise SpecError(
            "`--json` and `--out -` must not be given together: both write to standard output",
            hint="leave out one of them",
        )
    if as_json and spec.stream:
        raise SpecError(
            "`--json` and `--stream` must not be given together: both write to standard output",
            hint="leave out one of them",
        )
    if as_json or spec.texts or spec.stream or spec.out is not None:
        return spec
    return spec.model_copy(update={"out": "-"})


def _notes_on(spec: Spec) -> Iterator[Warned]:
    """Yield a note where a text to answer is the name of a file here: its rows are not answered."""
    for text in spec.texts if isinstance(spec, PredictSpec) else ():
        if any(map(os.path.isfile, paths_in(text))):
            yield Warned(f"`{text}` is answered as a text; its rows: --data {shlex.quote(text)}")


def _printing_pieces(listener: Callable[[Event], None]) -> Callable[[Event], None]:
    """Return a listener that prints what is being written at once, and hands on all else."""

    def tell(event: Event) -> None:
        if not isinstance(event, Wrote):
            listener(event)
            return
        typer.echo(visible(event.text), nl=False)
        sys.stdout.flush()

    return tell


def _run(operation: Operation, spec: Spec, *, as_json: bool) -> None:
    from tunesmith.interfaces.progress import listening  # noqa: PLC0415 (rich; not for `--help`)
    from tunesmith.session import Session  # noqa: PLC0415

    spec = _streamed(spec, as_json=as_json)
    with listening() as listener:
        tell = _printing_pieces(listener)
        for note in _notes_on(spec):
            tell(note)
        session = Session(device=getattr(spec, "device", "auto"), listener=tell)
        result = execute(operation.name, spec, session=session)
    if as_json:
        typer.echo(json.dumps(result.to_json(), ensure_ascii=False))
    elif not getattr(spec, "stream", False):  # what was streamed is printed already
        from tunesmith.interfaces.tables import show  # noqa: PLC0415 (rich; not for `--help`)

        show(result)
    status = getattr(result, "exit_status", 0)
    if status:
        raise typer.Exit(status)


@contextlib.contextmanager
def _reporting(*, as_json: bool, debug: bool) -> Iterator[None]:
    """Turn whatever fails into words on standard error and an exit status.

    With `as_json` standard output gets them as JSON too; `debug` adds the traceback. A reader that
    closed our output early (`| head`) is no failure.
    """
    try:
        yield
    except (typer.Exit, typer.Abort):
        raise
    except BrokenPipeError:
        _silence_output()
        raise typer.Exit from None
    except (Exception, KeyboardInterrupt) as failure:
        if debug:
            traceback.print_exc()
        error = _our_error(failure)
        if as_json:
            _print(json.dumps(error.to_json(), ensure_ascii=False))
        _print(visible(f"Error: {error}"), to_errors=True)
        raise typer.Exit(error.exit_status) from None


def _our_error(failure: BaseException) -> TunesmithError:
    if isinstance(failure, TunesmithError):
        return failure
    if was_interrupted(failure):
        return InterruptedRunError("the work was stopped", hint="type the same command again")
    return wrap_failure(failure)


def _print(text: str, *, to_errors: bool = False) -> None:
    """Print where that is possible: an error stays one when nobody can read of it."""
    try:
        typer.echo(text, err=to_errors)
    except OSError:
        _silence_output()


def _silence_output() -> None:
    """Send what is still to be written nowhere, so that leaving does not fail on it."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


for _operation in OPERATIONS.values():
    app.command(name=_operation.name, help=_operation.summary)(_make_command(_operation))
