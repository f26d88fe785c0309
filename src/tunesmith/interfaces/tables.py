"""Results as a person reads them in a terminal. One function a kind of result."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from functools import singledispatch
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tunesmith.core.measures import Measure
from tunesmith.interfaces import zoo_tables
from tunesmith.interfaces.predictions import show_prediction
from tunesmith.interfaces.rank_tables import show_ranking
from tunesmith.interfaces.run_tables import show_runs
from tunesmith.interfaces.terminal import visible
from tunesmith.operations.check import CheckResult
from tunesmith.operations.env import EnvResult
from tunesmith.operations.evaluate import EvaluateResult
from tunesmith.operations.export import ExportResult
from tunesmith.operations.fit import FitResult
from tunesmith.operations.plan import PlanResult
from tunesmith.operations.predict import PredictResult
from tunesmith.operations.pretrain import PretrainResult
from tunesmith.operations.prompt import PromptResult
from tunesmith.operations.runs import RunsResult
from tunesmith.operations.zoo import ZooResult

SHOWN_CLASSES = 30
STYLES = {"fault": "bold red", "warning": "yellow", "note": "dim"}


class _PlainConsole(Console):
    """A console that lets the command line judge a reader who left; rich would end the process."""

    def on_broken_pipe(self) -> None:
        """Hand on the failure."""
        raise BrokenPipeError

    def say(self, text: str, *, style: str = "") -> None:
        """Print text as it stands: a line is never broken, and nothing in it is obeyed."""
        self.print(_plain(text, style=style), soft_wrap=True)


def _console() -> _PlainConsole:
    return _PlainConsole(highlight=False, soft_wrap=False, markup=False, emoji=False)


@singledispatch
def show(result: Any) -> None:
    """Print a result on standard output."""
    _console().print_json(json.dumps(result.to_json(), ensure_ascii=False))


@show.register
def _(result: CheckResult) -> None:
    console = _console()
    rows = ", ".join(f"{name} {count:,}" for name, count in result.rows.items() if count)
    console.say(f"{result.data}: {rows} rows", style="italic")
    table = Table(box=box.SIMPLE)
    for column in ("", "check", "found"):
        table.add_column(column, overflow="fold")
    for finding in result.findings:
        text = _plain(finding["message"])
        if finding["places"]:
            text.append(_plain("\n" + ", ".join(finding["places"][:5]), style="dim"))
        severity = finding["severity"]
        table.add_row(Text(severity, style=STYLES[severity]), finding["name"], text)
    console.print(table)
    faults = sum(finding["severity"] == "fault" for finding in result.findings)
    if faults:
        console.print(f"{faults} fault(s): `fit` would refuse these rows.", style="bold red")
    else:
        console.print("No hard fault: `fit` would accept these rows.")


@show.register
def _(result: PlanResult) -> None:
    console, plan = _console(), result.plan
    console.say(f"\n{plan['data']}: {plan['rows']:,} rows, {plan['measure']}", style="bold")
    table = Table(box=box.SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("method", no_wrap=True)
    for column in ("rows", "measured", "on all rows", "tuning", "a text", "memory"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("", overflow="fold")
    for step in plan["ladder"]:
        is_choice = step["method"] == plan["choice"]
        table.add_row(
            *_plan_cells(step),
            Text("chosen" if is_choice else step["state"], style="" if is_choice else "dim"),
            style="bold" if is_choice else "",
        )
    console.print(table)
    console.say(f"Choice  {plan['choice']}: {plan['reason']}")
    for name in ("next_labels", "doubled"):
        worth = plan[name]
        gain, low, high = (f"{100 * worth[part]:+.1f}" for part in ("gain", "low", "high"))
        console.say(f"Worth   the next {worth['rows']:,} labels: {gain} points [{low}, {high}]")
    for crossing in plan["crossings"]:
        console.say(f"Later   {crossing['method']} overtakes it at about {crossing['rows']:,} rows")
    console.say(f"Page    {result.folder}/plan.html\n")
    console.say(f"Next:\n  {result.next_command}")


def _plan_cells(step: Mapping[str, Any]) -> list[str]:
    latency, memory = step["latency_ms"], step["memory_gb"]
    return [
        step["method"],
        f"{step['rows']:,}",
        f"{step['score']:.3f} ±{(step['high'] - step['low']) / 2:.3f}",
        f"{step['expected']:.3f} ±{(step['expected_high'] - step['expected_low']) / 2:.3f}",
        f"{step['seconds']:.0f} s",
        "–" if latency is None else f"{latency:.0f} ms",
        "–" if memory is None else f"{memory:.1f} GB",
    ]


@show.register
def _(result: FitResult) -> None:
    console = _console()
    _print_report(console, result.report)
    console.say(f"Bundle  {result.bundle}")
    console.say(f"Report  {result.bundle}/report.html")
    for name, (bundle, report) in result.also.items():
        shown = ((measure, report["measures"][measure]) for measure in report["headline"])
        figures = ", ".join(f"{measure} {Measure.from_json(fields)}" for measure, fields in shown)
        console.say(f"Also    {name}: {figures}\n        {bundle}")
    console.say(f"Took    {result.seconds:.1f} s\n")
    console.say("Next:")
    for command in result.next_commands:
        console.say(f"  {command}")


@show.register
def _(result: EvaluateResult) -> None:
    console = _console()
    _print_report(console, result.report)
    if result.out:
        console.say(f"Report  {result.out}/report.html")


@show.register
def _(result: PredictResult) -> None:
    console = _console()
    for prediction in result.predictions:
        console.print(show_prediction(prediction), soft_wrap=True)
    if result.out and result.out != "-":
        speed = result.rows / max(result.seconds, 1e-9)
        console.say(f"{result.rows:,} rows answered into {result.out} ({speed:,.0f} rows/s)")


@show.register
def _(result: ExportResult) -> None:
    console = _console()
    parity = result.parity
    if result.form == "hub-folder":
        console.say(f"Folder  {result.file}  ({result.bytes / 1e6:.1f} MB)")
        console.say(f"Push    hf upload OWNER/NAME {shlex.quote(result.file)}")
        return
    for step, cost in result.pruned.items():
        console.say(
            f"Pruned  {step}: {cost['measure']} {cost['source']:.4f} to {cost['pruned']:.4f}, "
            f"{cost['agreement']:.2%} of answers equal, on {cost['rows']:,} rows"
        )
    console.say(f"Export  {result.bundle}/{result.file}")
    share = result.bytes / max(result.source_bytes, 1)
    console.say(f"Size    {result.bytes / 1e6:.1f} MB, {share:.0%} of the weights")
    console.say(
        f"Parity  {parity['agreement']:.2%} of {parity['decisions']:,} decisions equal, "
        f"probabilities within {parity['largest_difference']:.2g}"
    )
    if score := parity["score"]:
        console.say(
            f"Score   {score['measure']} {score['source']:.4f} to {score['export']:.4f} "
            f"on {score['rows']:,} rows of {score['data']}"
        )


@show.register
def _(result: PretrainResult) -> None:
    console = _console()
    console.say(f"\n{result.report['title']}: held-out text", style="bold")
    for name, measure in result.measures.items():
        style = "bold" if name in result.report["headline"] else "dim"
        console.say(f"  {name:<22}{measure} {measure.unit}  n={measure.count:,}", style=style)
    if sample := next(iter(result.report["samples"]), None):
        console.say("Sample")
        for name, value in sample.items():
            text = " ".join(value) if isinstance(value, list) else str(value)
            console.say(f"  {name:<10}{' '.join(text.split())[:200]}", style="dim")
    for note in result.report["notes"]:
        console.say(f"Note: {note}", style="yellow")
    console.say(f"\nBackbone  {result.backbone}")
    console.say(f"Report    {result.backbone}/pretraining.md")
    console.say(f"Took      {result.seconds:.1f} s\n")
    console.say("Next:")
    for command in result.next_commands:
        console.say(f"  {command}")


@show.register
def _(result: PromptResult) -> None:
    console = _console()
    _print_report(console, result.report)
    console.say(f"Prompt      {result.template!r}, best of {result.tried}")
    console.say(f"Bundle      {result.bundle}")
    console.say(f"Report      {result.bundle}/report.html")
    console.say(f"Transcript  {result.transcript}")
    console.say(f"Took        {result.seconds:.1f} s\n")
    console.say("Next:")
    for command in result.next_commands:
        console.say(f"  {command}")


@show.register
def _(result: RunsResult) -> None:
    show_runs(_console(), result.action, result.fields)


@show.register
def _(result: ZooResult) -> None:
    console = _console()
    if result.action == "rank":
        show_ranking(console, result)
        return
    if result.action != "list":
        for line in zoo_tables.lines_of(result):
            console.say(line)
        return
    table = Table(box=box.SIMPLE, padding=(0, 1, 0, 0))
    for column in zoo_tables.COLUMNS:
        is_number = column in ("weights", "download")
        table.add_column(
            column,
            overflow="fold",
            justify="right" if is_number else "left",
            no_wrap=column not in ("id", "licence"),
        )
    for row in zoo_tables.list_rows(result.models):
        table.add_row(*map(_plain, row))
    console.print(table)
    console.say(f"{len(result.models)} models. One of them: tunesmith zoo show ID")


@show.register
def _(result: EnvResult) -> None:
    table = Table(box=box.SIMPLE, show_header=False)
    table.add_row("system", f"{result.system}, {result.cores} cores")
    table.add_row("device", result.device)
    table.add_row("number format", result.precision)
    table.add_row("workspace", _plain(result.workspace))
    table.add_row("packages", ", ".join(f"{name} {v}" for name, v in result.packages.items()))
    extras = [name if there else f"{name} (not installed)" for name, there in result.extras.items()]
    table.add_row("extras", ", ".join(extras))
    _console().print(table)


def _print_report(console: _PlainConsole, report: Mapping[str, Any]) -> None:
    data = report["data"]
    console.say(f"\n{report['title']}: {data['rows']:,} rows ({data['split']})", style="bold")
    width = max(map(len, report["measures"])) + 2
    for name, fields in report["measures"].items():
        style = "bold" if name in report["headline"] else "dim"
        measure = Measure.from_json(fields)
        console.say(f"  {name:<{width}}{measure}  n={measure.count:,}", style=style)
    if report["classes"]:
        _print_classes(console, report["classes"])
    for note in report["notes"]:
        console.say(f"Note: {note}", style="yellow")
    console.print()


def _print_classes(console: Console, classes: Sequence[Mapping[str, Any]]) -> None:
    weakest = sorted(classes, key=lambda score: (score["f1"], -score["support"]))
    title = "per class, weakest first"
    if len(weakest) > SHOWN_CLASSES:
        title += f" ({SHOWN_CLASSES} of {len(weakest)}; the report has all)"
    table = Table(title=title, box=box.SIMPLE, title_justify="left", title_style="dim")
    table.add_column("label", overflow="fold")
    for column in ("precision", "recall", "F1", "n"):
        table.add_column(column, justify="right")
    for score in weakest[:SHOWN_CLASSES]:
        ratios = [f"{score[key]:.3f}" for key in ("precision", "recall", "f1")]
        table.add_row(_plain(score["label"]), *ratios, f"{score['support']:,}")
    console.print(table)


def _plain(text: str, *, style: str = "") -> Text:
    return Text(visible(text), style=style)
