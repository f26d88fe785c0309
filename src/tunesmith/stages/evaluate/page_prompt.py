"""The page's part on a prompt: what the model is asked, and every prompt that was tried."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunesmith.stages.evaluate.page_findings import text_block
from tunesmith.stages.evaluate.page_markup import (
    NOTHING,
    Markup,
    definitions,
    group,
    isolate,
    scroller,
)
from tunesmith.stages.evaluate.page_numbers import UNKNOWN, count_text, duration_text, ratio_text
from tunesmith.stages.evaluate.page_tables import TALL_ROWS, interval_text, row, table
from tunesmith.stages.evaluate.page_words import counted, named

COLUMNS = ("round", "rows", "measure", "interval", "log", "examples", "seconds", "setting")


def prompt_part(report: Mapping[str, Any], words: dict[str, str]) -> Markup:
    """Return the prompt as one row meets it, its parts, and the transcript of a search."""
    prompt = report.get("prompt")
    if not prompt:
        return NOTHING
    listed = "; ".join(f"{label}: {' | '.join(own)}" for label, own in prompt["words"].items())
    facts = definitions(
        [
            (words["prompt.by"], named(words, "by", prompt["by"])),
            (words["prompt.template"], text_block(prompt["template"], words=words)),
            (words["prompt.words"], listed),
            (words["prompt.examples"], count_text(prompt["examples"])),
            (words["prompt.calibration"], named(words, "calibrated", prompt["calibration"])),
            (words["prompt.shown"], text_block(prompt["shown"], words=words)),
        ]
    )
    return group([facts, _transcript(prompt.get("tried") or [], words)])


def _transcript(trials: list[Mapping[str, Any]], words: dict[str, str]) -> Markup:
    if not trials:
        return NOTHING
    caption = counted(words, "prompt.tried", len(trials))
    columns = [words[f"prompt.column.{name}"] for name in COLUMNS]
    body = [_trial(trial, words) for trial in trials]
    return scroller(caption, table(caption, columns, body), tall=len(trials) > TALL_ROWS)


def _trial(trial: Mapping[str, Any], words: dict[str, str]) -> Markup:
    candidate = trial["candidate"]
    shown = ", ".join(
        [
            candidate["template"].replace("\n", " ⏎ "),
            " / ".join("|".join(own) for own in candidate["words"].values()),
            named(words, "calibrated", candidate["calibration"]),
            *([candidate["choice"], str(candidate["seed"])] if candidate["examples"] else []),
            *([trial["problem"]] if trial["problem"] else []),
        ]
    )
    is_known = trial["value"] is not None
    cells = (
        count_text(trial["rows"]),
        ratio_text(trial["value"]) if is_known else UNKNOWN,
        interval_text(trial) if is_known else UNKNOWN,
        ratio_text(trial["log_probability"]) if is_known else UNKNOWN,
        count_text(trial["examples"]),
        duration_text(trial["seconds"]),
        isolate(shown),
    )
    return row(count_text(trial["round"]), cells)
