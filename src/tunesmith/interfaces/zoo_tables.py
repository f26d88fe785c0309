"""What `zoo` found, as a person reads it in a terminal: lines and rows of words, no drawing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tunesmith.core.units import show_bytes, show_count
from tunesmith.operations.zoo import ZooResult

COLUMNS = ("id", "family", "weights", "languages", "licence", "download", "here")
SHOWN_LANGUAGES = 2
USE = {"allowed": "", "conditional": " (conditions)", "forbidden": " (no business)", "unknown": "?"}
"""What stands behind a licence, by what it says of commercial use."""


def list_rows(models: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
    """Yield the cells of each model, in the order of `COLUMNS`."""
    for model in models:
        yield (
            model["id"],
            model["family"],
            show_count(model["parameters"]),
            show_languages(model["languages"]),
            model["licence"] + USE[model["commercial"]],
            show_bytes(model["download_bytes"]),
            "yes" if model["here"] else "",
        )


def show_languages(codes: Sequence[str]) -> str:
    """Return a few codes, or how many there are."""
    return ", ".join(codes) if len(codes) <= SHOWN_LANGUAGES else str(len(codes))


def lines_of(result: ZooResult) -> Iterator[str]:
    """Yield what is said of every action but `list`."""
    details = result.details
    match result.action:
        case "show":
            yield from _facts(result.models[0], details)
        case "fetch":
            yield f"Model     {result.models[0]['id']} at {details['revision'][:12]}"
            yield f"Folder    {details['path']}"
            yield f"Weights   sha256 {details['sha256']}"
            yield f"Size      {show_bytes(details['bytes'])}"
        case "remove":
            entry = ", and its entry" if details["entry_removed"] else ""
            yield f"Removed {details['removed']}{entry}: {show_bytes(details['freed_bytes'])} freed"
        case "add":
            model = result.models[0]
            yield f"Entry     {model['id']}: {show_count(model['parameters'])} parameters"
            yield f"File      {details['path']}"
            yield f"Next      tunesmith zoo show {model['id']}"
        case "check":
            yield from _reading(details)


def _facts(model: Mapping[str, Any], details: Mapping[str, Any]) -> Iterator[str]:
    yield f"{model['id']} ({model['family']}, {model['kind']}, {model['architecture']})"
    facts = {
        "Aliases": ", ".join(model["aliases"]),
        "Tasks": ", ".join(model["tasks"]) or "none of text",
        "Languages": " ".join(model["languages"]),
        "Licence": f"{model['licence']}; commercial use: {model['commercial']}"
        + ("; its terms must be accepted first" if model["gated"] else ""),
        "Parameters": f"{model['parameters']:,}"
        + (f"; {stored:,} in its file" if (stored := model["stored_parameters"]) else ""),
        "Layers": f"{model['layers']} of width {model['hidden_size']}"
        + (f", {model['heads']} heads" if model["heads"] else ""),
        "Vocabulary": f"{model['vocabulary']:,}" if model["vocabulary"] else "",
        "Context": f"{model['context']:,} tokens" if model["context"] else "",
        "Download": f"{show_bytes(model['download_bytes'])} as {model['stored']} (computed)",
        "Here": details["path"] or "",
    }
    for name, value in facts.items():
        if value:
            yield f"  {name:<11}{value}"
    for name, terms in details["memory"].items():
        shown = ", ".join(
            f"{part} {show_bytes(size)}"
            for part, size in terms.items()
            if size and part not in ("total", "process")
        )
        yield f"  {_MEMORY[name]:<11}{show_bytes(terms['total'])} on a CPU: {shown}"
    if details["expected"]:
        yield f"  {'Latency':<11}{show_latency(details['expected'])}"
    yield from _experience(details)
    for source in model["sources"]:
        facts = {key: value for key, value in source.items() if value and key != "kind"}
        yield f"  {'Source':<11}{source['kind']} " + ", ".join(map(str, facts.values()))
    for fact in model["facts"]:
        yield f"  {'Facts':<11}{fact}"


def show_latency(expected: Mapping[str, Any]) -> str:
    """Return the milliseconds that a row is expected to take, or why they cannot be told."""
    if expected["latency_ms"] is None:
        return f"not told: {expected['why']}"
    threads = f"{expected['threads']} {'thread' if expected['threads'] == 1 else 'threads'}"
    return (
        f"{expected['latency_ms']:.1f} ms a row of {expected['tokens']} tokens, expected: "
        f"{expected['device']}, {expected['precision']}, {threads}"
    )


def _experience(details: Mapping[str, Any]) -> Iterator[str]:
    """Yield what rankings and tuned models of this workspace say of a model."""
    for ranked in details["ranked"]:
        place = "beyond limits" if ranked["place"] is None else f"{ranked['place']}"
        yield (
            f"  {'Ranked':<11}{place} of {ranked['of']} for {ranked['task']} on {ranked['data']}: "
            f"{ranked['score']:.3f}, {ranked['latency_ms']:.1f} ms a row"
        )
    for known in details["measured"]:
        yield (
            f"  {'Measured':<11}{known['measure']} {known['value']:.3f} by {known['method']} "
            f"on {known['data']} ({known['split']}, {known['count']:,})"
        )


_MEMORY = {"tuning": "Tuning", "tuning_lora": "By LoRA", "serving": "Serving"}


def _reading(details: Mapping[str, Any]) -> Iterator[str]:
    yield f"{details['model']} on {details['rows']:,} rows"
    yield (
        f"  Unknown    {details['unknown_characters_ratio']:.2%} of characters, "
        f"{details['unknown_tokens_ratio']:.2%} of tokens"
    )
    yield (
        f"  Tokens     {details['tokens_per_word']:.2f} a word, "
        f"{details['tokens_per_character']:.2f} a character"
    )
    yield (
        f"  Lengths    median {details['median_tokens']:,}, 95% {details['p95_tokens']:,}, "
        f"99% {details['p99_tokens']:,}, longest {details['max_tokens']:,} tokens"
    )
    yield (
        f"  Context    {details['context']:,} tokens hold {details['rows_that_fit_ratio']:.1%} of "
        "the rows whole"
    )
    for finding in details["findings"]:
        yield f"{finding['severity'].capitalize()}: {finding['message']}"
    if not details["findings"]:
        yield "Nothing stands against this model."
