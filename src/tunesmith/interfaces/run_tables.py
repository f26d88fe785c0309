"""What `runs` found or did, as a person reads it: one function an action."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from tunesmith.core.measures import Measure
from tunesmith.interfaces.terminal import visible

SHOWN_DIGITS = 12


def show_runs(console: Any, action: str, fields: Mapping[str, Any]) -> None:
    """Print the result of `runs ACTION` on a console that can `say` a line as it stands."""
    _SHOWN.get(action, _changed)(console, fields)


def _list(console: Any, fields: Mapping[str, Any]) -> None:
    if not fields["runs"]:
        console.print(
            "No such run is recorded. Begin with: tunesmith fit DATA --task classification"
        )
        return
    table = Table(box=box.SIMPLE)
    for column in ("run", "verb", "status", "started (UTC)"):
        table.add_column(column, no_wrap=True)
    called = [_called(run) for run in fields["runs"]]
    for column in ("out", "result", *(["name, tags"] if any(called) else [])):
        table.add_column(column, overflow="fold")
    for run, own in zip(fields["runs"], called, strict=True):
        started = run["started"][5:16].replace("T", " ")
        words = (run["id"], run["operation"], run["status"], started, run["out"], _headline(run))
        table.add_row(*(_plain(word or "") for word in (*words, own)[: len(table.columns)]))
    console.print(table)


def _show(console: Any, fields: Mapping[str, Any]) -> None:
    for run in fields["runs"]:
        console.print_json(json.dumps(run, ensure_ascii=False))
    for made in fields.get("lineage", ()):
        tree = Tree(_node(made))
        for key, words in (("parents", "made from"), ("children", "became")):
            _grow(tree, made.get(key, ()), key=key, words=words)
        console.print(tree, soft_wrap=True)


def _grow(tree: Tree, nodes: Sequence[Mapping[str, Any]], *, key: str, words: str) -> None:
    for node in nodes:
        branch = tree.add(_plain(f"{words} ") + _node(node))
        _grow(branch, node.get(key, ()), key=key, words=words)


def _node(node: Mapping[str, Any]) -> Text:
    path = _near(node["path"]) if node["path"] else "not recorded here"
    gone = "" if node["is_there"] or node["path"] is None else " (gone)"
    run = f" run {node['run']}" if node["run"] else ""
    names = "".join(f" {alias}" for alias in node["aliases"])
    return _plain(f"{node['kind']} {path}{gone} {node['fingerprint'][:SHOWN_DIGITS]}{run}{names}")


def _changed(console: Any, fields: Mapping[str, Any]) -> None:
    for run in fields["runs"]:
        console.say(f"Run   {run['id']} {run['operation']}, {run['status']}")
        for title, value in (("Name", run["name"]), ("Tags", _tags(run)), ("Note", run["note"])):
            if value:
                console.say(f"{title}  {value}")


def _compare(console: Any, fields: Mapping[str, Any]) -> None:
    for side in ("a", "b"):
        own = fields[side]
        console.say(
            f"{side.upper()}  {own['name']}: {own['model']}, {own['method']}, "
            f"{fields['measure']} {own['value']:.3f}"
        )
    console.say(fields["sentence"], style="bold")
    console.say(
        f"By {fields['by']}, {fields['data']}; p = {fields['p_value']:.3f}, "
        f"{fields['replicates']:,} resamples",
        style="dim",
    )
    console.say(fields["source"], style="dim")
    for note in fields["notes"]:
        console.say(f"Note: {note}", style="yellow")
    if fields["out"]:
        console.say(f"Page  {fields['out']}/compare.html")


def _leaderboard(console: Any, fields: Mapping[str, Any]) -> None:
    for board in fields["boards"]:
        better = "lower is better" if board["lower_is_better"] else "higher is better"
        names = ", ".join(board["names"])
        console.say(
            f"\n{board['measure']} ({better}), {board['task']}, "
            f"n={board['rows'][0]['count']:,}, rows {board['data_sha256'][:SHOWN_DIGITS]}: {names} "
            f"({board['split']})",
            style="bold",
        )
        table = Table(box=box.SIMPLE)
        for column in ("", "score"):
            table.add_column(column, justify="right", no_wrap=True)
        for column in ("model, method", "bundle"):
            table.add_column(column, overflow="fold")
        table.add_column("run", no_wrap=True)
        for column in ("seconds", "memory"):
            table.add_column(column, justify="right", no_wrap=True)
        for place, row in enumerate(board["rows"], start=1):
            score = Measure(*(row[name] for name in ("value", "unit", "count", "low", "high")))
            peak = row["peak_bytes"]
            cells = (
                *(str(place), str(score), f"{_near(row['model'])}, {row['method']}"),
                *(_near(row["bundle"]), row["run"], f"{row['seconds']:.1f}"),
                "–" if peak is None else f"{peak / 1e9:.2f} GB",
            )
            table.add_row(*map(_plain, cells))
        console.print(table)


def _aliases(console: Any, fields: Mapping[str, Any]) -> None:
    if "taken" in fields:
        console.say(f"{fields['taken']} stands for nothing now; it was {fields['stood_for']}")
        return
    if not fields["aliases"]:
        console.print("No alias is given yet. Begin with: tunesmith runs alias @production BUNDLE")
        return
    for own in fields["aliases"]:
        since, until = (_moment(own[name]) for name in ("since", "until"))
        state = f"since {since}" if until is None else f"{since} until {until}"
        reason = f" ({own['reason']})" if own["reason"] else ""
        run = f", run {own['run']}" if own["run"] else ""
        console.say(f"{own['alias']}  {_near(own['path'])}")
        console.say(
            f"    {own['fingerprint'][:SHOWN_DIGITS]}, {state} UTC by {own['author']}{reason}{run}",
            style="dim",
        )


def _moment(text: str | None) -> str | None:
    return text and text[:16].replace("T", " ")


def _near(path: str) -> str:
    """Return a path below the current folder as it may be typed there, any other as it is."""
    here = os.path.abspath("")
    return os.path.relpath(path, here) if path.startswith(here + os.sep) else path


def _deleted(console: Any, fields: Mapping[str, Any]) -> None:
    console.say(f"Deleted the records of {', '.join(fields['deleted'])}")
    for folder in fields["folders"]:
        console.say(f"Removed  {folder}")
    for folder in fields["kept_folders"]:
        console.say(f"Kept     {folder} (--folders removes it too)")


def _garbage(console: Any, fields: Mapping[str, Any]) -> None:
    done, removes = fields["is_done"], fields["removes_folders"]
    word = "Removed" if done else "Would remove"
    lost, stale = fields["records_without_folder"], fields["stale_checkpoints"]
    for own in lost:
        console.say(f"{word} the record {own['run']}: {own['folder']} is gone")
    for own in stale:
        console.say(f"{word} {own['folder']} ({own['bytes'] / 1e6:.1f} MB): its run is finished")
    for own in fields["folders_without_record"]:
        size = f"{own['bytes'] / 1e6:.1f} MB"
        if own["needed_by"]:
            needed = ", ".join(own["needed_by"])
            console.say(f"Kept {own['folder']} ({size}): no record, but needed by {needed}")
        elif removes:
            console.say(f"{word} {own['folder']} ({size}): no record tells of it")
        else:
            console.say(f"No record tells of {own['folder']} ({size}); --folders removes it")
    if not (lost or stale or fields["folders_without_record"]):
        console.say("Nothing to remove")
    elif not done:
        console.say("Nothing was removed. Do it: tunesmith runs gc --yes")


_SHOWN: dict[str, Callable[[Any, Mapping[str, Any]], None]] = {
    "list": _list,
    "show": _show,
    "compare": _compare,
    "leaderboard": _leaderboard,
    "alias": _aliases,
    "unalias": _aliases,
    "delete": _deleted,
    "gc": _garbage,
}


def _plain(text: str) -> Text:
    return Text(visible(text))


def _tags(run: Mapping[str, Any]) -> str:
    return " ".join(run.get("tags") or ())


def _called(run: Mapping[str, Any]) -> str:
    return ", ".join(part for part in (run.get("name"), _tags(run)) if part)


def _headline(run: Mapping[str, Any]) -> str:
    if run["problem"]:
        problems = run["problem"]["problems"]
        return problems[0]["must"][:60] if problems else run["problem"]["error"]
    result = run["result"] or {}
    measures = result.get("measures", {})
    return ", ".join(
        f"{name} {measures[name]['value']:.3f}" for name in result.get("headline", [])[:1]
    )
