"""The model card of a folder for the Hugging Face hub, and the lines that use it.

It is written from the report, the manifest and the terms alone. Nothing of any row is in it, nor
any path of the machine that tuned the model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from tunesmith.stages.evaluate.card import PIPELINE_TAGS, class_rows, limit_lines, measure_rows

METRICS = {
    "macro_f1": "f1",
    "micro_f1": "f1",
    "strict_f1": "f1",
    "relation_macro_f1": "f1",
    "spearman": "spearmanr",
    "rouge_l": "rouge",
    "rouge_1": "rouge",
    "rouge_2": "rouge",
}
"""The hub's names of measures, where they are not ours."""

LICENCES = frozenset(
    {
        *("apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "cc0-1.0", "cc-by-4.0"),
        *("cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0", "gpl-3.0", "lgpl-3.0", "agpl-3.0"),
        *("openrail", "gemma", "llama2", "llama3", "llama3.1", "llama3.2", "unlicense", "other"),
    }
)
"""Licences that the hub knows by name; of any other it takes `other` and the name."""

WEAK = 10
"""Classes that are shown, the weakest first."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What is said of a model beside its evidence.

    `base` is the hub id of the backbone, where it has one; `languages` are BCP 47 codes, `datasets`
    ids of the hub.
    """

    licence: str
    base: str | None
    languages: tuple[str, ...]
    datasets: tuple[str, ...]


def make_hub_card(
    report: Mapping[str, Any], manifest: Mapping[str, Any], terms: Terms, *, snippet: str
) -> str:
    """Return README.md: the hub's metadata, what was measured, weak classes, use and limits."""
    kind, labels = report["task"]["kind"], report["task"]["labels"]
    lacks = manifest["plain_transformers"]["lacks"]
    base = f"[{terms.base}](https://huggingface.co/{terms.base})" if terms.base else "a backbone"
    with_labels = f", with {len(labels)} labels" if labels else ""
    return "\n".join(
        [
            "---",
            yaml.safe_dump(_header(report, terms), sort_keys=False, allow_unicode=True).strip(),
            "---",
            "",
            f"# {_name(report)}",
            "",
            f"{base} tuned by the method `{report['method']['name']}` for {kind} on "
            f"{report['data']['train_rows']:,} rows{with_labels}. The rows are not part of this "
            "folder.",
            "",
            *(_lack_lines(lacks) if lacks else []),
            "## How to use it",
            "",
            "```python",
            snippet.strip(),
            "```",
            "",
            *_label_lines(labels),
            "## What it can do",
            "",
            f"Measured on {_split(report)} that it was not trained on:",
            "",
            *measure_rows(report),
            *class_rows(report, most=WEAK),
            *limit_lines(report.get("reliability") or {}),
            "",
            "## Limits",
            "",
            *[f"- {line}" for line in _limits(report, manifest)],
            "",
        ]
    )


def _header(report: Mapping[str, Any], terms: Terms) -> dict[str, Any]:
    tag = PIPELINE_TAGS[report["task"]["kind"]]
    metrics = [_metric(name, report["measures"][name]) for name in report["headline"]]
    dataset = {
        "name": ", ".join(terms.datasets) or "rows of the author",
        "type": terms.datasets[0] if terms.datasets else "private",
        "split": report["data"]["split"],
    }
    known = terms.licence.lower() in LICENCES
    own = {} if known else {"license_name": terms.licence}
    languages = terms.languages if len(terms.languages) <= WEAK else ("multilingual",)
    return {
        "library_name": "transformers",
        "pipeline_tag": tag,
        "license": terms.licence.lower() if known else "other",
        **own,
        **({"language": list(languages)} if languages else {}),
        **({"base_model": terms.base} if terms.base else {}),
        "datasets": list(terms.datasets),
        "metrics": list(dict.fromkeys(metric["type"] for metric in metrics)),
        "tags": ["tunesmith"],
        "model-index": [
            {
                "name": _name(report),
                "results": [{"task": {"type": tag}, "dataset": dataset, "metrics": metrics}],
            }
        ],
    }


def _metric(name: str, measure: Mapping[str, Any]) -> dict[str, Any]:
    shown = f"{name}, n = {measure['count']:,}"
    if measure["low"] is not None:
        shown += f", 95 % interval {measure['low']:.4f} to {measure['high']:.4f}"
    value = round(measure["value"], 4)
    return {"type": METRICS.get(name, name), "value": value, "name": shown}


def _name(report: Mapping[str, Any]) -> str:
    base = str(report["model"]["name"]).rstrip("/").rpartition("/")[2]
    return f"{base}-{report['task']['kind']}"


def _split(report: Mapping[str, Any]) -> str:
    return f"{report['data']['rows']:,} {report['data']['split']} rows"


def _lack_lines(lacks: Sequence[str]) -> list[str]:
    return [
        f"> transformers alone does not load {', '.join(f'`{name}`' for name in lacks)}, without "
        "which the answers are others than those measured here. The bundle that this folder was "
        "made of answers by `tunesmith predict`.",
        "",
    ]


def _label_lines(labels: Sequence[str]) -> list[str]:
    if not labels:
        return []
    return ["`labels.json` has the labels in the order of the outputs.", ""]


def _limits(report: Mapping[str, Any], manifest: Mapping[str, Any]) -> list[str]:
    """Return what a user has to know, a sentence each."""
    reading = manifest["reading"]
    lines = [
        f"It reads at most {reading['max_length']} tokens at once; the figures above come from "
        "longer texts read in overlapping windows, which transformers does not do by itself.",
        "The figures hold for rows like those it was measured on. Measure it on yours.",
    ]
    if report["data"]["split"] == "valid":
        lines.append("The validation rows also chose the checkpoint: expect less on other rows.")
    if report["task"]["kind"] == "ner":
        lines.append("Which tag may follow which is not checked by transformers, and was here.")
    if calibration := (report.get("reliability") or {}).get("calibration"):
        lines.append(
            f"The probabilities were calibrated by `{calibration['name']}` after these weights; "
            "those that transformers gives are as before."
        )
    if report["classes"]:
        weakest = min(report["classes"], key=lambda score: score["f1"])
        lines.append(
            f"The weakest class is `{_plain(weakest['label'])}`: F1 {weakest['f1']:.3f} on "
            f"{weakest['support']:,} rows."
        )
    return lines


def _plain(text: str) -> str:
    """Return text that cannot break a line or end a code span."""
    return text.replace("\n", " ").replace("`", "'")
