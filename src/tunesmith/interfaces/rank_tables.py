"""A ranking of models as a person reads it in a terminal: a table, who is tied, what comes next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from tunesmith.core.measures import Measure
from tunesmith.core.units import show_bytes
from tunesmith.interfaces.terminal import visible
from tunesmith.operations.zoo import ZooResult

SHARES = {
    "logme": "LogME",
    "h_score": "H-score",
    "neighbours": "kNN",
    "probe": "probe",
    "cosine": "cosine",
}
"""What each estimate is called above its column."""

WIDE_COLUMNS = 110


def show_ranking(console: Any, result: ZooResult) -> None:
    """Print the models of `zoo rank`, the most promising first.

    A wide terminal has a column for each estimate.
    """
    details, lines = result.details, result.models
    is_wide = console.width >= WIDE_COLUMNS
    names = [name for name in SHARES if is_wide and name in lines[0]["shares"]]
    table = Table(box=box.SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("model", overflow="fold", min_width=12)
    for column in ("score", *(SHARES[name] for name in names), "a row", "memory", "on disk"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("", overflow="fold")
    for line in lines:
        cells = [Text(visible(cell)) for cell in _cells(line, names)]
        table.add_row(*cells, style="bold" if line["place"] == 1 else "")
    rows = f"{details['rows']:,} of {details['train_rows']:,} training rows"
    console.say(f"{details['data']}: {details['task']}, {rows}", style="italic")
    console.print(table)
    for text in _sentences(lines, details):
        console.say(text)
    console.say(f"\nNext:\n  {details['next']}")


def _cells(line: Mapping[str, Any], names: list[str]) -> Iterator[str]:
    low, high = line["place_low"], line["place_high"]
    yield "–" if low is None else str(low) if low == high else f"{low}–{high}"
    yield line["model"]
    yield f"{line['score']:.3f} ±{(line['score_high'] - line['score_low']) / 2:.3f}"
    yield from (f"{line['shares'][name]:.3f}" for name in names)
    yield f"{line['latency_ms']:.1f} ms"
    yield "–" if line["memory_gb"] is None else f"{line['memory_gb']:.2f} GB"
    yield show_bytes(line["disk_bytes"])
    yield line["state"] or ("tied" if line["is_tied"] else "")


def _sentences(lines: tuple[dict[str, Any], ...], details: Mapping[str, Any]) -> Iterator[str]:
    placed = [line for line in lines if line["place"] is not None]
    tied = [line["model"] for line in placed if line["is_tied"]]
    if not placed:
        yield "No model keeps within the limits."
    elif len(tied) > 1:
        yield f"Sure     {', '.join(tied)} cannot be told apart on these rows."
    elif len(placed) > 1:
        yield f"Sure     {tied[0] if tied else placed[0]['model']} stands before all others (95 %)."
    for line in lines:
        if line["nce"]["ratio"] is not None:
            yield (
                f"NCE      {line['model']}: its own labels tell {line['nce']['ratio']:.1%} of yours"
            )
    if not any(line["nce"]["ratio"] is not None for line in lines):
        yield f"NCE      none: {lines[0]['nce']['why']}"
    for known in (line["measured"] for line in lines if line["measured"]):
        score = Measure(known["value"], known["unit"], known["count"], known["low"], known["high"])
        yield (
            f"Measured {known['model']}, {known['method']}: {known['measure']} {score} "
            f"on {known['split']} ({known['count']:,})"
        )
    for left in details["left_out"]:
        yield f"Left out {left['model']}: {left['why']}"
